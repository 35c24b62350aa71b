# R2-VOS, preset of the released code, ResNet-50.
_base_ = [
    '../../_base_/models/r2vos_released.py',
    '../../_base_/datasets/ref_youtube_vos.py',
    '../../_base_/schedules/main_6e.py',
    '../../_base_/default_runtime.py',
]

# One positive expression per clip, and one negative of another video. The relational losses need
# three expressions over all processes: with fewer than three GPUs, set positives_per_clip=3.
train_dataloader = dict(
    dataset=dict(
        positives_per_clip=1,
        negatives=dict(per_clip=1, shares=dict(_delete_=True, other_video=1.0)),
    )
)
val_dataloader = dict(dataset=dict(pipeline=_base_.short_side_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.short_side_pipeline))
# Not J&F&R, because the hold-out has no negative pairs unless you create them (docs/datasets.md).
default_hooks = dict(checkpoint=dict(save_best='J&F'))
