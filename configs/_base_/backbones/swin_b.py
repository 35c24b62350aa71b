# 2-D Swin B.
_base_ = './swin_s.py'
backbone = dict(
    embed_dims=128,
    num_heads=(4, 8, 16, 32),
    drop_path_rate=0.3,
    with_cp=True,
    init_cfg=dict(
        checkpoint='https://github.com/SwinTransformer/storage/releases/download/v1.0.0/swin_base_patch4_window7_224_22k.pth'
    ),
)
neck = dict(in_channels=[128, 256, 512, 1024])
