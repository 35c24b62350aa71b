# ReferFormer, Video-Swin-T, on JHMDB-Sentences.
_base_ = ['./referformer_r50_8xb2-6e_a2d_jhmdb.py', '../_base_/backbones/video_swin_t.py']
model = dict(backbone=_base_.backbone, neck=_base_.neck)
