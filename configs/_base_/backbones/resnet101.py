# ResNet-101 with ImageNet weights instead of ResNet-50. Use it as
#     model = dict(backbone=_base_.backbone)
# The address has not been verified (docs/model_zoo.md).
backbone = dict(
    depth=101,
    init_cfg=dict(checkpoint='https://download.pytorch.org/models/resnet101-63fe2227.pth'),
)
