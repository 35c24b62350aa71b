# R2-VOS, preset of the released code, Video-Swin-B (Table A) after pre-training (load_from).
_base_ = ['./r2vos-released_r50_8xb1-6e_ref-ytvos.py', '../../_base_/backbones/video_swin_b.py']
model = dict(backbone=_base_.backbone, neck=_base_.neck)
