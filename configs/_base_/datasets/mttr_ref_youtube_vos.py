# Refer-YouTube-VOS for MTTR: consecutive windows, one sentence per clip, the masks of all annotated
# objects, one size (short side 360, long side 640 at most), no crop and no change of colours.
_base_ = './ref_youtube_vos.py'
scale = (640, 360)
train_pipeline = [
    dict(
        type='TransformBroadcaster',
        share_random_params=True,
        transforms=[
            dict(type='LoadVideoFrame', largest_scale=scale),
            dict(type='LoadMasks'),
            dict(type='RandomFlip', prob=0.5),
            dict(type='Resize', scale=scale, keep_ratio=True),
        ],
    ),
    dict(type='SwapLeftRight'),
    dict(type='PackReferringInputs', with_instances=True),
]
train_dataloader = dict(
    dataset=dict(
        clip_length=12,
        frame_sampling=dict(type='ConsecutiveFrames'),
        positives_per_clip=1,
        negatives=None,
        pipeline=train_pipeline,
    )
)
