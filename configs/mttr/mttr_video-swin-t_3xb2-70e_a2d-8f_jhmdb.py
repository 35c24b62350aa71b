# MTTR tested on JHMDB-Sentences with the weights of mttr_video-swin-t_3xb2-70e_a2d-8f.py
# (published: mAP 36.6).
_base_ = './mttr_video-swin-t_2xb3-70e_a2d-10f_jhmdb.py'
train_dataloader = dict(batch_size=2, dataset=dict(clip_length=8))
val_dataloader = dict(dataset=dict(clip_length=8))
test_dataloader = dict(dataset=dict(clip_length=8))
