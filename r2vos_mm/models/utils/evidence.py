"""Sum over the windows of a video the evidence that chooses a query and gives the verdict."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from .postprocess import PredictConfig
from .windows import VideoPredictions


@dataclass(frozen=True, eq=False)
class Evidence:
    """Sums over the windows of a video for P expressions and N queries.

    Their size does not grow with the video; float64 gives streams and single calls equal results.
    """

    num_frames: int
    num_windows: int
    scores: Tensor  # (P, N) float64 probabilities of the queries, summed over frames
    logits: Tensor  # (P,) float64 misalignment logits, summed over windows
    words: Tensor | None = None  # (P,) float64 odds of word maps, summed over frames

    @classmethod
    def of(cls, part: VideoPredictions) -> Evidence:
        """Return the evidence of one or more windows."""
        scores = part.queries.scores.sigmoid()
        return cls(
            num_frames=scores.shape[1],
            num_windows=part.misalignment_logits.shape[1],
            scores=scores.double().sum(1),
            logits=part.misalignment_logits.double().sum(1),
            words=None if part.words is None else part.words.double().sum(1),
        )

    def __add__(self, other: Evidence) -> Evidence:
        """Return the evidence of this video's windows and those of another part of it."""
        pairs = [(getattr(self, f.name), getattr(other, f.name)) for f in fields(self)]
        return Evidence(*(None if a is None else a + b for a, b in pairs))

    def best_queries(self) -> Tensor:
        """Return the queries (P,) with the highest mean score."""
        return self.scores.argmax(-1)

    def misalignment_logits(self, config: PredictConfig) -> Tensor:
        """Return logits (P,) float32: means over windows, or those of the odds of word maps."""
        if config.verdict == 'words':
            return -self.word_logits()
        return (self.logits / self.num_windows).float()

    def word_logits(self) -> Tensor | None:
        """Return logits (P,) float32, by word maps, of what the expressions name being present."""
        return None if self.words is None else (self.words / self.num_frames).log().float()

    def consensus(self, config: PredictConfig) -> Tensor:
        """Return probabilities (P,) float32 that expressions belong to the video; 1 for -inf."""
        return 1 - (self.misalignment_logits(config) / config.temperature).sigmoid()

    def is_judged(self, config: PredictConfig) -> bool:
        """Return whether the model gives a verdict."""
        return not bool(torch.isneginf(self.misalignment_logits(config)).all())
