# ReferFormer, ResNet-101, pre-training on single images.
_base_ = ['./referformer_r50_32xb2-12e_refcoco.py', '../_base_/backbones/resnet101.py']
model = dict(backbone=_base_.backbone)
