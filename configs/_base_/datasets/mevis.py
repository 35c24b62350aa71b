# MeViS: a target is a union of objects. valid_u has masks; the masks of valid are on a server.
_base_ = './ref_youtube_vos.py'
data_root = 'data/mevis'
load_large = [
    dict(type='LoadVideoFrame', largest_scale=_base_.train_scales[-1]),
    dict(type='LoadMasks'),
    dict(type='RandomFlip', prob=0.5),
]
load_for_crop = [
    dict(type='LoadVideoFrame', largest_scale=_base_.crop_scales[-1]),
    dict(type='LoadMasks'),
    dict(type='RandomFlip', prob=0.5),
]

train_pipeline = [
    dict(
        type='RandomChoice',
        transforms=[
            [
                dict(
                    type='TransformBroadcaster',
                    share_random_params=True,
                    transforms=[*load_large, _base_.resize],
                )
            ],
            [
                dict(
                    type='TransformBroadcaster',
                    share_random_params=True,
                    transforms=[*load_for_crop, *_base_.crop_and_resize],
                )
            ],
        ],
    ),
    dict(
        type='TransformBroadcaster',
        share_random_params=True,
        transforms=[dict(type='ClipPhotoMetricDistortion')],
    ),
    dict(type='SwapLeftRight'),
    dict(type='PackReferringInputs'),
]
test_pipeline = [
    dict(
        type='TransformBroadcaster',
        transforms=[
            dict(type='LoadVideoFrame'),
            dict(type='Resize', scale=(640, 360), keep_ratio=True),
            dict(type='LoadMasks'),
        ],
    ),
    dict(type='PackReferringInputs'),
]

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='MeViSDataset',
        data_root=data_root,
        split='train',
        clip_length=_base_.clip_length,
        positives_per_clip=3,
        # version 2 has sentences without a target; version 1 leaves their share to the others
        negatives=dict(
            type='TrainNegatives', per_clip=3, shares=dict(no_target=0.5, other_video=0.5)
        ),
        pipeline=train_pipeline,
    )
)
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='MeViSDataset',
        data_root=data_root,
        split='valid_u',
        test_mode=True,
        pipeline=test_pipeline,
    )
)
test_dataloader = val_dataloader
val_evaluator = dict(type='JFRMetric', groups=['quality', 'robustness', 'verdict', 'no_target'])
test_evaluator = val_evaluator
