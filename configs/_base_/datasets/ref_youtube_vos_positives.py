# Refer-YouTube-VOS for methods without a verdict: one sentence per clip, no negative pairs. Tests
# see frames of short side 360 whatever the long one, resized by Pillow, as released code has it.
_base_ = './ref_youtube_vos.py'
test_pipeline = [
    dict(
        type='TransformBroadcaster',
        transforms=[
            dict(type='LoadVideoFrame'),
            dict(type='Resize', scale=(100000, 360), keep_ratio=True, backend='pillow'),
            dict(type='LoadObjectMask')]),
    dict(type='PackReferringInputs')]
train_dataloader = dict(dataset=dict(positives_per_clip=1, negatives=None))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
