# R2-VOS as released, ResNet-101.
_base_ = './r2vos_r50.py'
model = dict(backbone=dict(depth=101, init_cfg=dict(checkpoint='pretrained/resnet101.pth')))
