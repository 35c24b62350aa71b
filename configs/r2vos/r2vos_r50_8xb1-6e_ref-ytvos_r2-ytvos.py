# R2-VOS, ResNet-50, tested on Refer-YouTube-VOS with negative pairs to measure robustness.
_base_ = [
    '../_base_/models/r2vos_r50.py',
    '../_base_/datasets/r2_youtube_vos.py',
    '../_base_/schedules/main_6e.py',
    '../_base_/default_runtime.py',
]
