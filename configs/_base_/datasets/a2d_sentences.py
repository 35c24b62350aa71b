# A2D-Sentences: each item is one annotated frame. Losses are taken on that frame alone, so a
# backbone that sees single frames is trained on it alone, too (clips of 1 frame).
_base_ = ['./loaders.py', '../pipelines/video_files.py']
data_root = 'data/a2d_sentences'
clip_length = 1

train_dataloader = dict(
    batch_size=2,
    dataset=dict(
        type='A2DSentencesDataset',
        data_root=data_root,
        split='train',
        clip_length=clip_length,
        positives_per_clip=3,
        negatives=_base_.negatives,
        pipeline=_base_.train_pipeline,
    ),
)
val_dataloader = dict(
    dataset=dict(
        type='A2DSentencesDataset',
        data_root=data_root,
        split='test',
        clip_length=clip_length,
        test_mode=True,
        pipeline=_base_.test_pipeline,
    )
)
test_dataloader = val_dataloader

val_evaluator = dict(type='JFRMetric', protocols=['a2d'], groups=['quality'])
test_evaluator = val_evaluator
