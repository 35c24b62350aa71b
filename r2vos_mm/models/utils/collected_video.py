"""Keep the predictions for all windows of a video until its queries can be chosen."""

from __future__ import annotations

from collections.abc import Iterator

from mmengine.structures import InstanceData
from torch import Tensor

from .evidence import Evidence
from .postprocess import PredictConfig, join_frames, read_queries
from .tensor_spool import TensorSpool
from .windows import VideoPredictions

_READ_FRAMES = 16  # masks in float32 at the size of the files are large
_READ_BYTES = 64e6  # masks of all expressions, one byte per pixel


class CollectedVideo:
    """The predictions of P pairs for the windows of one video, in order.

    The masks of all queries are kept at the stride of the mask features, in memory up to
    ``config.mask_memory``, then on disk: the query is chosen by its scores in all windows.

    Args:
        config: settings of prediction.
        input_size: (H, W) of the model's input frames.
    """

    def __init__(self, config: PredictConfig) -> None:
        self.config = config
        self.windows: list[Evidence] = []
        self.input_size: tuple[int, int] | None = None
        self._parts = TensorSpool(config.mask_memory * 1e6)

    def __enter__(self) -> CollectedVideo:
        return self

    def __exit__(self, *_: object) -> None:
        self._parts.close()

    def append(self, part: VideoPredictions, input_size: tuple[int, int]) -> None:
        """Add the predictions, on the CPU, for the next window, whose frames are (H, W)."""
        self.input_size = input_size
        self.windows.append(Evidence.of(part))
        self._parts.append(part)

    @property
    def evidence(self) -> Evidence:
        """Evidence of all windows."""
        return sum(self.windows[1:], start=self.windows[0])

    def read(
        self, ori_shape: tuple[int, int], queries: Tensor | None = None
    ) -> Iterator[InstanceData]:
        """Yield the predictions of the chosen queries, a few frames at a time.

        Args:
            ori_shape: (H0, W0) of the masks.
            queries: (P,) queries to read; None takes the best ones by the evidence of all windows.

        Yields:
            P rows as of :func:`read_queries`, with ``grounding_attention`` and ``early_features``
            if asked for.
        """
        best = self.evidence.best_queries() if queries is None else queries
        for part in self._parts:
            yield from read_window(
                part, best, ori_shape, config=self.config, input_size=self.input_size
            )

    def to_pairs(self, ori_shape: tuple[int, int]) -> InstanceData:
        """Return the predictions of the best queries for all frames, after the gate.

        Returns:
            P rows as of :meth:`read`, with ``masks`` (T, H0, W0) after the gate, ``consensus`` and
            ``misalignment_logits``, both (P,), and ``word_logits`` (P,) of models with word maps.
        """
        evidence, config = self.evidence, self.config
        pairs = join_frames(self.read(ori_shape), evidence.num_frames)
        pairs.misalignment_logits = evidence.misalignment_logits(config)
        pairs.consensus = evidence.consensus(config)
        masks, kept = pairs.ungated_masks, pairs.consensus >= config.gate_threshold
        pairs.masks = masks if kept.all() else masks & kept[:, None, None, None]
        if evidence.words is not None:
            pairs.word_logits = evidence.word_logits()
        return pairs


def read_window(
    part: VideoPredictions,
    best: Tensor,
    ori_shape: tuple[int, int],
    *,
    config: PredictConfig,
    input_size: tuple[int, int],
) -> Iterator[InstanceData]:
    """Yield the predictions of one query per pair in a window, a few frames at a time.

    Arguments are those of :func:`read_queries`.
    """
    pixels = len(best) * ori_shape[0] * ori_shape[1]
    step = max(1, min(_READ_FRAMES, int(_READ_BYTES // pixels)))
    for start in range(0, part.queries.scores.shape[1], step):
        some = part.at_frames(slice(start, start + step))
        pairs = read_queries(some.queries, best, ori_shape, config=config, input_size=input_size)
        if some.attention is not None:
            pairs.grounding_attention, pairs.early_features = some.attention, some.early
        yield pairs
