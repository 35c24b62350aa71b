# ReferFormer, Video-Swin-T, on JHMDB-Sentences, weights of referformer_swin_t_a2d_scratch.py
# (mAP 39.1): windows of 6 frames.
_base_ = './referformer_swin_t_jhmdb.py'
window = 6
train_dataloader = dict(dataset=dict(window=window))
val_dataloader = dict(dataset=dict(window=window))
test_dataloader = dict(dataset=dict(window=window))
