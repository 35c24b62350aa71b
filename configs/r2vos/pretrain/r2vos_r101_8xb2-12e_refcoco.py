# R2-VOS, ResNet-101, pre-training on single images.
_base_ = './r2vos_r50_8xb2-12e_refcoco.py'
model = dict(backbone=dict(depth=101, init_cfg=dict(checkpoint='pretrained/resnet101.pth')))
