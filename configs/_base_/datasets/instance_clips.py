# Clips made of photographs with annotated instances, with generated expressions. Validation and
# testing use videos in the layout of Refer-YouTube-VOS: the fold of the training videos that
# real_clips.py excludes from training, and the split 'valid'.
_base_ = ['./loaders.py', '../pipelines/real_clips.py']
image_root = 'data/coco_mini'  # instances.json and images/
video_root = 'data/mini_rytvos'
clip_length = 3
fold = dict(fraction=0.2, start=0.0)  # start: 0, 0.2, 0.4, 0.6 or 0.8

train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    dataset=dict(
        type='InstanceClipsDataset',
        data_root=image_root,
        frame_size=_base_.image_size,
        clip_length=clip_length,
        positives_per_clip=2,
        negatives_per_clip=2,
        pipeline=_base_.instance_train_pipeline,
    ),
)
val_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        type='R2VOSDataset',
        data_root=video_root,
        split='train',
        video_subset=dict(part='holdout', **fold),
        test_mode=True,
        dataset_name='real_clips',
        pipeline=_base_.real_test_pipeline,
    ),
)
test_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        type='R2VOSDataset',
        data_root=video_root,
        split='valid',
        test_mode=True,
        dataset_name='real_clips',
        pipeline=_base_.real_test_pipeline,
    ),
)
val_evaluator = dict(type='JFRMetric')
test_evaluator = val_evaluator
