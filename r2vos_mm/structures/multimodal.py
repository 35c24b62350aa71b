"""What the parts of a multimodal transformer (MTTR) hand to each other.

Letters: B clips, T frames, P pairs, L words, S cells of the encoded map, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass
class MultimodalClips:
    """What is computed once per clip, before any text is seen.

    Attributes:
        cells: (B, T, C, h, w) projected coarsest map, the one that is encoded.
        padding: (B, T, h, w) bool, True in its padded cells.
        position: (B, T, C, h, w) positions of its cells.
        laterals: finer maps as the spatial decoder takes them, coarsest first,
            (B, T, C_i, h_i, w_i).
    """

    cells: Tensor
    padding: Tensor
    position: Tensor
    laterals: list[Tensor]


@dataclass
class MultimodalMemory:
    """Encoded sequences of P pairs: in every frame its cells, then the words of the sentence.

    Attributes:
        tokens: (P, T, S + L, C).
        padding: (P, T, S + L) bool, True at padded cells and where there is no word.
        position: (P, T, S + L, C), zeros for words.
    """

    tokens: Tensor
    padding: Tensor
    position: Tensor

    def select(self, index: Tensor) -> MultimodalMemory:
        """The pairs that ``index`` (bool mask or positions) names."""
        return MultimodalMemory(self.tokens[index], self.padding[index], self.position[index])
