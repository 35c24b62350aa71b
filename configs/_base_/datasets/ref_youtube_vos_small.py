# Videos in the layout of Refer-YouTube-VOS, small enough to train on a CPU: for a first look at
# your own data. Set train_dataloader.dataset.data_root and val_dataloader.dataset.data_root.
_base_ = './ref_youtube_vos.py'
image_size = (192, 112)  # (w, h)
before_crop = (275, 160)  # of which the crop leaves 70 % at least
clip_length = 3

train_pipeline = [
    dict(
        type='TransformBroadcaster',
        share_random_params=True,
        transforms=[
            dict(type='LoadVideoFrame', largest_scale=before_crop),
            dict(type='LoadMasks'),
            dict(type='RandomFlip', prob=0.5),
            dict(type='mmdet.RandomCrop', crop_type='relative_range', crop_size=(0.7, 0.7)),
            dict(type='Resize', scale=image_size),
            dict(type='ClipPhotoMetricDistortion'),
        ],
    ),  # last: on few pixels
    dict(type='SwapLeftRight'),
    dict(type='PackReferringInputs'),
]
test_pipeline = [
    dict(
        type='TransformBroadcaster',
        transforms=[
            dict(type='LoadVideoFrame'),
            dict(type='Resize', scale=image_size),
            dict(type='LoadMasks'),
        ],
    ),
    dict(type='PackReferringInputs'),
]
train_dataloader = dict(
    batch_size=4,
    num_workers=1,
    dataset=dict(
        clip_length=clip_length,
        positives_per_clip=2,
        negatives=dict(per_clip=2),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(
    num_workers=0, persistent_workers=False, dataset=dict(pipeline=test_pipeline)
)
