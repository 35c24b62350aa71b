"""How the reference numbers' weights, clips and sentences are made: functions of names and seeds.

``README.md`` of the reference data describes them; ``test_parity.py`` compares this module with the
recipe there.
"""

from __future__ import annotations

import hashlib
import math

import torch
from torch import Tensor

# Of the language model in every fixture: two layers, a vocabulary of 1000.
ROBERTA = dict(
    vocab_size=1000,
    hidden_size=768,
    num_hidden_layers=2,
    num_attention_heads=12,
    intermediate_size=3072,
    max_position_embeddings=514,
    type_vocab_size=1,
    layer_norm_eps=1e-5,
    pad_token_id=1,
    bos_token_id=0,
    eos_token_id=2,
)
_TABLES = ('query_embed.weight', 'text_query.weight', 'level_embed', 'obj_queries.weight')


def fill(name: str, shape: tuple[int, ...]) -> Tensor:
    """Value of the tensor that the released model calls ``name``, float32.

    Noise seeded by the name, scaled by what kind of tensor it is. The box heads' second copies have
    the values of the first.
    """
    name = name.replace('transformer.decoder.bbox_embed.', 'bbox_embed.')
    seed = int(hashlib.md5(name.encode()).hexdigest()[:8], 16)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    leaf = name.rpartition('.')[2]
    if leaf == 'running_var':
        return 1 + 0.2 * noise.clamp(-2, 2)
    if leaf == 'running_mean':
        return 0.1 * noise
    if leaf in ('bias', 'in_proj_bias'):
        return (1.5 if name.endswith('sampling_offsets.bias') else 0.05) * noise
    if len(shape) == 1:
        return 1 + 0.1 * noise
    if name.endswith(_TABLES) or 'embeddings' in name:
        return 0.5 * noise
    scale = 0.3 if name.endswith('sampling_offsets.weight') else 1.0
    return scale * noise / math.sqrt(math.prod(shape[1:]))


class WordTokenizer:
    """Words hashed into a vocabulary of 1000: ``<s>`` 0, ``<pad>`` 1, ``</s>`` 2."""

    def __call__(
        self, sentences: list[str], *, padding: bool = True, return_tensors: str = 'pt'
    ) -> dict[str, Tensor]:
        """(P, L) ``input_ids`` and ``attention_mask``."""
        rows = [
            torch.tensor([0, *map(self._number, sentence.split()), 2]) for sentence in sentences
        ]
        pad = torch.nn.utils.rnn.pad_sequence
        return dict(
            input_ids=pad(rows, batch_first=True, padding_value=1),
            attention_mask=pad([torch.ones_like(row) for row in rows], batch_first=True),
        )

    @staticmethod
    def _number(word: str) -> int:
        words = ROBERTA['vocab_size'] - 3
        return 3 + int(hashlib.md5(word.encode()).hexdigest(), 16) % words


def clip(seed: int, frames: int, height: int, width: int) -> Tensor:
    """Normalised clip (frames, 3, height, width)."""
    return torch.randn(frames, 3, height, width, generator=torch.Generator().manual_seed(seed))
