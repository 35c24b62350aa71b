# ReferFormer, ResNet-101, joint training.
_base_ = './referformer_r50_32xb1-12e_joint.py'
model = dict(backbone=dict(depth=101, init_cfg=dict(checkpoint='pretrained/resnet101.pth')))
