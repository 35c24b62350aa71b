# ReferFormer, Video-Swin-T, on A2D-Sentences (published mAP 52.8).
_base_ = ['./referformer_r50_8xb2-6e_a2d.py', '../_base_/backbones/video_swin_t.py']
model = dict(backbone=_base_.backbone, neck=_base_.neck)
