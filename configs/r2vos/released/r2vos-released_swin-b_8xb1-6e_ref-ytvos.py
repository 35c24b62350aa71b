# R2-VOS, preset of the released code, 2-D Swin-B.
_base_ = ['./r2vos-released_r50_8xb1-6e_ref-ytvos.py', '../../_base_/backbones/swin_b.py']
model = dict(backbone=_base_.backbone, neck=_base_.neck)
