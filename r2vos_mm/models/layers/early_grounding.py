"""Ground the expression in one level of the memory (R2-VOS)."""

import torch
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from torch import Tensor

from r2vos_mm.registry import MODELS
from r2vos_mm.structures import TextFeatures

from .maps import flatten_padding, per_frame, to_maps, to_tokens


@MODELS.register_module()
class EarlyGrounding(BaseModule):
    """The early grounding module: f_early = ReLU(GN(conv3x3(v' + r))) (R2-VOS supplementary, C).

    Group normalisation includes padded cells, so a clip padded in a batch gives slightly different
    features than the same clip alone.

    Args:
        channels: C.
        num_groups: groups of the normalisations.
        attention: config of the dual cross-attention.
        dynamic_filter: config of the dynamic filter.
    """

    def __init__(
        self, *, attention: dict, dynamic_filter: dict, channels: int = 256, num_groups: int = 8
    ) -> None:
        super().__init__()
        norm = dict(type='GN', num_groups=num_groups)
        self.lateral = ConvModule(channels, channels, 1, norm_cfg=norm, act_cfg=None)
        self.attention = MODELS.build(attention)
        self.dynamic_filter = MODELS.build(dynamic_filter)
        self.output = ConvModule(channels, channels, 3, padding=1, norm_cfg=norm)

    def forward(
        self, vision: Tensor, position: Tensor, padding: Tensor | None, text: TextFeatures
    ) -> Tensor:
        """Ground the expressions in one level of the memory.

        Args:
            vision: (P, T, C, h, w) memory at the grounding stride.
            position: (P, T, C, h, w) positions p_v.
            padding: (P, T, h, w) bool, True in padded cells; None if there are none.
            text: the P expressions.

        Returns:
            f_early, (P, T, C, h, w).
        """
        lateral = per_frame(self.lateral, vision)
        tokens, words = self.attention(
            to_tokens(lateral), to_tokens(position), flatten_padding(padding, 1), text
        )
        grounded = to_maps(tokens, vision.shape)
        response = self.dynamic_filter(grounded, words, text.padding)
        return per_frame(self.output, grounded + response)

    @torch.no_grad()
    def attention_map(
        self, vision: Tensor, position: Tensor, padding: Tensor | None, text: TextFeatures
    ) -> Tensor:
        """(P, T, h, w) attention of the words to the cells, summing to one over the clip."""
        lateral = per_frame(self.lateral, vision)
        weights = self.attention.attention_map(
            to_tokens(lateral), to_tokens(position), flatten_padding(padding, 1), text
        )
        return weights.unflatten(1, (vision.shape[1], *vision.shape[-2:]))
