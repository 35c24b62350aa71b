# R2-VOS, ResNet-50, joint training as in ReferFormer: 12 epochs from backbone weights only. The
# paper does not specify which training Table A used; the default is pre-training, then main
# training.
_base_ = [
    '../../_base_/models/r2vos_r50.py',
    '../../_base_/datasets/joint.py',
    '../../_base_/schedules/main_12e.py',
    '../../_base_/default_runtime.py',
]
# Not J&F&R, because the hold-out has no negative pairs unless you create them (docs/datasets.md).
default_hooks = dict(checkpoint=dict(save_best='J&F'))
