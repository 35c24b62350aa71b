# Clips decoded from video files.
_base_ = './videos.py'
backend = 'opencv'  # or 'av' or 'decord', if installed
decode = dict(type='DecodeVideoFrames', backend=backend)
masks_and_flip = [dict(type='LoadMasks'), _base_.flip]
image_files_test_pipeline = _base_.test_pipeline

train_pipeline = [
    decode,
    dict(
        type='RandomChoice',
        transforms=[
            [dict(**_base_.same_for_all_frames, transforms=[*masks_and_flip, _base_.resize])],
            [
                dict(
                    **_base_.same_for_all_frames,
                    transforms=[*masks_and_flip, *_base_.crop_and_resize],
                )
            ],
        ],
    ),
    *_base_.train_pipeline[1:],
]
test_pipeline = [
    decode,
    dict(
        type='TransformBroadcaster',
        transforms=[dict(type='Resize', scale=(640, 360), keep_ratio=True), dict(type='LoadMasks')],
    ),
    dict(type='PackReferringInputs'),
]
