# Video Swin S.
_base_ = './video_swin_t.py'
backbone = dict(
    depths=(2, 2, 18, 2),
    with_cp=True,
    init_cfg=dict(
        checkpoint='https://github.com/SwinTransformer/storage/releases/download/v1.0.4/swin_small_patch244_window877_kinetics400_1k.pth'
    ),
)
