"""J, F and R of robust referring video segmentation, with and without the gate, in one pass."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.dist import get_rank, get_world_size
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from r2vos_mm.registry import METRICS

from ..submission import SubmissionWriter
from .figures import DEFAULT_GROUPS, GROUPS, ScoredSet, as_dictionary, figures_of, warn
from .object_rows import ObjectRow, object_rows
from .pair_rows import PairRow, rows_of
from .protocols import protocol_named
from .report import format_table, write_report
from .row_files import append_pairs, write_objects, write_pairs
from .scored_sample import read_sample


@METRICS.register_module()
class JFRMetric(BaseMetric):
    """J and F on positive pairs, robustness R on negative ones, and the quality of the verdict.

    A pair is one video and one sentence. By default the protocol is ``per_expression``: every frame
    of the sample counts, J and F are averaged over the frames of a pair and then over positive
    pairs; masks are bool at the size of the annotation. :mod:`.protocols` lists the others. Plain
    keys are figures of the masks after the gate, keys with ``ungated/`` before them of the masks
    before it (the R2-VOS paper reports the latter). The first protocol has plain keys, those of
    further ones begin with its name: ``ungated/from_first_appearance/J``.

    =================================== ==========================================================
    group ``quality``
    ``J`` ``F`` ``J&F``                 percent, on positive pairs with annotation
    ``J_recall`` ``J_decay`` and ``F_`` percent, see :class:`r2vos_mm.evaluation.FrameStatistics`
    ``J&F&R``                           ``(J + F + R) / 3``
    ``area_ratio``                      mean over positives of predicted / annotated area, best 1
    ``P@0.5`` ... ``oIoU`` ``mIoU``     percent, instead of these in protocols ``a2d`` and
                                        ``refcoco``; see :func:`r2vos_mm.evaluation.overlap_scores`
    ``mAP`` ``mAP@0.5`` ...             percent, protocol ``a2d``, over all masks of each sample,
                                        from a model that gives them (``candidate_masks``)
    ``mAP_top1``                        percent, instead of these, of the chosen masks alone, which
                                        is not the mAP of the benchmark
    ``J&F/annotator<k>``                percent, protocol ``davis_unsup``
    group ``robustness``
    ``R`` ``R_frac`` ``R_pair``         percent, see :class:`r2vos_mm.evaluation.Robustness`; not
                                        clipped, so it can be below 0
    ``R_clipped``                       ``max(R, 0)``
    ``R/<kind>``                        R of the negatives of one kind
    group ``verdict``
    ``AUROC`` ``AUROC/<kind>``          in [0, 1]: consensus of positives against negatives
    group ``gate``
    ``AP_aligned`` ``AP_misaligned``    in [0, 1], the class to find is named
    ``FPR95_aligned``                   in [0, 1], at 95 % of the positives accepted
    ``gate_TPR`` ``gate_FPR``           in [0, 1], shares of positives and negatives kept
    ``gate_balanced_accuracy``          in [0, 1]
    ``gate_delta_J&F`` ``gate_delta_R`` percent points, gate on minus gate off
    group ``no_target``                 whole pairs; negatives and never annotated objects have none
    ``N_acc`` ``T_acc`` ``gIoU``        percent, see :class:`r2vos_mm.evaluation.GeneralizedScores`
    ``cIoU`` ``Pr@0.7`` ...             percent
    ``S``                               in [0, 1], see :func:`r2vos_mm.evaluation.null_score`
    ``mevis``                           percent, ``(J&F + N_acc + T_acc) / 3``
    group ``presence``
    ``tIoU`` ``vIoU``                   percent, see :class:`r2vos_mm.evaluation.PresenceScores`
    ``presence_accuracy``               percent
    ``false_alarm_rate``                percent, over pairs with frames without the object
    group ``visa``                      needs the pixels of all objects in ``gt_foreground``
    ``visa_R`` ``visa_J`` ...           percent, see :func:`r2vos_mm.evaluation.visa_robustness`
    ``visa_R/referring`` ``/reasoning`` percent, one type of sentences
    =================================== ==========================================================

    R does not depend on how many negatives were drawn for a sentence, nor on their being drawn
    evenly: the negatives of one positive are averaged before anything is summed, and only positives
    that have negatives (of the kind in question) enter the denominator. Which positive a negative
    belongs to is read from the pair ids: ``<video>/<sentence>/p`` and ``<video>/<sentence>/n<i>``
    share what is before the last slash. If some negative has no positive by that rule, all are
    weighted alike (``1 - mean negative / mean positive``), R_pair is NaN, and a message says so.

    Where only some frames of a sample are annotated (metainfo ``annotated_frames``), only these are
    scored, for R and the verdict's areas, too.

    A figure is NaN, with a message, when a class of pairs is absent; never 0. Positives without
    annotation count for R and AUROC only. For a model without verdict AUROC is NaN, and gate on and
    off are the same.

    With several processes the figures are the same to the last digit: rows are gathered
    unshortened, sorted by pair id, and pairs that a sampler repeated to fill the last batch are
    dropped.

    Args:
        protocols: names of one or more protocols.
        groups: groups of figures to report, of the table above.
        bound_th: radius of the contour match as a share of the diagonal.
        gate_threshold: consensus from which on the model's gate keeps a pair, for group ``gate``.
        csv_path: file for one row per pair, overwritten by each evaluation. With the protocol
            ``davis_unsup`` its objects go to ``<name>.objects.csv``. Until an evaluation is
            complete, ``<name>.partial<rank>.csv`` holds what each process has scored so far: an
            error or a kill loses no pair that was done before.
        json_path: file for all figures, each with its protocol, and all rows.
        submission: options of :class:`r2vos_mm.evaluation.submission.SubmissionWriter`; each
            evaluation then writes the zip for a server.
        format_only: write the submission and score nothing; ground truth is not needed.
        collect_device: see :class:`mmengine.evaluator.BaseMetric`.
        prefix: see :class:`mmengine.evaluator.BaseMetric`.
        collect_dir: see :class:`mmengine.evaluator.BaseMetric`.
    """

    def __init__(
        self,
        *,
        protocols: Sequence[str] = ('per_expression',),
        groups: Sequence[str] = DEFAULT_GROUPS,
        bound_th: float = 0.008,
        gate_threshold: float = 0.5,
        csv_path: str | os.PathLike[str] | None = None,
        json_path: str | os.PathLike[str] | None = None,
        submission: Mapping[str, Any] | None = None,
        format_only: bool = False,
        collect_device: str = 'cpu',
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix, collect_dir=collect_dir)
        if isinstance(protocols, str) or not protocols:
            raise ValueError(f'protocols must list one or more names, got {protocols!r}')
        for name in protocols:
            protocol_named(name)
        unknown = sorted(set(groups) - set(GROUPS))
        if unknown:
            raise ValueError(f'unknown groups {unknown}; there are {", ".join(GROUPS)}')
        self.protocols = tuple(protocols)
        self.groups = tuple(groups)
        self.bound_th = bound_th
        self.gate_threshold = gate_threshold
        self.csv_path = None if csv_path is None else Path(csv_path)
        self.json_path = None if json_path is None else Path(json_path)
        if format_only and submission is None:
            raise ValueError(
                "format_only needs submission=dict(layout='ref_youtube_vos', path=..., "
                'expressions=...)'
            )
        self.writer = None if submission is None else SubmissionWriter(**submission)
        self.format_only = format_only

    def process(self, data_batch: Any, data_samples: Sequence[Any]) -> None:
        """Turn each sample into rows of numbers; ``read_sample`` says what errors it raises.

        Args:
            data_batch: not used.
            data_samples: samples with ``gt_pairs`` and ``pred_pairs``, as data elements or
                dictionaries.
        """
        for sample in data_samples:
            rows = self._rows_of(sample)
            self._keep(rows)
            self.results.append(rows)

    def _rows_of(self, sample: Any) -> list[PairRow | ObjectRow]:
        """Rows of one sample."""
        read = read_sample(sample)
        if self.writer is not None:
            self.writer.write(read)
        if self.format_only:
            return []
        read = read.in_annotated_frames()
        rows: list[PairRow | ObjectRow] = [*rows_of(read, bound_th=self.bound_th)]
        if 'davis_unsup' in self.protocols:
            rows += object_rows(read, bound_th=self.bound_th)
        return rows

    @property
    def _partial_path(self) -> Path | None:
        """File for what this process has scored before the evaluation is complete."""
        if self.csv_path is None or self.format_only:
            return None
        return self.csv_path.with_suffix(f'.partial{get_rank()}.csv')

    def _keep(self, rows: list[PairRow | ObjectRow]) -> None:
        """Write the rows of a sample at once, those of an evaluation before are dropped."""
        path = self._partial_path
        if path is None:
            return
        if not self.results:
            path.unlink(missing_ok=True)
        append_pairs(path, [row for row in rows if isinstance(row, PairRow)])

    def evaluate(self, size: int) -> dict[str, float]:
        """Gather the rows of all processes and compute.

        MMEngine would cut the gathered list to ``size``, which drops the right samples only when
        processes took turns; here nothing is cut and repeated pairs are found by their id.

        Args:
            size: number of samples of the dataset; not used.
        """
        figures = super().evaluate(sys.maxsize)
        if self._partial_path is not None:
            self._partial_path.unlink(missing_ok=True)
        return figures

    def compute_metrics(self, results: list[list[PairRow | ObjectRow]]) -> dict[str, float]:
        """All figures from the rows of all samples.

        Args:
            results: one list of rows per sample.

        Returns:
            The figures listed in the class's docstring.
        """
        figures = {} if self.format_only else self._score(results)
        if self.writer is not None:
            report = self.writer.finish()
            print_log(f'Submission {self.writer.path}: {report}', logger='current')
        return figures

    def _score(self, results: list[list[PairRow | ObjectRow]]) -> dict[str, float]:
        """Figures of the rows, logged and written to the files that were asked for."""
        rows = merge_rows(results, allow_repeats=get_world_size() > 1)
        scored = ScoredSet(
            pairs=[row for row in rows if isinstance(row, PairRow)],
            objects=[row for row in rows if isinstance(row, ObjectRow)],
            protocols=self.protocols,
            groups=self.groups,
            gate_threshold=self.gate_threshold,
        )
        figures = figures_of(scored)
        print_log('\n' + format_table(scored, figures), logger='current')
        if self.csv_path is not None:
            write_pairs(self.csv_path, scored.pairs)
            print_log(f'One row per pair: {self.csv_path}', logger='current')
            if scored.objects:
                write_objects(self.csv_path.with_suffix('.objects.csv'), scored.objects)
        if self.json_path is not None:
            write_report(self.json_path, scored, figures, bound_th=self.bound_th)
            print_log(f'Figures with their protocols: {self.json_path}', logger='current')
        return as_dictionary(figures)


def merge_rows(
    results: Sequence[Sequence[PairRow | ObjectRow]], *, allow_repeats: bool
) -> list[PairRow | ObjectRow]:
    """One row per pair or object, sorted by its id.

    Args:
        results: rows per sample, in the order of the dataset.
        allow_repeats: drop a pair that occurs again (samplers repeat samples to give every process
            equally many); the first occurrence is kept.

    Raises:
        ValueError: if a pair id occurs twice and ``allow_repeats`` is off, or names two different
            pairs.
    """
    merged: dict[str, PairRow | ObjectRow] = {}
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
