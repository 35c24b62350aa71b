# R2-VOS, ResNet-50, trained and validated on MeViS with the settings of Refer-YouTube-VOS.
_base_ = [
    '../_base_/models/r2vos_r50.py',
    '../_base_/datasets/mevis.py',
    '../_base_/schedules/main_6e.py',
    '../_base_/default_runtime.py',
]
# Not J&F&R, because version 1 has no negative pairs unless you create them (docs/datasets.md).
default_hooks = dict(checkpoint=dict(save_best='J&F'))
