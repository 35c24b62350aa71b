# Clips of one image, tested in the same way as videos.
_base_ = './videos.py'
train_scales = [(800, 480 + 32 * i) for i in range(10)]  # short sides 480 to 768
cropped_scales = [(640, side) for side in (296, 328, 360, 392, 416, 448, 480, 512)]

train_pipeline = [
    dict(
        type='TransformBroadcaster',
        transforms=[
            dict(type='LoadVideoFrame'),
            dict(type='LoadMasks'),
            _base_.flip,
            dict(
                type='RandomChoice',
                transforms=[
                    [dict(type='RandomChoiceResize', scales=train_scales, keep_ratio=True)],
                    [
                        *_base_.crop_and_resize[:-1],
                        dict(type='RandomChoiceResize', scales=cropped_scales, keep_ratio=True),
                    ],
                ],
            ),
        ],
    ),
    dict(type='SwapLeftRight'),
    dict(type='PackReferringInputs'),
]
