"""Define the features that the parts of a multimodal transformer (MTTR) exchange.

Letters: B clips, T frames, P pairs, L words, S cells of the encoded map, C channels.
"""

from dataclasses import dataclass

from torch import Tensor

from .base_features import Features
from .features import ClassScores


@dataclass
class MultimodalClips(Features):
    """Features of B clips that do not depend on the text, computed once per clip.

    Attributes:
        cells: (B, T, C, h, w) projected coarsest map, the one that is encoded.
        padding: (B, T, h, w) bool, True in its padded cells.
        position: (B, T, C, h, w) positions of its cells.
        laterals: finer maps as the spatial decoder takes them, coarsest first,
            (B, T, C_i, h_i, w_i).
        has_padding: False if ``padding`` is known to be False everywhere.
        classes: what a classifier says about the clips, where the model asks one.
    """

    cells: Tensor
    padding: Tensor
    position: Tensor
    laterals: list[Tensor]
    has_padding: bool = True
    classes: ClassScores | None = None


@dataclass
class MultimodalMemory(Features):
    """Encoded sequences of P pairs: in every frame its cells, then the words of the expression.

    Attributes:
        tokens: (P, T, S + L, C).
        padding: (P, T, S + L) bool, True at padded cells and where there is no word; None if there
            are none.
        position: (P, T, S + L, C), zeros for words.
    """

    tokens: Tensor
    padding: Tensor | None
    position: Tensor
