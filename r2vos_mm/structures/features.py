"""Define the features that the parts of the model exchange.

Letters: B clips, T frames, P pairs, N queries, L words, C channels, h x w cells, S of all levels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

T = TypeVar('T', bound='Features')
Function = Callable[[Sequence[Any]], Any]


@dataclass
class Features:
    """A dataclass of tensors with a common first axis, such as the pairs of a batch.

    Fields are tensors, other features, lists of tensors (one per level), lists of features (one
    per row), flags or None; fields of other types belong to all rows and are passed on unchanged.

    Examples:
        >>> from r2vos_mm.structures import CycleOutput
        >>> cycle = CycleOutput(torch.zeros(3, 8), torch.tensor([0.5, -1.0, 2.0]))
        >>> len(cycle)
        3
        >>> cycle.select(cycle.misalignment_logit > 0).misalignment_logit
        tensor([0.5000, 2.0000])
        >>> len(CycleOutput.cat([cycle, cycle]))
        6
    """

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(next(x for x in self._values() if isinstance(x, (Tensor, Features))))

    def select(self: T, index: Tensor) -> T:
        """Return the rows given by a bool mask or by positions."""

        def pick(lists: Sequence[list]) -> list:
            return [lists[0][i] for i in torch.arange(len(lists[0]))[index.cpu()].tolist()]

        return self._join([self], lambda tensors: tensors[0][index], pick)

    def map(self: T, function: Callable[[Tensor], Tensor]) -> T:
        """Return the same features with a function applied to every tensor."""
        return self._join(
            [self],
            lambda tensors: function(tensors[0]),
            lambda lists: [row.map(function) for row in lists[0]],
        )

    def to(self: T, target: torch.device | torch.dtype | str) -> T:
        """Return the same features on another device or in another type."""
        return self.map(lambda tensor: tensor.to(target))

    @classmethod
    def cat(cls: type[T], parts: Sequence[T], *, dim: int = 0) -> T:
        """Concatenate all parts along ``dim``; flags are set if any part's is."""
        return cls._join(
            parts, lambda tensors: torch.cat(tensors, dim), lambda lists: sum(lists, [])
        )

    def _values(self) -> list[Any]:
        return [getattr(self, field.name) for field in fields(self)]

    @classmethod
    def _join(cls: type[T], parts: Sequence[T], tensors: Function, rows: Function) -> T:
        """Join several by one function for their tensors, and another for their lists of rows."""

        def join(values: Sequence[Any]) -> Any:
            first = values[0]
            item = first[0] if isinstance(first, list) and first else None
            if isinstance(first, Tensor):
                return tensors(values)
            if isinstance(first, Features):
                return first._join(values, tensors, rows)
            if isinstance(item, Tensor):
                return [tensors(levels) for levels in zip(*values, strict=True)]
            if isinstance(item, Features):
                return rows(values)
            return any(values) if isinstance(first, bool) else first

        return cls(*map(join, zip(*(part._values() for part in parts), strict=True)))


@dataclass
class TextFeatures(Features):
    """The expressions of P pairs, projected to the model's width."""

    words: Tensor  # (P, L, C) word features g, start and end token included
    sentence: Tensor  # (P, C) sentence embeddings e
    padding: Tensor  # (P, L) bool, True where a row has no word
    has_padding: bool = True  # False if ``padding`` is known to be False everywhere
    # (P, K) weights of the classes of a classifier, where a model has :class:`WordMaps`
    class_weights: Tensor | None = None

    @property
    def key_padding(self) -> Tensor | None:
        """Words (P, L) that attention must skip; None if there are none."""
        return self.padding if self.has_padding else None

    def mark_dynamic(self) -> None:
        """Let ``torch.compile`` make one graph for all numbers of expressions and words."""
        for values in (x for x in self._values() if isinstance(x, Tensor)):
            torch._dynamo.maybe_mark_dynamic(values, 0)
        for values in (self.words, self.padding):
            torch._dynamo.maybe_mark_dynamic(values, 1)

    def average(self, values: Tensor) -> Tensor:
        """Average values of words (P, L, D) over the words without padding; return (P, D)."""
        weights = (~self.padding).to(values.dtype)[..., None]
        return (values * weights).sum(1) / weights.sum(1)


