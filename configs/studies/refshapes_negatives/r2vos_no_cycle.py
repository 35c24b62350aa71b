# R2-VOS without cycle, which sees no negative pairs.
_base_ = '../refshapes/r2vos_no_cycle.py'
model = dict(
    backbone=dict(init_cfg=dict(checkpoint='configs/checkpoints/r2vos_tiny_refshapes.pth'))
)
