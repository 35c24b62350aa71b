"""Fuse visual tokens with the expression before the encoder."""

from mmengine.model import BaseModule
from torch import Tensor

from r2vos_mm.registry import MODELS
from r2vos_mm.structures import TextFeatures

from .attention import MultiheadAttention
from .positions import word_positions


@MODELS.register_module()
class MultimodalFusion(BaseModule):
    """Cross-attention from visual tokens to words, multiplied onto the tokens.

    All levels share the weights (R2-VOS supplementary; so does the released code). The query
    projection does not depend on the text, so it runs once per clip.

    Args:
        channels: C.
        num_heads: heads of the attention.
    """

    def __init__(self, channels: int = 256, num_heads: int = 8) -> None:
        super().__init__()
        self.attention = MultiheadAttention(channels, num_heads)

    def forward(self, tokens: Tensor, text: TextFeatures, pair_to_clip: Tensor) -> Tensor:
        """Fuse tokens (B, T, S, C) of B clips with the P expressions that refer to them.

        ``pair_to_clip`` (P,) is the clip of each pair; S are the cells of all levels. Returns
        (P, T, S, C).
        """
        keys = text.words + word_positions(text)
        if self.attention.are_few(keys):
            queries, attend = tokens, self.attention
        else:
            queries, attend = self.attention.query_proj(tokens), self.attention.attend
        queries = queries.flatten(1, 2)[pair_to_clip]
        update = attend(queries, keys, text.words, key_padding=text.key_padding)
        return tokens[pair_to_clip] * update.unflatten(1, tokens.shape[1:3])
