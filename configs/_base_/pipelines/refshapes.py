# Clips of RefShapes, 128x128.
image_size = (128, 128)  # (w, h)

train_pipeline = [
    dict(
        type='TransformBroadcaster',
        share_random_params=True,
        transforms=[
            dict(type='LoadVideoFrame'),
            dict(type='LoadMasks'),
            dict(type='RandomFlip', prob=0.5),
            # Weak hue jitter and a mild crop, because expressions name colours, sizes and
            # positions.
            dict(
                type='ClipPhotoMetricDistortion',
                brightness_delta=20,
                contrast_range=(0.8, 1.2),
                saturation_range=(0.8, 1.2),
                hue_delta=4,
            ),
            dict(type='mmdet.RandomCrop', crop_type='relative_range', crop_size=(0.85, 0.85)),
            dict(type='Resize', scale=image_size),
        ],
    ),
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
