# Refer-YouTube-VOS, clips of 5 frames. The validation masks are not public, so 5 % of the training
# videos, selected by the hash of their ids, are held out for validation.
_base_ = ['./loaders.py', '../pipelines/videos.py']
dataset_type = 'R2VOSDataset'
data_root = 'data/ref-youtube-vos'
clip_length = 5
holdout_fraction = 0.05

train_dataloader = dict(
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='train',
        video_subset=dict(part='train', fraction=holdout_fraction),
        clip_length=clip_length,
        positives_per_clip=3,
        negatives=_base_.negatives,
        pipeline=_base_.train_pipeline,
    )
)
val_dataloader = dict(
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='train',
        video_subset=dict(part='holdout', fraction=holdout_fraction),
        test_mode=True,
        pipeline=_base_.test_pipeline,
    )
)
# The validation videos of the challenge have no masks. Use them to write a submission.
test_dataloader = dict(
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='valid',
        test_mode=True,
        pipeline=_base_.test_pipeline,
    )
)

val_evaluator = dict(type='JFRMetric')
test_evaluator = dict(type='JFRMetric')
