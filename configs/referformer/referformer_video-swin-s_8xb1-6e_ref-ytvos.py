# ReferFormer, Video-Swin-S (published J&F 60.1).
_base_ = ['./referformer_r50_8xb1-6e_ref-ytvos.py', '../_base_/backbones/video_swin_s.py']
model = dict(backbone=_base_.backbone, neck=_base_.neck)