@dataclass
class ClassScores(Features):
    """Scores of an image classifier of K classes for B clips."""

    # (B, T, K, h, w) scaled logits of each cell, relative to their mean over the classes
    cells: Tensor
    frames: Tensor  # (B, T, K) probabilities of the classes in each frame


@dataclass
class WordEvidence(Features):
    """Evidence of a classifier for the presence of what P expressions name in their clips."""

    maps: Tensor  # (P, T, h, w) evidence in each cell
    frames: Tensor  # (P, T) odds of each frame, relative to an undecided one

    @property
    def presence(self) -> Tensor:
        """Logits (P,) of 'what the expression names is in the video'."""
        return self.frames.mean(1).log()


@dataclass
class ClipFeatures(Features):
    """Features of B clips that do not depend on the text, computed once per clip."""

    finest: Tensor  # (B, T, C, h, w) lateral of the backbone's stride-4 map
    levels: list[Tensor]  # per encoder level, (B, T, C, h, w) projected maps
    paddings: list[Tensor]  # per encoder level, (B, T, h, w) bool, True in padded cells
    # per encoder level, (B, T, C, h, w) 2-D positions, level embedding not included
    positions: list[Tensor]
    valid_ratios: Tensor  # (B, levels, 2) share of the padded width and height that is image
    image_sizes: Tensor  # (B, 2) width and height of the unpadded frames in pixels
    has_padding: bool = True  # False if ``paddings`` are known to be False everywhere
    # (B, T, C, h, w) positions of the cells of ``finest``, where the neck needs them (ReferFormer)
    finest_position: Tensor | None = None
    classes: ClassScores | None = None  # scores of a classifier for the clips, if there is one
    finest_is_convolved: bool = False  # whether ``finest`` comes from :meth:`GroundingNeck.share`


@dataclass
class ClipMaps(Features):
    """A map of each frame of P clips, and where its cells are."""

    cells: Tensor  # (P, T, C, h, w)
    position: Tensor  # (P, T, C, h, w) positions of the cells
    padding: Tensor | None  # (P, T, h, w) bool, True in padded cells; None if there are none


@dataclass
class Memory(Features):
    """Encoder output of P pairs, all levels flattened, as the instance decoder reads it."""

    tokens: Tensor  # (P, T, S, C), S the cells of all levels
    padding: Tensor | None  # (P, T, S) bool, True in padded cells; None if there are none
    shapes: list[tuple[int, int]]  # per level (h, w)
    valid_ratios: Tensor  # (P, levels, 2)
    image_sizes: Tensor  # (P, 2) width and height of the unpadded frames in pixels

    def level(self, index: int) -> Tensor:
        """Return the (P, T, C, h, w) map of one level."""
        sizes = [h * w for h, w in self.shapes]
        start = sum(sizes[:index])
        cells = self.tokens[:, :, start : start + sizes[index]]
        return cells.transpose(2, 3).unflatten(3, self.shapes[index])


@dataclass
class GroundedFeatures(Features):
    """P pairs after grounding: one map per frame that depends on the expression."""

    early: Tensor  # (P, T, C, h, w) f_early, the text-grounded map at the grounding stride
    # (P, T, h, w) bool, True in padded cells of ``early``; None if there are none
    padding: Tensor | None
    position: Tensor  # (P, T, C, h, w) positions of the cells of ``early``
    memory: Features  # the encoder's output, :class:`Memory` or :class:`MultimodalMemory`
    text: TextFeatures  # the expressions
    pair_to_clip: Tensor  # (P,) clip of each pair
    # evidence of a classifier for the pairs, if the model has one
    evidence: WordEvidence | None = None


@dataclass
class CycleOutput(Features):
    """Result of the text -> video -> text cycle for P pairs."""

    reconstructed: Tensor  # (P, C) e', the sentence embedding rebuilt from the video
    misalignment_logit: Tensor  # (P,) logit of 'this expression does not belong to this video'


