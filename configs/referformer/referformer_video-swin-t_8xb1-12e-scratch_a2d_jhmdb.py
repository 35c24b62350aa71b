# ReferFormer, Video-Swin-T, tested on JHMDB-Sentences with the weights of
# referformer_video-swin-t_8xb1-12e-scratch_a2d.py (published: mAP 39.1): clips of 6 frames.
_base_ = './referformer_video-swin-t_8xb2-6e_a2d_jhmdb.py'
clip_length = 6
train_dataloader = dict(dataset=dict(clip_length=clip_length))
val_dataloader = dict(dataset=dict(clip_length=clip_length))
test_dataloader = dict(dataset=dict(clip_length=clip_length))
