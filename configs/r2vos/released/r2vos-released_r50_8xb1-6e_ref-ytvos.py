# R2-VOS as released, ResNet-50.
_base_ = [
    '../../_base_/models/r2vos_released.py',
    '../../_base_/datasets/ref_youtube_vos.py',
    '../../_base_/schedules/main_6e.py',
    '../../_base_/default_runtime.py',
]

# A positive and a negative sentence per clip, of another video. The relational terms need three
# sentences over all processes: with fewer than three GPUs, set positives_per_clip=3.
train_dataloader = dict(
    dataset=dict(
        positives_per_clip=1,
        negatives=dict(per_clip=1, shares=dict(_delete_=True, other_video=1.0)),
    )
)
val_dataloader = dict(dataset=dict(pipeline=_base_.short_side_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.short_side_pipeline))
# The hold-out has no negative pairs unless they are made (docs/datasets.md), hence not by J&F&R.
default_hooks = dict(checkpoint=dict(save_best='J&F'))
