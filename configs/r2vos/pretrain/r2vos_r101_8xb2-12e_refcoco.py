# R2-VOS, ResNet-101, pre-training on single images.
_base_ = ['./r2vos_r50_8xb2-12e_refcoco.py', '../../_base_/backbones/resnet101.py']
model = dict(backbone=_base_.backbone)
