# 2-D Swin T with ImageNet weights, applied to single frames, with normalized maps. Use it as
#     model = dict(backbone=_base_.backbone, neck=_base_.neck)
# Weights are those of the authors of Swin. Addresses have not been verified (docs/model_zoo.md).
backbone = dict(
    _delete_=True,
    type='mmdet.SwinTransformer',
    embed_dims=96,
    depths=(2, 2, 6, 2),
    num_heads=(3, 6, 12, 24),
    window_size=7,
    drop_path_rate=0.2,
    convert_weights=True,
    init_cfg=dict(
        type='Pretrained',
        checkpoint='https://github.com/SwinTransformer/storage/releases/download/v1.0.0/swin_tiny_patch4_window7_224.pth',
    ),
)
neck = dict(in_channels=[96, 192, 384, 768])
