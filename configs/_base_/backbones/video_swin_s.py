# Video Swin S.
_base_ = './video_swin_t.py'
backbone = dict(
    depths=(2, 2, 18, 2),
    with_cp=True,
    init_cfg=dict(checkpoint='pretrained/swin_small_patch244_window877_kinetics400_1k.pth'),
)
