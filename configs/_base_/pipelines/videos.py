# Clips of videos whose frames are image files. Sizes are (long side at most, short side); 100000
# stands for a long side without limit.
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

# Resize or crop: a choice made once per clip, hence outside the broadcasters. Frames are loaded
# inside it, large ones at half their size where nothing larger is needed. Colours change last, when
# there are fewest pixels.
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
# Masks are loaded after the resize: ground truth keeps the size of the files.
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
# The released codes of the field test at a short side of 360 whatever the long one, resized by
# Pillow, which averages when it shrinks.
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
# Clips made of single images: every frame is moved on its own; flip, size and colours are the same
# for all.
pseudo_clip_pipeline = [
    dict(
        type='TransformBroadcaster',
        transforms=[
            dict(type='LoadVideoFrame'),
            dict(type='LoadMasks'),
            dict(type='JitterFrame'),
        ],
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
