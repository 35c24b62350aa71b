# MTTR on Refer-YouTube-VOS, clips of 12 frames (published: J&F 55.32), 4 GPUs with 1 clip each.
_base_ = [
    '../_base_/models/mttr_video_swin_t.py',
    '../_base_/datasets/mttr_ref_youtube_vos.py',
    '../_base_/schedules/mttr_30e.py',
    '../_base_/default_runtime.py',
]
default_hooks = dict(checkpoint=dict(save_best='J&F'))
