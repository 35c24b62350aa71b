# MTTR on A2D-Sentences, clips of 8 frames (published: mAP 44.7, overall IoU 70.2, mean IoU 61.8),
# 3 GPUs with 2 clips each.
_base_ = './mttr_video-swin-t_2xb3-70e_a2d-10f.py'
train_dataloader = dict(batch_size=2, dataset=dict(clip_length=8))
val_dataloader = dict(dataset=dict(clip_length=8))
test_dataloader = dict(dataset=dict(clip_length=8))
