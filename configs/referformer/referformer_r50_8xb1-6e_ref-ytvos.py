# ReferFormer, ResNet-50, on Refer-YouTube-VOS. Published: J&F 55.6, fine-tuned from RefCOCO weights
# (load_from) without their score heads.
_base_ = [
    '../_base_/models/referformer_r50.py',
    '../_base_/datasets/ref_youtube_vos_positives.py',
    '../_base_/schedules/main_6e.py',
    '../_base_/default_runtime.py',
]
default_hooks = dict(checkpoint=dict(save_best='J&F'))
