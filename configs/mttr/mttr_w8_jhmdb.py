# MTTR on JHMDB-Sentences with the weights of mttr_w8_a2d.py (published: mAP 36.6).
_base_ = './mttr_w10_jhmdb.py'
train_dataloader = dict(batch_size=2, dataset=dict(window=8))
val_dataloader = dict(dataset=dict(window=8))
test_dataloader = dict(dataset=dict(window=8))
