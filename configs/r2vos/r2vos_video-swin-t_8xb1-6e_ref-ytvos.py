# R2-VOS, Video-Swin-T (Table C). Weights: docs/backbones.md.
_base_ = ['./r2vos_r50_8xb1-6e_ref-ytvos.py', '../_base_/backbones/video_swin_t.py']
model = dict(backbone=_base_.backbone, neck=_base_.neck)
