"""Compute J, F and R of robust referring video segmentation during testing."""

import sys
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from mmengine.dist import get_rank, get_world_size
from mmengine.evaluator import BaseMetric

from r2vos_mm.registry import METRICS
from r2vos_mm.utils.files import PathLike
from r2vos_mm.utils.logging import log, warn

from .metrics.eval_sample import EvalSample, read_sample
from .metrics.metric_values import DEFAULT_GROUPS, GROUPS, EvalSet, as_dictionary, metric_values
from .metrics.pair_scores import ObjectScores, PairScores, object_scores, pair_scores
from .metrics.protocols import protocol_named
from .metrics.report import format_table, write_results
from .metrics.scores_csv import append_pairs
from .submission import SubmissionWriter

Scores = PairScores | ObjectScores


@METRICS.register_module()
class JFRMetric(BaseMetric):
    """J and F on positive pairs, robustness R on negative ones, and the quality of the verdict.

    A pair is one video and one expression. By default the protocol is ``per_expression``: every
    frame of the sample counts, J and F are averaged over the frames of a pair and then over
    positive pairs; masks are bool at the size of the annotation. ``PROTOCOLS`` in
    :mod:`.metrics.protocols` lists the others. Plain keys are values of the masks after the gate,
    keys that begin with ``ungated/`` of the masks before it (the R2-VOS paper reports the latter).
    The first protocol has plain keys, those of others begin with its name:
    ``ungated/from_first_appearance/J``.

    Groups of values, in percent unless stated otherwise; functions are in :mod:`.functional`:

    * ``quality``: ``J``, ``F``, ``J&F`` of positive pairs with annotation, ``J_recall``, ...
      (``frame_statistics``), ``area_ratio`` (mean of predicted / annotated area, best 1),
      ``J&F&R``. ``davis_unsup`` adds ``J&F/annotator<k>``; ``a2d`` and ``refcoco`` have
      ``overlap_scores`` instead, ``a2d`` also ``mean_average_precision`` of models that give
      ``candidate_masks``, of others ``mAP_top1``, which is not the mAP of the benchmark.
    * ``robustness``: ``robustness``, ``R_clipped`` (``max(R, 0)``), ``R/<kind>``.
    * ``cgf1``: ``IL_MCC`` in [-1, 1], ``IL_FPR``, ``pmF1``, ``cgF1`` and both ``@0.5`` and
      ``@0.75`` (:mod:`.functional.cgf1`). A pair is answered if its masks have foreground. Keys
      that begin with ``consensus0.5/``: masks before the gate, answered if the consensus also
      reaches 0.5, regardless of the threshold of the gate; only for models with a verdict.
    * ``verdict``: ``AUROC``, ``AUROC/<kind>`` of the consensus, in [0, 1].
    * ``gate``: ``AP_aligned``, ``AP_misaligned`` (the class to find), ``FPR95_aligned``,
      ``gate_scores``, in [0, 1]; ``gate_delta_J&F``, ``gate_delta_R`` (gate on minus gate off).
    * ``no_target``: ``generalized_scores`` of whole pairs, where negatives and objects that are
      never annotated have no target; ``S`` (``null_score``) in [0, 1]; ``mevis``.
    * ``boxes``: ``box_P@0.5``, ``box_acc@0.5`` (:func:`.functional.box_scores`) of the boxes of the
      chosen queries, and ``mask_box_...`` of the boxes around the predicted masks. A box is given
      in the frames whose mask has foreground; a sample is a frame, of positives those in which the
      object is annotated.
    * ``presence``: ``presence_scores``.
    * ``visa``: ``visa_J``, ``visa_R`` (``visa_robustness``), ...; needs ``gt_foreground``.

    The negatives of one positive are averaged before R is computed, and positives without negatives
    (of the kind in question) do not count, so R does not depend on their number. Ids
    ``<video>/<expression>/p`` and ``.../n<i>`` belong together; if a negative has no
    positive, all are weighted alike, R_pair is NaN, and a warning is logged. If only some frames of
    a sample are annotated (metainfo ``annotated_frames``), only these count. Values are NaN, with a
    warning, when a class of pairs is absent. Positives without annotation count for R, ``IL_MCC``,
    ``IL_FPR`` and AUROC only. Without verdict there is no AUROC, and gate on and off are the same.
    Values are the same to the last digit for any number of processes.

    Args:
        protocols: names of one or more protocols.
        groups: groups of values to report, of the list above.
        bound_th: radius of the contour match as a share of the diagonal.
        gate_threshold: consensus from which on the model's gate keeps a pair, for group ``gate``.
        clear_below: masks of fewer pixels count as empty in group ``no_target``.
        csv_path: file for one row per pair, overwritten by each evaluation; objects of the protocol
            ``davis_unsup`` go to ``<name>.objects.csv``. Until an evaluation is complete,
            ``<name>.partial<rank>.csv`` holds the pairs that each process has scored.
        json_path: file for all values, each with its protocol, and all scores.
        submission: options of :class:`r2vos_mm.evaluation.submission.SubmissionWriter`; each
            evaluation then writes the zip for a server.
        format_only: write the submission and score nothing; ground truth is not needed.
        scored_with: what the report of a part names as scored, such as the hash of a checkpoint;
            only parts with the same one are merged.
        kwargs: see :class:`mmengine.evaluator.BaseMetric`.
    """

    default_prefix = ''  # plain names, without the warning about a missing prefix

    def __init__(
        self,
        *,
        protocols: Sequence[str] = ('per_expression',),
        groups: Sequence[str] = DEFAULT_GROUPS,
        bound_th: float = 0.008,
        gate_threshold: float = 0.5,
        clear_below: int = 0,
        csv_path: PathLike | None = None,
        json_path: PathLike | None = None,
        submission: Mapping[str, Any] | None = None,
        format_only: bool = False,
        scored_with: str = '',
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(protocols, str) or not protocols:
            raise ValueError(f'protocols must list one or more names, got {protocols!r}')
        for name in protocols:
            protocol_named(name)
        unknown = sorted(set(groups) - set(GROUPS))
        if unknown:
            raise ValueError(f'unknown groups {unknown}; there are {", ".join(GROUPS)}')
        if format_only and submission is None:
            example = 'dict(layout=..., path=..., expressions=...)'
            raise ValueError(f'format_only needs submission={example}')
        self.protocols, self.groups = tuple(protocols), tuple(groups)
        self.bound_th, self.gate_threshold, self.format_only = bound_th, gate_threshold, format_only
        self.scored_with = scored_with
        self.clear_below = clear_below
        self.score_options = dict(bound_th=bound_th, boxes='boxes' in groups)
        self.csv_path, self.json_path = (p and Path(p) for p in (csv_path, json_path))
        self.writer = None if submission is None else SubmissionWriter(**submission)

    @property
    def partial_csv(self) -> Path | None:
        """File for the scores of this process before the evaluation is complete."""
        if self.csv_path is None or self.format_only:
            return None
        return self.csv_path.with_suffix(f'.partial{get_rank()}.csv')

    def process(self, data_batch: Any, data_samples: Sequence[Any]) -> None:
        """Score samples; see :func:`.metrics.eval_sample.read_sample`, also for the errors."""
        for sample in map(read_sample, data_samples):
            scores = self._score_sample(sample)
            if self.partial_csv is not None:
                if not self.results:  # what an earlier run left
                    self.partial_csv.unlink(missing_ok=True)
                append_pairs(self.partial_csv, [s for s in scores if isinstance(s, PairScores)])
            self.results.append(scores)

    def evaluate(self, size: int) -> dict[str, float]:
        """Gather the scores of all processes and compute the metric values.

        MMEngine would cut the gathered list to ``size``, which drops the right samples only when
        processes took turns; here nothing is cut, and repeated pairs are found by their id.
        """
        values = super().evaluate(sys.maxsize)
        if self.partial_csv is not None:
            self.partial_csv.unlink(missing_ok=True)
        return values

    def compute_metrics(self, results: list[list[Scores]]) -> dict[str, float]:
        """Return the values listed in the docstring of the class from the scores of all samples."""
        values = {} if self.format_only else self._report(results)
        if self.writer is not None:
            log(f'Submission {self.writer.path}: {self.writer.finish()}')
        return values

    def _score_sample(self, sample: EvalSample) -> list[Scores]:
        """Score one sample, and write it to the submission."""
        if self.writer is not None:
            self.writer.write(sample)
        if self.format_only:
            return []
        sample = sample.in_annotated_frames()
        scores: list[Scores] = [*pair_scores(sample, **self.score_options)]
        if 'davis_unsup' in self.protocols:
            scores += object_scores(sample, bound_th=self.bound_th)
        return scores

    def _part(self) -> dict[str, Any] | None:
        """Return the report's description of a part of the data set; None for the whole set."""
        part = (self.dataset_meta or {}).get('part')
        names = 'protocols', 'groups', 'gate_threshold', 'bound_th', 'scored_with'
        settings = {name: getattr(self, name) for name in names}
        return None if part is None else {**part, 'settings': {**settings, 'of_masks': False}}

    def _report(self, results: list[list[Scores]]) -> dict[str, float]:
        """Compute the values, log them and write the files that were asked for."""
        merged = merge_scores(results, allow_repeats=get_world_size() > 1)
        pairs = [entry for entry in merged if isinstance(entry, PairScores)]
        objects = [entry for entry in merged if isinstance(entry, ObjectScores)]
        options = dict(gate_threshold=self.gate_threshold, clear_below=self.clear_below)
        eval_set = EvalSet(pairs, objects, self.protocols, self.groups, **options)
        values = metric_values(eval_set)
        log('\n' + format_table(eval_set, values))
        paths = self.csv_path, self.json_path
        write_results(eval_set, values, *paths, bound_th=self.bound_th, part=self._part())
        return as_dictionary(values)


def merge_scores(results: Sequence[Sequence[Scores]], *, allow_repeats: bool) -> list[Scores]:
    """Return one entry per pair or object of all samples, sorted by its id.

    With ``allow_repeats`` a pair that occurs again is dropped: samplers repeat samples to give
    every process equally many. Otherwise, and if an id names two different pairs, ValueError.
    """
    merged: dict[str, Scores] = {}
    for entry in chain.from_iterable(results):
        first = merged.setdefault(entry.pair_id, entry)
        if first is entry:
            continue
        if not allow_repeats or first.identity != entry.identity:
            raise ValueError(
                f'pair id {entry.pair_id!r} occurs twice, but must be unique: {first.expression!r} '
                f'on video {first.video!r} and {entry.expression!r} on video {entry.video!r}'
            )
        if first != entry:
            warn(
                f'JFRMetric: pair {entry.pair_id!r} was scored by two processes with different '
                'results, the first is kept: the model is not deterministic across processes'
            )
    return [merged[pair_id] for pair_id in sorted(merged)]
