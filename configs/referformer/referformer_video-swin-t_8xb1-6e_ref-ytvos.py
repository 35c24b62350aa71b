# ReferFormer, Video-Swin-T (published J&F 59.4).
_base_ = ['./referformer_r50_8xb1-6e_ref-ytvos.py', '../_base_/backbones/video_swin_t.py']
model = dict(backbone=_base_.backbone, neck=_base_.neck)
