# R2-VOS as released, ResNet-101.
_base_ = './r2vos-released_r50_8xb1-6e_ref-ytvos.py'
model = dict(backbone=dict(depth=101, init_cfg=dict(checkpoint='pretrained/resnet101.pth')))
