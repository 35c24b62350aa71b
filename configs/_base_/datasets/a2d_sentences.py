# A2D-Sentences, one annotated frame per item. Losses use the annotated frame only, so image
# backbones are trained with clips of this frame alone.
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
