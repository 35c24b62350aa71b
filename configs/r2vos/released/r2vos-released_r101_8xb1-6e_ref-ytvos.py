# R2-VOS, preset of the released code, ResNet-101.
_base_ = ['./r2vos-released_r50_8xb1-6e_ref-ytvos.py', '../../_base_/backbones/resnet101.py']
model = dict(backbone=_base_.backbone)
