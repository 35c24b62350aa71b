"""J, F and R of robust referring video segmentation, with and without the gate, in one pass."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Sequence

from mmengine.dist import get_world_size
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from r2vos_mm.evaluation.metrics.figures import figures_of, warn
from r2vos_mm.evaluation.metrics.pair_rows import PairRow, rows_of_sample
from r2vos_mm.evaluation.metrics.report import format_table, write_csv
from r2vos_mm.registry import METRICS


@METRICS.register_module()
class JFRMetric(BaseMetric):
    """J and F on positive pairs, robustness R on negative ones, and the quality of the verdict.

    A pair is one video and one sentence. Protocol ``per_expression``: every frame of the sample
    counts, J and F are averaged over the frames of a pair and then over positive pairs; masks are
    bool at the size of the annotation. Plain keys are figures of the masks after the gate, keys
    with ``ungated/`` before them of the masks before it (the R2-VOS paper reports the latter).

    =================================== ==========================================================
    ``J`` ``F`` ``J&F``                 percent, on positive pairs with annotation
    ``J_recall`` ``J_decay`` and ``F_`` percent, see :class:`r2vos_mm.evaluation.FrameStatistics`
    ``R`` ``R_frac`` ``R_pair``         percent, see :class:`r2vos_mm.evaluation.Robustness`; not
                                        clipped, so it can be below 0
    ``R_clipped``                       ``max(R, 0)``
    ``J&F&R``                           ``(J + F + R) / 3``
    ``R/<kind>``                        R of the negatives of one kind
    ``area_ratio``                      mean over positives of predicted / annotated area, best 1
    ``AUROC`` ``AUROC/<kind>``          in [0, 1]: consensus of positives against negatives
    =================================== ==========================================================

    R does not depend on how many negatives were drawn for a sentence, nor on their being drawn
    evenly: the negatives of one positive are averaged before anything is summed, and only positives
    that have negatives (of the kind in question) enter the denominator. Which positive a negative
    belongs to is read from the pair ids: ``<video>/<sentence>/p`` and ``<video>/<sentence>/n<i>``
    share what is before the last slash. If some negative has no positive by that rule, all are
    weighted alike (``1 - mean negative / mean positive``), R_pair is NaN, and a message says so.

    A figure is NaN, with a message, when a class of pairs is absent; never 0. Positives without
    annotation count for R and AUROC only. For a model without verdict AUROC is NaN, and gate on and
    off are the same.

    With several processes the figures are the same to the last digit: rows are gathered
    unshortened, sorted by pair id, and pairs that a sampler repeated to fill the last batch are
    dropped.

    Args:
        bound_th: radius of the contour match as a share of the diagonal.
        csv_path: file for one row per pair, overwritten by each evaluation.
        collect_device: see :class:`mmengine.evaluator.BaseMetric`.
        prefix: see :class:`mmengine.evaluator.BaseMetric`.
        collect_dir: see :class:`mmengine.evaluator.BaseMetric`.
    """

    def __init__(
        self,
        *,
        bound_th: float = 0.008,
        csv_path: str | os.PathLike[str] | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix, collect_dir=collect_dir)
        self.bound_th = bound_th
        self.csv_path = None if csv_path is None else Path(csv_path)

    def process(self, data_batch: Any, data_samples: Sequence[Any]) -> None:
        """Turn each sample into rows of numbers; ``rows_of_sample`` says what errors it raises.

        Args:
            data_batch: not used.
            data_samples: samples with ``gt_pairs`` and ``pred_pairs``, as data elements or
                dictionaries.
        """
        self.results.extend(
            rows_of_sample(sample, bound_th=self.bound_th) for sample in data_samples
        )

    def evaluate(self, size: int) -> dict[str, float]:
        """Gather the rows of all processes and compute.

        MMEngine would cut the gathered list to ``size``, which drops the right samples only when
        processes took turns; here nothing is cut and repeated pairs are found by their id.

        Args:
            size: number of samples of the dataset; not used.
        """
        return super().evaluate(sys.maxsize)

    def compute_metrics(self, results: list[list[PairRow]]) -> dict[str, float]:
        """All figures from the rows of all samples.

        Args:
            results: one list of rows per sample.

        Returns:
            The figures listed in the class's docstring.
        """
        rows = merge_rows(results, allow_repeats=get_world_size() > 1)
        figures = figures_of(rows)
        print_log('\n' + format_table(rows, figures), logger='current')
        if self.csv_path is not None:
            write_csv(self.csv_path, rows)
            print_log(f'One row per pair: {self.csv_path}', logger='current')
        return figures


def merge_rows(results: Sequence[Sequence[PairRow]], *, allow_repeats: bool) -> list[PairRow]:
    """One row per pair, sorted by pair id.

    Args:
        results: rows per sample, in the order of the dataset.
        allow_repeats: drop a pair that occurs again (samplers repeat samples to give every process
            equally many); the first occurrence is kept.

    Raises:
        ValueError: if a pair id occurs twice and ``allow_repeats`` is off, or names two different
            pairs.
    """
    merged: dict[str, PairRow] = {}
    for row in (row for rows in results for row in rows):
        first = merged.setdefault(row.pair_id, row)
        if first is row:
            continue
        if not allow_repeats or first.identity != row.identity:
            raise ValueError(
                f'pair id {row.pair_id!r} occurs twice: {first.sentence!r} on video '
                f'{first.video!r} and {row.sentence!r} on video {row.video!r}; pair ids must be '
                'unique in the dataset'
            )
        if first != row:
            warn(
                f'pair {row.pair_id!r} was scored by two processes with different results, the '
                'first is kept: the model is not deterministic across processes'
            )
    return [merged[pair_id] for pair_id in sorted(merged)]
