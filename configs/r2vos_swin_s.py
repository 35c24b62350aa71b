# R2-VOS, Video-Swin-S.
_base_ = ['./r2vos_r50.py', './_base_/backbones/video_swin_s.py']
model = dict(backbone=_base_.backbone, neck=_base_.neck)
