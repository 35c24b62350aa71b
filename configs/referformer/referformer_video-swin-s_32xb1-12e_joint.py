# ReferFormer, Video-Swin-S, joint training.
_base_ = ['./referformer_r50_32xb1-12e_joint.py', '../_base_/backbones/video_swin_s.py']
model = dict(backbone=_base_.backbone, neck=_base_.neck)
