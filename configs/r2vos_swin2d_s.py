# R2-VOS, 2-D Swin-S.
_base_ = ['./r2vos_r50.py', './_base_/backbones/swin_s.py']
model = dict(backbone=_base_.backbone, neck=_base_.neck)
