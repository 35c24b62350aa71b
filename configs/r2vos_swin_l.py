# R2-VOS, Video-Swin-L.
_base_ = ['./r2vos_r50.py', './_base_/backbones/video_swin_l.py']
model = dict(backbone=_base_.backbone, neck=_base_.neck)
