"""Initialise weights as DETR and Caffe2 do."""

from mmcv.cnn import ConvModule
from mmengine.model import caffe2_xavier_init
from torch import nn


def xavier_matrices(module: nn.Module) -> None:
    """Draw every parameter with more than one axis from Xavier's uniform distribution (DETR)."""
    for parameter in module.parameters():
        if parameter.dim() > 1:
            nn.init.xavier_uniform_(parameter)


def caffe2_convolutions(*modules: ConvModule) -> None:
    """Draw weights from a uniform distribution scaled by the number of inputs only (Caffe2)."""
    for module in modules:
        caffe2_xavier_init(module.conv)
