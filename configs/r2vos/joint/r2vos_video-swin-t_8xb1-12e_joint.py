# R2-VOS, Video-Swin-T, joint training.
_base_ = ['./r2vos_r50_8xb1-12e_joint.py', '../../_base_/backbones/video_swin_t.py']
model = dict(backbone=_base_.backbone, neck=_base_.neck)
