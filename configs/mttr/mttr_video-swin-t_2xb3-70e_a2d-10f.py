# MTTR on A2D-Sentences, clips of 10 frames (published: mAP 46.1, overall IoU 72.0, mean IoU 64.0),
# 2 GPUs with 3 clips each.
_base_ = [
    '../_base_/models/mttr_video_swin_t.py',
    '../_base_/datasets/mttr_a2d_sentences.py',
    '../_base_/schedules/mttr_70e.py',
    '../_base_/default_runtime.py',
]
model = dict(test_cfg=dict(candidates=True))
default_hooks = dict(checkpoint=dict(save_best='mAP'))
