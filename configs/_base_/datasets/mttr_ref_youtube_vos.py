# Refer-YouTube-VOS for MTTR: clips of consecutive frames, one expression per clip, the masks of all
# annotated objects.
_base_ = ['./ref_youtube_vos.py', '../pipelines/mttr.py']
train_dataloader = dict(
    dataset=dict(
        clip_length=12,
        frame_sampling=dict(type='ConsecutiveFrames'),
        positives_per_clip=1,
        negatives=None,
        pipeline=_base_.mttr_video_train_pipeline,
    )
)
