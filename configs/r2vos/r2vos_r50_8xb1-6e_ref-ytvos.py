# R2-VOS, ResNet-50, main training on Refer-YouTube-VOS (row 3 of Table B).
_base_ = [
    '../_base_/models/r2vos_r50.py',
    '../_base_/datasets/ref_youtube_vos.py',
    '../_base_/schedules/main_6e.py',
    '../_base_/default_runtime.py',
]
# Not J&F&R, because the hold-out has no negative pairs unless you create them (docs/datasets.md).
default_hooks = dict(checkpoint=dict(save_best='J&F'))
