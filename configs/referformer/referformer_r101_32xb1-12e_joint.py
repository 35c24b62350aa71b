# ReferFormer, ResNet-101, joint training.
_base_ = ['./referformer_r50_32xb1-12e_joint.py', '../_base_/backbones/resnet101.py']
model = dict(backbone=_base_.backbone)