@dataclass
class QueryPredictions(Features):
    """Predictions of one decoder layer for the N queries of P pairs."""

    scores: Tensor  # (P, T, N) referring logits
    # (P, T, N, 4) cxcywh in [0, 1] of the unpadded frame; None for methods without boxes
    boxes: Tensor | None
    masks: Tensor  # (P, T, N, h, w) mask logits at the stride of the mask features

    def of_queries(self, queries: Tensor) -> QueryPredictions:
        """Return the predictions of one query per pair, given as (P,), without the axis of N."""
        rows = torch.arange(len(queries), device=queries.device)
        return self.map(lambda tensor: tensor[rows, :, queries])


@dataclass
class InstanceTargets(Features):
    """All I annotated instances of a pair's clip, for methods that learn from all of them."""

    masks: Tensor  # (I, T, H, W) bool, empty where the instance is not visible
    valid: Tensor  # (I, T) bool, True where the instance is visible
    # (I,) bool, True for the instance of the expression; all False for negative pairs
    referred: Tensor

    def at_frames(self, frames: Tensor) -> InstanceTargets:
        """Return the targets of the frames (T',) only."""
        return InstanceTargets(self.masks[:, frames], self.valid[:, frames], self.referred)

    def labels(self, *, referred: int, other: int) -> Tensor:
        """Return classes (I, T): ``referred`` where that instance is visible, else ``other``."""
        return torch.where(self.referred[:, None] & self.valid, referred, other)


@dataclass
class PairTargets(Features):
    """The objects that P pairs refer to; negative pairs have none in any frame."""

    boxes: Tensor  # (P, T, 4) cxcywh in [0, 1] of the unpadded frame, zeros where absent
    masks: Tensor  # (P, T, H, W) bool
    valid: Tensor  # (P, T) bool, True where the object is visible
    # for each pair all instances of its clip; None if the data has none
    instances: list[InstanceTargets] | None = None

    def at_frames(self, frames: Tensor) -> PairTargets:
        """Return the targets of some frames of each pair, given as positions (P, T')."""
        frames = frames.to(self.valid.device)
        rows = torch.arange(len(frames), device=frames.device)[:, None]
        instances = self.instances
        if instances is not None:
            instances = [x.at_frames(some) for x, some in zip(instances, frames, strict=True)]
        return PairTargets(
            self.boxes[rows, frames], self.masks[rows, frames], self.valid[rows, frames], instances
        )

    def at_stride(self, stride: int, size: tuple[int, int]) -> PairTargets:
        """Return the targets with masks sub-sampled at offset stride // 2, without instances.

        Args:
            stride: pixels per cell.
            size: (h, w) of the predictions; cells beyond the input are background.
        """
        masks = self.masks[:, :, stride // 2 :: stride, stride // 2 :: stride]
        missing = size[0] - masks.shape[-2], size[1] - masks.shape[-1]
        if any(missing):
            masks = F.pad(masks, (0, missing[1], 0, missing[0]))
        return PairTargets(self.boxes, masks, self.valid)


@dataclass
class MultimodalClips(Features):
    """Features of B clips that do not depend on the text, computed once per clip."""

    cells: Tensor  # (B, T, C, h, w) projected coarsest map, the one that is encoded
    padding: Tensor  # (B, T, h, w) bool, True in its padded cells
    position: Tensor  # (B, T, C, h, w) positions of its cells
    # finer maps as the spatial decoder takes them, coarsest first, (B, T, C_i, h_i, w_i)
    laterals: list[Tensor]
    has_padding: bool = True  # False if ``padding`` is known to be False everywhere
    classes: ClassScores | None = None  # scores of a classifier for the clips, if there is one


@dataclass
class MultimodalMemory(Features):
    """Encoded sequences of P pairs: in every frame its cells, then the words of the expression."""

    tokens: Tensor  # (P, T, S + L, C)
    # (P, T, S + L) bool, True at padded cells and where there is no word; None if there are none
    padding: Tensor | None
    position: Tensor  # (P, T, S + L, C), zeros for words
