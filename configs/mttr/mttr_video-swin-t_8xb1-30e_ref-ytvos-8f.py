# MTTR on Refer-YouTube-VOS, clips of 8 frames (published: J&F 54.56), 8 GPUs with 1 clip each.
_base_ = './mttr_video-swin-t_4xb1-30e_ref-ytvos-12f.py'
train_dataloader = dict(dataset=dict(clip_length=8))
auto_scale_lr = dict(base_batch_size=8)
