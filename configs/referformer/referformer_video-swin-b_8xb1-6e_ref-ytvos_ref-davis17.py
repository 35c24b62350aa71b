# ReferFormer, Video-Swin-B, on Ref-DAVIS17 (published J&F 61.1).
_base_ = [
    './referformer_r50_8xb1-6e_ref-ytvos_ref-davis17.py',
    '../_base_/backbones/video_swin_b.py',
]
model = dict(backbone=_base_.backbone, neck=_base_.neck)
