# ReferFormer, 2-D Swin-L, joint training.
_base_ = ['./referformer_r50_32xb1-12e_joint.py', '../_base_/backbones/swin_l.py']
model = dict(backbone=_base_.backbone, neck=_base_.neck)
