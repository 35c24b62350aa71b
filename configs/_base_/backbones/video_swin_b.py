# Video Swin B.
_base_ = './video_swin_s.py'
backbone = dict(
    embed_dims=128,
    num_heads=(4, 8, 16, 32),
    init_cfg=dict(
        checkpoint='https://github.com/SwinTransformer/storage/releases/download/v1.0.4/swin_base_patch244_window877_kinetics400_22k.pth'
    ),
)
neck = dict(in_channels=[128, 256, 512, 1024])
