# ReferFormer, ResNet-101 (published J&F 57.3).
_base_ = ['./referformer_r50_8xb1-6e_ref-ytvos.py', '../_base_/backbones/resnet101.py']
model = dict(backbone=_base_.backbone)
