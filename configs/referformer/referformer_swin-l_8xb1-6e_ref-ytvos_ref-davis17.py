# ReferFormer, 2-D Swin-L, on Ref-DAVIS17 (published J&F 60.5).
_base_ = ['./referformer_r50_8xb1-6e_ref-ytvos_ref-davis17.py', '../_base_/backbones/swin_l.py']
model = dict(backbone=_base_.backbone, neck=_base_.neck)
