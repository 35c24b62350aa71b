# ReferFormer, 2-D Swin-L, pre-training on single images.
_base_ = ['./referformer_r50_32xb2-12e_refcoco.py', '../_base_/backbones/swin_l.py']
model = dict(backbone=_base_.backbone, neck=_base_.neck)
