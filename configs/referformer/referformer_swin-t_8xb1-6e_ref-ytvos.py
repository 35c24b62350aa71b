# ReferFormer, 2-D Swin-T (published J&F 58.7).
_base_ = ['./referformer_r50_8xb1-6e_ref-ytvos.py', '../_base_/backbones/swin_t.py']
model = dict(backbone=_base_.backbone, neck=_base_.neck)
