# A2D-Sentences for MTTR: windows around the annotated frame, one size (short side 320, long side
# 576 at most), one sentence per clip.
_base_ = './a2d_sentences.py'
window = 10
scale = (576, 320)
train_pipeline = [
    dict(type='DecodeVideoFrames', backend=_base_.backend),
    dict(
        type='TransformBroadcaster',
        share_random_params=True,
        transforms=[
            dict(type='LoadMasks'),
            dict(type='RandomFlip', prob=0.5),
            dict(type='Resize', scale=scale, keep_ratio=True),
        ],
    ),
    dict(type='SwapLeftRight'),
    dict(type='PackReferringInputs', with_instances=True),
]
test_pipeline = [
    dict(type='DecodeVideoFrames', backend=_base_.backend),
    dict(
        type='TransformBroadcaster',
        transforms=[
            dict(type='Resize', scale=scale, keep_ratio=True),
            dict(type='LoadMasks'),
        ],
    ),
    dict(type='PackReferringInputs'),
]
train_dataloader = dict(
    batch_size=3,
    dataset=dict(
        window=window,
        positives_per_clip=1,
        negatives=None,
        with_instances=True,
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(dataset=dict(window=window, pipeline=test_pipeline))
test_dataloader = val_dataloader
