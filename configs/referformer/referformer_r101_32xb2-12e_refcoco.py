# ReferFormer, ResNet-101, pre-training on single images.
_base_ = './referformer_r50_32xb2-12e_refcoco.py'
model = dict(backbone=dict(depth=101, init_cfg=dict(checkpoint='pretrained/resnet101.pth')))
