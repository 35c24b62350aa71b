# Clips of photographs and films, small enough to train on a CPU.
image_size = (384, 224)  # (w, h)
before_crop = (550, 320)  # the crop keeps at least 60 %

# Weak jitter, because expressions name colours.
jitter = dict(
    type='ClipPhotoMetricDistortion',
    brightness_delta=24,
    contrast_range=(0.8, 1.2),
    saturation_range=(0.8, 1.2),
    hue_delta=4,
)
real_train_pipeline = [
    dict(
        type='TransformBroadcaster',
        share_random_params=True,
        transforms=[
            dict(type='LoadVideoFrame', largest_scale=before_crop),
            dict(type='LoadMasks'),
            dict(type='RandomFlip', prob=0.5),
            dict(type='mmdet.RandomCrop', crop_type='relative_range', crop_size=(0.6, 0.6)),
            dict(type='Resize', scale=image_size),
            jitter,
        ],
    ),
    dict(type='SwapLeftRight'),
    dict(type='PackReferringInputs'),
]
# InstanceClipsDataset returns frames of image_size.
instance_train_pipeline = [
    dict(
        type='TransformBroadcaster',
        share_random_params=True,
        transforms=[dict(type='RandomFlip', prob=0.5), jitter],
    ),
    dict(type='SwapLeftRight'),
    dict(type='PackReferringInputs'),
]
real_test_pipeline = [
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
# Without a crop, which would make expressions such as 'the leftmost dog' false.
whole_image_pipeline = [
    dict(
        type='TransformBroadcaster',
        transforms=[
            dict(type='LoadVideoFrame', largest_scale=before_crop),
            dict(type='LoadMasks'),
            dict(type='RandomFlip', prob=0.5),
            dict(type='Resize', scale=image_size),
            jitter,
        ],
    ),
    dict(type='SwapLeftRight'),
    dict(type='PackReferringInputs'),
]
