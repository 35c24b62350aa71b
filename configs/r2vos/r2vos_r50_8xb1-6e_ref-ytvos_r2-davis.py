# R2-VOS, ResNet-50, tested on R2-DAVIS with the weights of r2vos_r50_8xb1-6e_ref-ytvos.py.
_base_ = [
    '../_base_/models/r2vos_r50.py',
    '../_base_/datasets/r2_davis.py',
    '../_base_/schedules/main_6e.py',
    '../_base_/default_runtime.py',
]
default_hooks = dict(checkpoint=dict(save_best='J&F'))
