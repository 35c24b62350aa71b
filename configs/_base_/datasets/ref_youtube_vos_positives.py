# Refer-YouTube-VOS for methods without a verdict: one expression per clip, no negative pairs.
_base_ = './ref_youtube_vos.py'
train_dataloader = dict(dataset=dict(positives_per_clip=1, negatives=None))
val_dataloader = dict(dataset=dict(pipeline=_base_.short_side_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.short_side_pipeline))
