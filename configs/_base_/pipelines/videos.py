# Clips of videos whose frames are image files. Sizes are (maximum long side, short side); 100000
# means that the long side is unlimited.
train_scales = [(640, side) for side in (288, 320, 352, 392, 416, 448, 480, 512)]
crop_scales = [(100000, side) for side in (400, 500, 600)]  # before a crop
resize = dict(type='RandomChoiceResize', scales=train_scales, keep_ratio=True)
crop_and_resize = [
    dict(type='RandomChoiceResize', scales=crop_scales, keep_ratio=True),
    dict(type='mmdet.RandomCrop', crop_type='absolute_range', crop_size=(384, 600)),
    resize,
]
flip = dict(type='RandomFlip', prob=0.5)
same_for_all_frames = dict(type='TransformBroadcaster', share_random_params=True)

# Resize or crop. The choice is made once per clip, so it is outside the broadcasters. Frames are
# loaded inside, because large ones are decoded at half their size if possible. Colour augmentation
# comes last, where there are fewest pixels.
train_pipeline = [
    dict(
        type='RandomChoice',
        transforms=[
            [
                dict(
                    **same_for_all_frames,
                    transforms=[
                        dict(type='LoadVideoFrame', largest_scale=train_scales[-1]),
                        dict(type='LoadMasks'),
                        flip,
                        resize,
                    ],
                )
            ],
            [
                dict(
                    **same_for_all_frames,
                    transforms=[
                        dict(type='LoadVideoFrame', largest_scale=crop_scales[-1]),
                        dict(type='LoadMasks'),
                        flip,
                        *crop_and_resize,
                    ],
                )
            ],
        ],
    ),
    dict(**same_for_all_frames, transforms=[dict(type='ClipPhotoMetricDistortion')]),
    dict(type='SwapLeftRight'),
    dict(type='PackReferringInputs'),
]
# Masks are loaded after the resize, so the ground truth keeps its original size.
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
# The released code of all three methods tests at a short side of 360 for any long side, resized by
# Pillow with antialiasing.
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
# Synthetic clips from single images. Each frame is shifted separately; flip, size and colour
# augmentation are the same for all frames.
pseudo_clip_pipeline = [
    dict(
        type='TransformBroadcaster',
        transforms=[dict(type='LoadVideoFrame'), dict(type='LoadMasks'), dict(type='JitterFrame')],
    ),
    dict(**same_for_all_frames, transforms=[flip]),
    dict(
        type='RandomChoice',
        transforms=[
            [dict(**same_for_all_frames, transforms=[resize])],
            [dict(**same_for_all_frames, transforms=crop_and_resize)],
        ],
    ),
    *train_pipeline[1:],
]
