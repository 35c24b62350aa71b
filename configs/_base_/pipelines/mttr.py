# MTTR: one size, no crop, no colour augmentation, masks of all objects. Sizes are (maximum long
# side, short side).
video_scale = (640, 360)
a2d_scale = (576, 320)

mttr_video_train_pipeline = [
    dict(
        type='TransformBroadcaster',
        share_random_params=True,
        transforms=[
            dict(type='LoadVideoFrame', largest_scale=video_scale),
            dict(type='LoadMasks'),
            dict(type='RandomFlip', prob=0.5),
            dict(type='Resize', scale=video_scale, keep_ratio=True),
        ],
    ),
    dict(type='SwapLeftRight'),
    dict(type='PackReferringInputs', with_instances=True),
]
mttr_a2d_train_pipeline = [
    dict(type='DecodeVideoFrames', backend='opencv'),
    dict(
        type='TransformBroadcaster',
        share_random_params=True,
        transforms=[
            dict(type='LoadMasks'),
            dict(type='RandomFlip', prob=0.5),
            dict(type='Resize', scale=a2d_scale, keep_ratio=True),
        ],
    ),
    dict(type='SwapLeftRight'),
    dict(type='PackReferringInputs', with_instances=True),
]
mttr_a2d_test_pipeline = [
    dict(type='DecodeVideoFrames', backend='opencv'),
    dict(
        type='TransformBroadcaster',
        transforms=[dict(type='Resize', scale=a2d_scale, keep_ratio=True), dict(type='LoadMasks')],
    ),
    dict(type='PackReferringInputs'),
]
mttr_jhmdb_test_pipeline = [
    dict(
        type='TransformBroadcaster',
        transforms=[
            dict(type='LoadVideoFrame'),
            dict(type='Resize', scale=a2d_scale, keep_ratio=True),
            dict(type='LoadMasks'),
        ],
    ),
    dict(type='PackReferringInputs'),
]
