# ReferFormer, Video-Swin-B (published J&F 62.9).
_base_ = ['./referformer_r50_8xb1-6e_ref-ytvos.py', '../_base_/backbones/video_swin_b.py']
model = dict(backbone=_base_.backbone, neck=_base_.neck)
