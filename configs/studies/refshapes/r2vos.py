# R2-VOS, preset `paper`, at the size and budget of the study, with 3 dynamic filters.
_base_ = ['../../_base_/models/r2vos_tiny.py', './_base_/budget.py']
model = dict(
    backbone=dict(init_cfg=_base_.backbone_weights), neck=dict(temporal_mixing=None)
)  # stills
