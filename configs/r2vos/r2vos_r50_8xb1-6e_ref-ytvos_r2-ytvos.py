# R2-VOS, ResNet-50, on Refer-YouTube-VOS with negative pairs: how robust the model is.
_base_ = [
    '../_base_/models/r2vos_r50.py',
    '../_base_/datasets/r2_youtube_vos.py',
    '../_base_/schedules/main_6e.py',
    '../_base_/default_runtime.py',
]
