# ReferFormer, 2-D Swin-L (published J&F 62.4).
_base_ = ['./referformer_r50_8xb1-6e_ref-ytvos.py', '../_base_/backbones/swin_l.py']
model = dict(backbone=_base_.backbone, neck=_base_.neck)
