"""Define the features that the parts of the model exchange.

Letters: B clips, T frames, P pairs, N queries, L words, C channels, h x w cells of a level.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .base_features import Features


@dataclass
class TextFeatures(Features):
    """The expressions of P pairs, projected to the model's width.

    Attributes:
        words: (P, L, C) word features g, start and end token included.
        sentence: (P, C) sentence embeddings e.
        padding: (P, L) bool, True where a row has no word.
        has_padding: False if ``padding`` is known to be False everywhere.
        class_weights: (P, K) weights of the classes of a classifier, where a model has
            :class:`~r2vos_mm.models.layers.word_maps.WordMaps`.
    """

    words: Tensor
    sentence: Tensor
    padding: Tensor
    has_padding: bool = True
    class_weights: Tensor | None = None

    @property
    def key_padding(self) -> Tensor | None:
        """(P, L) words that attention must skip; None if there are none."""
        return self.padding if self.has_padding else None

    def average(self, values: Tensor) -> Tensor:
        """(P, L, D) values of words -> (P, D) averages without the padding."""
        weights = (~self.padding).to(values.dtype)[..., None]
        return (values * weights).sum(1) / weights.sum(1)


@dataclass
class ClassScores(Features):
    """What an image classifier of K classes says about B clips.

    Attributes:
        cells: (B, T, K, h, w) scaled logits of each cell, relative to their mean over the classes.
        frames: (B, T, K) probabilities of the classes in each frame.
    """

    cells: Tensor
    frames: Tensor


@dataclass
class WordEvidence(Features):
    """How well what P expressions name fits what a classifier sees in their clips.

    Attributes:
        maps: (P, T, h, w) evidence in each cell.
        frames: (P, T) odds of each frame, relative to an undecided one.
    """

    maps: Tensor
    frames: Tensor

    @property
    def presence(self) -> Tensor:
        """(P,) logit of 'what the expression names is in the video'."""
        return self.frames.mean(1).log()


@dataclass
class ClipFeatures(Features):
    """Features of B clips that do not depend on the text, computed once per clip.

    Attributes:
        finest: (B, T, C, h, w) lateral of the backbone's stride-4 map.
        levels: per encoder level, (B, T, C, h, w) projected maps.
        paddings: per encoder level, (B, T, h, w) bool, True in padded cells.
        positions: per encoder level, (B, T, C, h, w) 2-D positions, level embedding not included.
        valid_ratios: (B, levels, 2) share of the padded width and height that is image.
        image_sizes: (B, 2) width and height of the unpadded frames in pixels.
        has_padding: False if ``paddings`` are known to be False everywhere.
        finest_position: (B, T, C, h, w) positions of the cells of ``finest``, where the neck needs
            them (ReferFormer).
        classes: what a classifier says about the clips, where the model asks one.
    """

    finest: Tensor
    levels: list[Tensor]
    paddings: list[Tensor]
    positions: list[Tensor]
    valid_ratios: Tensor
    image_sizes: Tensor
    has_padding: bool = True
    finest_position: Tensor | None = None
    classes: ClassScores | None = None


@dataclass
class Memory(Features):
    """Encoder output of P pairs, all levels flattened, as the instance decoder reads it.

    Attributes:
        tokens: (P, T, S, C), S the cells of all levels.
        padding: (P, T, S) bool, True in padded cells; None if there are none.
        shapes: per level (h, w).
        valid_ratios: (P, levels, 2).
        image_sizes: (P, 2) width and height of the unpadded frames in pixels.
    """

    tokens: Tensor
    padding: Tensor | None
    shapes: list[tuple[int, int]]
    valid_ratios: Tensor
    image_sizes: Tensor

    def level(self, index: int) -> Tensor:
        """Return the (P, T, C, h, w) map of one level."""
        sizes = [h * w for h, w in self.shapes]
        start = sum(sizes[:index])
        cells = self.tokens[:, :, start : start + sizes[index]]
        return cells.transpose(2, 3).unflatten(3, self.shapes[index])


@dataclass
class GroundedFeatures(Features):
    """P pairs after grounding: one map per frame that depends on the expression.

    Attributes:
        early: (P, T, C, h, w) f_early, the text-grounded map at the grounding stride.
        padding: (P, T, h, w) bool, True in padded cells of ``early``; None if there are none.
        position: (P, T, C, h, w) positions of the cells of ``early``.
        memory: the encoder's output, :class:`Memory` or :class:`MultimodalMemory`.
        text: the expressions.
        pair_to_clip: (P,) clip of each pair.
        evidence: what a classifier says about the pairs, where the model asks one.
    """

    early: Tensor
    padding: Tensor | None
    position: Tensor
    memory: Features
    text: TextFeatures
    pair_to_clip: Tensor
    evidence: WordEvidence | None = None


@dataclass
class CycleOutput(Features):
    """Result of the text -> video -> text cycle for P pairs.

    Attributes:
        reconstructed: (P, C) e', the sentence embedding rebuilt from the video.
        misalignment_logit: (P,) logit of 'this expression does not belong to this video'.
    """

    reconstructed: Tensor
    misalignment_logit: Tensor


@dataclass
class QueryPredictions(Features):
    """Predictions of one decoder layer for the N queries of P pairs.

    Attributes:
        scores: (P, T, N) referring logits.
        boxes: (P, T, N, 4) cxcywh in [0, 1] of the unpadded frame; None for methods without boxes.
        masks: (P, T, N, h, w) mask logits at the stride of the mask features.
    """

    scores: Tensor
    boxes: Tensor | None
    masks: Tensor


@dataclass
class InstanceTargets(Features):
    """All I annotated instances of a pair's clip, for methods that learn from all of them.

    Attributes:
        masks: (I, T, H, W) bool, empty where the instance is not visible.
        valid: (I, T) bool, True where the instance is visible.
        referred: (I,) bool, True for the instance of the expression; all False for negative pairs.
    """

    masks: Tensor
    valid: Tensor
    referred: Tensor

    def at_frames(self, frames: Tensor) -> InstanceTargets:
        """Return the targets of the frames (T',) only."""
        return InstanceTargets(self.masks[:, frames], self.valid[:, frames], self.referred)

    def labels(self, *, referred: int, other: int) -> Tensor:
        """(I, T) classes: ``referred`` where the referred instance is visible, else ``other``."""
        return torch.where(self.referred[:, None] & self.valid, referred, other)


@dataclass
class PairTargets(Features):
    """The objects that P pairs refer to; negative pairs have none in any frame.

    Attributes:
        boxes: (P, T, 4) cxcywh in [0, 1] of the unpadded frame, zeros where absent.
        masks: (P, T, H, W) bool.
        valid: (P, T) bool, True where the object is visible.
        instances: for each pair all instances of its clip; None if the data has none.
    """

    boxes: Tensor
    masks: Tensor
    valid: Tensor
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
