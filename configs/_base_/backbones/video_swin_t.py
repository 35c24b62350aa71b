# Video Swin T with Kinetics-400 weights. Use it as
#     model = dict(backbone=_base_.backbone, neck=_base_.neck)
# Weights are those of the authors. Addresses have not been verified (docs/model_zoo.md).
backbone = dict(
    _delete_=True,
    type='VideoSwinTransformer',
    embed_dims=96,
    depths=(2, 2, 6, 2),
    num_heads=(3, 6, 12, 24),
    window_size=(8, 7, 7),
    drop_path_rate=0.2,
    init_cfg=dict(
        type='Pretrained',
        checkpoint='https://github.com/SwinTransformer/storage/releases/download/v1.0.4/swin_tiny_patch244_window877_kinetics400_1k.pth',
    ),
)
neck = dict(in_channels=[96, 192, 384, 768])
