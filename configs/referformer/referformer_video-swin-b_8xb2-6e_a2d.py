# ReferFormer, Video-Swin-B, on A2D-Sentences (published mAP 55.0).
_base_ = ['./referformer_r50_8xb2-6e_a2d.py', '../_base_/backbones/video_swin_b.py']
model = dict(backbone=_base_.backbone, neck=_base_.neck)
