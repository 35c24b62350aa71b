# R2-VOS, ResNet-50, main training on Refer-YouTube-VOS (row 3 of Table B).
_base_ = [
    '../_base_/models/r2vos_r50.py',
    '../_base_/datasets/ref_youtube_vos.py',
    '../_base_/schedules/main_6e.py',
    '../_base_/default_runtime.py',
]
# The hold-out has no negative pairs unless they are made (docs/datasets.md), hence not by J&F&R.
default_hooks = dict(checkpoint=dict(save_best='J&F'))
