"""Collect the logits of verdicts during a test."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric


@dataclass(frozen=True)
class PairLogit:
    """The alignment logit of a pair, larger = more likely that it is positive."""

    pair_id: str
    logit: float
    is_negative: bool


class VerdictLogits(BaseMetric):
    """Collect :class:`PairLogit` objects of all pairs in ``pairs``, sorted by id; scores nothing.

    Logits are those before the temperature.
    """

    default_prefix = ''

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pairs: list[PairLogit] = []

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Take the logits of one batch."""
        for sample in data_samples:
            pairs, predicted = sample['gt_pairs'], sample['pred_pairs']
            logits = -np.asarray(predicted['misalignment_logits'], np.float64)
            negative = np.asarray(pairs['is_negative'], bool)
            rows = zip(pairs['pair_ids'], logits.tolist(), negative.tolist(), strict=True)
            self.results.append([PairLogit(*row) for row in rows])

    def evaluate(self, size: int) -> dict[str, float]:
        """Gather the pairs of all processes; those that samplers repeat are kept once."""
        return super().evaluate(sys.maxsize)

    def compute_metrics(self, results: list[list[PairLogit]]) -> dict[str, float]:
        """Keep the pairs; there are no metric values."""
        found = {pair.pair_id: pair for pairs in results for pair in pairs}
        self.pairs = [found[name] for name in sorted(found)]
        return {}
