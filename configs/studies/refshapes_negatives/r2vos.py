# R2-VOS, preset `paper`: negative pairs train the verdict only. Unlike in the first study, the
# backbone is that of the checkpoint in this repository, so that nothing has to be trained before.
_base_ = '../refshapes/r2vos.py'
model = dict(
    backbone=dict(init_cfg=dict(checkpoint='configs/checkpoints/r2vos_tiny_refshapes.pth'))
)
