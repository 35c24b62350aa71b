# ReferFormer, ResNet-101 (J&F 57.3).
_base_ = './referformer_r50_8xb1-6e_ref-ytvos.py'
model = dict(backbone=dict(depth=101, init_cfg=dict(checkpoint='pretrained/resnet101.pth')))
