# R2-VOS, ResNet-50, joint training as in ReferFormer: 12 epochs from backbone weights only. The
# paper does not specify which training Table A used; the default is pre-training, then main
# training.
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
# Not J&F&R, because the hold-out has no negative pairs unless you create them (docs/datasets.md).
default_hooks = dict(checkpoint=dict(save_best='J&F'))
