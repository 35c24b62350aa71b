# R2-VOS, ResNet-101.
_base_ = './r2vos_r50_8xb1-6e_ref-ytvos.py'
model = dict(backbone=dict(depth=101, init_cfg=dict(checkpoint='pretrained/resnet101.pth')))
