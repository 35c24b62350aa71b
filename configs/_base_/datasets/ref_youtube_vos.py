# Refer-YouTube-VOS, clips of 5 frames. The validation masks are not public: 5 % of the training
# videos, chosen by the hash of their ids, are the local validation and stay out of training.
_base_ = ['./loaders.py', './clip_sizes.py']
dataset_type = 'R2VOSDataset'
data_root = 'data/ref-youtube-vos'
clip_length = 5
holdout_fraction = 0.05

# A choice between two ways, made once per clip, hence outside the broadcasters. Frames are loaded
# inside it: large ones at half their size where nothing larger is needed. Colours change last, when
# there are fewest pixels.
train_pipeline = [
    dict(
        type='RandomChoice',
        transforms=[
            [
                dict(
                    type='TransformBroadcaster',
                    share_random_params=True,
                    transforms=[
                        dict(type='LoadVideoFrame', largest_scale=_base_.train_scales[-1]),
                        dict(type='LoadMasks'),
                        dict(type='RandomFlip', prob=0.5),
                        _base_.resize,
                    ],
                )
            ],
            [
                dict(
                    type='TransformBroadcaster',
                    share_random_params=True,
                    transforms=[
                        dict(type='LoadVideoFrame', largest_scale=_base_.crop_scales[-1]),
                        dict(type='LoadMasks'),
                        dict(type='RandomFlip', prob=0.5),
                        *_base_.crop_and_resize,
                    ],
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
# As the released codes of the field test: the short side is 360 whatever the long one, by Pillow,
# which averages when it shrinks.
short_side_pipeline = [
    dict(
        type='TransformBroadcaster',
        transforms=[
            dict(type='LoadVideoFrame'),
            dict(type='Resize', scale=(100000, 360), keep_ratio=True, backend='pillow'),
            dict(type='LoadMasks'),
        ],
    ),
    dict(type='PackReferringInputs'),
]

train_dataloader = dict(
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='train',
        video_subset=dict(part='train', fraction=holdout_fraction),
        clip_length=clip_length,
        positives_per_clip=3,
        negatives=_base_.negatives,
        pipeline=train_pipeline,
    )
)
val_dataloader = dict(
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='train',
        video_subset=dict(part='holdout', fraction=holdout_fraction),
        test_mode=True,
        pipeline=test_pipeline,
    )
)
# The challenge's validation videos: no masks, for a submission.
test_dataloader = dict(
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        split='valid',
        test_mode=True,
        pipeline=test_pipeline,
    )
)

val_evaluator = dict(type='JFRMetric')
test_evaluator = dict(type='JFRMetric')
