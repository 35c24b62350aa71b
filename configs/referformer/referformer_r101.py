# ReferFormer, ResNet-101 (J&F 57.3).
_base_ = './referformer_r50.py'
model = dict(backbone=dict(depth=101, init_cfg=dict(checkpoint='pretrained/resnet101.pth')))
