# R2-VOS as released, 2-D Swin-S.
_base_ = './r2vos_swin2d_t.py'
model = dict(backbone=dict(
    depths=(2, 2, 18, 2),
    init_cfg=dict(checkpoint='pretrained/swin_small_patch4_window7_224.pth')))
