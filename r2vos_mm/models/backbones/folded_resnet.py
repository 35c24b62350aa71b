"""Define ResNet with its fixed batch norms folded into the convolutions."""

from typing import Any

import torch.nn.functional as F
from mmdet.models.backbones import ResNet
from mmdet.models.backbones.resnet import BasicBlock, Bottleneck
from torch import Tensor, nn

from r2vos_mm.registry import MODELS

from ..layers.recompute import recompute


def conv_norm(conv: nn.Module, norm: nn.Module, maps: Tensor) -> Tensor:
    """Apply a convolution and its norm, as one convolution if that is a batch norm in eval mode.

    Each call multiplies the weights again (23 million in ResNet-50, under 1 % of the cost of a
    frame), so nothing is stored and gradients flow as without folding.
    """
    is_fixed = isinstance(norm, nn.BatchNorm2d) and not norm.training and norm.track_running_stats
    if not is_fixed or type(conv) is not nn.Conv2d or conv.padding_mode != 'zeros':
        return norm(conv(maps))
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    bias = norm.bias - norm.running_mean * scale
    if conv.bias is not None:
        bias = bias + conv.bias * scale
    weight = conv.weight * scale[:, None, None, None]
    return F.conv2d(maps, weight, bias, conv.stride, conv.padding, conv.dilation, conv.groups)


class _FoldedBlock(nn.Module):
    """Base of the blocks, which precedes MMDetection's in the method resolution order."""

    def forward(self, x: Tensor) -> Tensor:
        if getattr(self, 'with_plugins', False):
            return super().forward(x)
        return self.relu(recompute(self._residual, x, when=self.with_cp))

    def _residual(self, x: Tensor) -> Tensor:
        out = conv_norm(self.conv1, self.norm1, x)
        out = conv_norm(self.conv2, self.norm2, self.relu(out))
        if hasattr(self, 'conv3'):
            out = conv_norm(self.conv3, self.norm3, self.relu(out))
        if self.downsample is None:
            return out.add_(x)
        *before, conv, norm = self.downsample
        for layer in before:
            x = layer(x)
        return out.add_(conv_norm(conv, norm, x))


class _BasicBlock(_FoldedBlock, BasicBlock):
    pass


class _Bottleneck(_FoldedBlock, Bottleneck):
    pass


@MODELS.register_module()
class FoldedResNet(ResNet):
    """``mmdet.ResNet`` of the same arguments, weights and results in less time and memory.

    A batch norm that does not train, which is every one in evaluation or with ``norm_eval``, is
    folded into the convolution before it. ``with_cp`` recomputes blocks in the backward pass.
    """

    def make_res_layer(self, *, block: type, **options: Any) -> nn.Module:
        """Build a stage of folded blocks."""
        folded = {BasicBlock: _BasicBlock, Bottleneck: _Bottleneck}
        return super().make_res_layer(block=folded[block], **options)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return for each out index a map (N, C_i, h_i, w_i) of frames (N, 3, H, W)."""
        x = self.stem(x) if self.deep_stem else self.relu(conv_norm(self.conv1, self.norm1, x))
        x, outs = self.maxpool(x), []
        for index, name in enumerate(self.res_layers):
            x = getattr(self, name)(x)
            if index in self.out_indices:
                outs.append(x)
        return tuple(outs)
