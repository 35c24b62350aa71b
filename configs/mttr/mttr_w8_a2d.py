# MTTR on A2D-Sentences, windows of 8 frames (published: mAP 44.7, overall IoU 70.2, mean IoU 61.8),
# 3 GPUs with 2 clips each.
_base_ = './mttr_w10_a2d.py'
train_dataloader = dict(batch_size=2, dataset=dict(window=8))
val_dataloader = dict(dataset=dict(window=8))
test_dataloader = dict(dataset=dict(window=8))
