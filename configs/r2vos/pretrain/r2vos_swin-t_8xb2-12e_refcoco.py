# R2-VOS, Swin-T, pre-training on single images.
_base_ = ['./r2vos_r50_8xb2-12e_refcoco.py', '../../_base_/backbones/swin_t.py']
model = dict(backbone=_base_.backbone, neck=_base_.neck)
