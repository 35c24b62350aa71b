# R2-VOS, ResNet-50, joint training as ReferFormer's: 12 epochs from backbone weights only. Which
# training stands behind Table A the paper does not tell; the default here is pre-training, then
# main training.
_base_ = [
    '../../_base_/models/r2vos_r50.py',
    '../../_base_/datasets/joint.py',
    '../../_base_/schedules/main_6e.py',
    '../../_base_/default_runtime.py',
]
train_cfg = dict(max_epochs=12)
param_scheduler = [
    dict(
        type='MultiStepLR',
        by_epoch=True,
        milestones=[8, 10],
        gamma=0.1,
        end=12,
        convert_to_iter_based=True,
    )
]
# The hold-out has no negative pairs unless they are made (docs/datasets.md), hence not by J&F&R.
default_hooks = dict(checkpoint=dict(save_best='J&F'))
