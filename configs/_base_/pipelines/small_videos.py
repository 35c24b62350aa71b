# Clips small enough to train on a CPU.
image_size = (192, 112)  # (w, h)
before_crop = (275, 160)  # the crop keeps at least 70 %

small_train_pipeline = [
    dict(
        type='TransformBroadcaster',
        share_random_params=True,
        transforms=[
            dict(type='LoadVideoFrame', largest_scale=before_crop),
            dict(type='LoadMasks'),
            dict(type='RandomFlip', prob=0.5),
            dict(type='mmdet.RandomCrop', crop_type='relative_range', crop_size=(0.7, 0.7)),
            dict(type='Resize', scale=image_size),
            dict(type='ClipPhotoMetricDistortion'),  # last, where there are fewest pixels
        ],
    ),
    dict(type='SwapLeftRight'),
    dict(type='PackReferringInputs'),
]
small_test_pipeline = [
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
