# ReferFormer, Video-Swin-S, on A2D-Sentences (published mAP 53.9).
_base_ = ['./referformer_r50_8xb2-6e_a2d.py', '../_base_/backbones/video_swin_s.py']
model = dict(backbone=_base_.backbone, neck=_base_.neck)
