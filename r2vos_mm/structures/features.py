"""What the parts of the model hand to each other, by name.

Letters: B clips, T frames, P pairs, N queries, L words, C channels, h x w cells of a level.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass
class TextFeatures:
    """The sentences of P pairs, projected to the model's width.

    Attributes:
        words: (P, L, C) word features g, start and end token included.
        sentence: (P, C) sentence embeddings e.
        padding: (P, L) bool, True where a row has no word.
    """

    words: Tensor
    sentence: Tensor
    padding: Tensor

    def select(self, index: Tensor) -> TextFeatures:
        """The pairs that ``index`` (bool mask or positions) names."""
        return TextFeatures(self.words[index], self.sentence[index], self.padding[index])


@dataclass
class ClipFeatures:
    """What is computed once per clip, before any text is seen.

    Attributes:
        finest: (B, T, C, h, w) lateral of the backbone's stride-4 map.
        levels: per encoder level, (B, T, C, h, w) projected maps.
        paddings: per encoder level, (B, T, h, w) bool, True in padded cells.
        positions: per encoder level, (B, T, C, h, w) 2-D positions, level embedding not included.
        valid_ratios: (B, levels, 2) share of the padded width and height that is image.
        image_sizes: (B, 2) width and height of the unpadded frames in pixels.
    """

    finest: Tensor
    levels: list[Tensor]
    paddings: list[Tensor]
    positions: list[Tensor]
    valid_ratios: Tensor
    image_sizes: Tensor


@dataclass
class Memory:
    """Encoder output of P pairs, all levels flattened: what the instance decoder reads.

    Attributes:
        tokens: (P, T, S, C), S the cells of all levels.
        padding: (P, T, S) bool, True in padded cells.
        shapes: per level (h, w).
        valid_ratios: (P, levels, 2).
        image_sizes: (P, 2) width and height of the unpadded frames in pixels.
    """

    tokens: Tensor
    padding: Tensor
    shapes: list[tuple[int, int]]
    valid_ratios: Tensor
    image_sizes: Tensor

    def level(self, index: int) -> Tensor:
        """(P, T, C, h, w) map of one level."""
        sizes = [h * w for h, w in self.shapes]
        start = sum(sizes[:index])
        cells = self.tokens[:, :, start : start + sizes[index]]
        return cells.transpose(2, 3).unflatten(3, self.shapes[index])

    def select(self, index: Tensor) -> Memory:
        """The pairs that ``index`` (bool mask or positions) names."""
        return Memory(
            self.tokens[index],
            self.padding[index],
            self.shapes,
            self.valid_ratios[index],
            self.image_sizes[index],
        )


@dataclass
class GroundedFeatures:
    """P pairs after early grounding: one map per frame that knows the sentence.

    Attributes:
        early: (P, T, C, h, w) f_early, the text-grounded map at the grounding stride.
        padding: (P, T, h, w) bool, True in padded cells.
        position: (P, T, C, h, w) positions of ``early``'s cells.
        memory: the encoder's output, all levels.
        pair_to_clip: (P,) which clip each pair looks at.
    """

    early: Tensor
    padding: Tensor
    position: Tensor
    memory: Memory
    pair_to_clip: Tensor

    def select(self, index: Tensor) -> GroundedFeatures:
        """The pairs that ``index`` (bool mask or positions) names."""
        return GroundedFeatures(
            self.early[index],
            self.padding[index],
            self.position[index],
            self.memory.select(index),
            self.pair_to_clip[index],
        )


@dataclass
class CycleOutput:
    """What the text -> video -> text cycle says of P pairs.

    Attributes:
        reconstructed: (P, C) e', the sentence embedding rebuilt from the video.
        misalignment_logit: (P,) logit of 'this sentence does not belong to this video'.
    """

    reconstructed: Tensor
    misalignment_logit: Tensor


@dataclass
class SlotPredictions:
    """The N instance slots of P pairs, as one decoder layer sees them.

    Attributes:
        scores: (P, T, N) referring logits.
        boxes: (P, T, N, 4) cxcywh in [0, 1] of the unpadded frame; None of methods without boxes.
        masks: (P, T, N, h, w) mask logits at the stride of the mask features.
    """

    scores: Tensor
    boxes: Tensor | None
    masks: Tensor


@dataclass
class InstanceTargets:
    """All annotated instances of a pair's clip, for methods that learn from all of them.

    Attributes:
        masks: (I, T, H, W) bool, empty where absent.
        valid: (I, T) bool, True where the instance is visible.
        referred: the instance that the sentence names; -1 for a negative pair.
    """

    masks: Tensor
    valid: Tensor
    referred: int

    def at_frames(self, frames: Tensor) -> InstanceTargets:
        """The same in the frames (T',) only."""
        return InstanceTargets(self.masks[:, frames], self.valid[:, frames], self.referred)

    def labels(self, *, referred: int, other: int) -> Tensor:
        """(I, T) classes: ``referred`` where the named instance is visible, else ``other``."""
        labels = torch.full_like(self.valid, other, dtype=torch.long)
        if self.referred >= 0:
            labels[self.referred] = torch.where(self.valid[self.referred], referred, other)
        return labels


@dataclass
class PairTargets:
    """The objects that P pairs refer to; negative pairs have none in any frame.

    Attributes:
        boxes: (P, T, 4) cxcywh in [0, 1] of the unpadded frame, zeros where absent.
        masks: (P, T, H, W) bool.
        valid: (P, T) bool, True where the object is visible.
        instances: P times all instances of the pair's clip, where the data carries them.
    """

    boxes: Tensor
    masks: Tensor
    valid: Tensor
    instances: list[InstanceTargets] | None = None

    def select(self, index: Tensor) -> PairTargets:
        """The pairs that ``index`` (bool mask or positions) names."""
        instances = self.instances
        if instances is not None:
            rows = torch.arange(len(instances), device=index.device)[index]
            instances = [instances[row] for row in rows.tolist()]
        return PairTargets(self.boxes[index], self.masks[index], self.valid[index], instances)

    def at_frames(self, frames: Tensor) -> PairTargets:
        """The same in some frames of each pair.

        Args:
            frames: (P, T').
        """
        frames = frames.to(self.valid.device)
        rows = torch.arange(len(frames), device=frames.device)[:, None]
        instances = self.instances
        if instances is not None:
            instances = [x.at_frames(some) for x, some in zip(instances, frames, strict=True)]
        return PairTargets(
            self.boxes[rows, frames], self.masks[rows, frames], self.valid[rows, frames], instances
        )

    def at_stride(self, stride: int, size: tuple[int, int]) -> PairTargets:
        """The same with masks sub-sampled at offset stride // 2.

        Args:
            stride: pixels per cell.
            size: (h, w) of the predictions; cells beyond the input are background.
        """
        masks = self.masks[:, :, stride // 2 :: stride, stride // 2 :: stride]
        missing = size[0] - masks.shape[-2], size[1] - masks.shape[-1]
        if any(missing):
            masks = F.pad(masks, (0, missing[1], 0, missing[0]))
        return PairTargets(self.boxes, masks, self.valid)
