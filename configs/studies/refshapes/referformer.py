# ReferFormer at the size and budget of the study, without negative pairs, from which no component
# of it learns.
_base_ = ['../../_base_/models/referformer_tiny.py', './_base_/budget.py']
model = dict(
    backbone=dict(init_cfg=_base_.backbone_weights), neck=dict(temporal_mixing=None)
)  # stills
train_dataloader = dict(dataset=dict(negatives=None))
