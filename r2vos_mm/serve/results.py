"""Hold the masks, scores and verdicts of one request, with masks as run-length codes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from r2vos_mm.utils.masks_io import decode_rle, encode_rle

if TYPE_CHECKING:
    from r2vos_mm.apis import VideoSegmentation
    from r2vos_mm.models.segmentors import ReferringVideoSegmentor

    from .clips import Clip

@dataclass(frozen=True, eq=False)
class ClipResult:
    """Masks, scores and verdicts of P expressions in a clip of T frames.

    Attributes:
        texts: P expressions as the model read them.
        size: height and width of the masks.
        codes: P lists of T run-length codes of the masks before the verdict, without their size.
        areas: (P, T) share of the frame that the mask takes, in [0, 1].
        scores: (P, T) score of the chosen query, in [0, 1].
        boxes: (P, T, 4) x1, y1, x2, y2 in pixels.
        consensus: (P,) probability that the object is in the clip.
        judged: whether the model gives verdicts.
        gate_threshold: consensus below it means 'not in the clip'.
    """

    texts: Sequence[str]
    size: tuple[int, int]
    codes: Sequence[Sequence[str]]
    areas: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray
    consensus: np.ndarray
    judged: bool
    gate_threshold: float

    def found(self, threshold: float | None = None) -> np.ndarray:
        """Return the verdicts (P,) bool at a threshold, None takes that of the model."""
        return self.consensus >= (self.gate_threshold if threshold is None else threshold)

    def mask(self, text: int, frame: int) -> np.ndarray:
        """Return the mask (H, W) bool of an expression in a frame, before the verdict."""
        code = dict(size=list(self.size), counts=self.codes[text][frame])
        return decode_rle(code, f'frame {frame}', self.size)

    def for_page(self) -> dict[str, Any]:
        """Return everything as lists and numbers; the page gates and decodes the masks itself."""
        return dict(
            texts=list(self.texts),
            size=list(self.size),
            codes=self.codes,
            areas=np.round(self.areas.astype(float), 5).tolist(),
            scores=np.round(self.scores.astype(float), 4).tolist(),
            consensus=np.round(self.consensus.astype(float), 4).tolist(),
            judged=self.judged,
            gate_threshold=self.gate_threshold,
        )


def segment_clip(
    model: ReferringVideoSegmentor,
    clip: Clip,
    texts: Sequence[str],
    on_progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> ClipResult:
    """Segment a clip; ``options`` are those of :func:`r2vos_mm.apis.segment_video`."""
    from r2vos_mm.apis import segment_video

    result = segment_video(model, clip.frames(), texts, on_progress=on_progress, **options)
    return compressed(result)


def compressed(result: VideoSegmentation) -> ClipResult:
    """Return a result whose masks take kilobytes."""
    masks = result.ungated_masks
    return ClipResult(
        texts=result.sentences,
        size=masks.shape[-2:],
        codes=[[encode_rle(mask)['counts'] for mask in video] for video in masks],
        areas=masks.mean((-2, -1)),
        scores=result.scores,
        boxes=result.boxes,
        consensus=result.consensus,
        judged=result.judged,
        gate_threshold=result.gate_threshold,
    )
