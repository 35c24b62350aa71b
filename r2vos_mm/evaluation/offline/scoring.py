"""Scores masks on disk video by video, in several processes; what is missing is told."""

from __future__ import annotations

import multiprocessing
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Iterator, Sequence

import numpy as np

from r2vos_mm.compat.opencv import one_opencv_thread
from r2vos_mm.evaluation.functional import score_proposals
from r2vos_mm.evaluation.metrics.object_rows import NUM_ANNOTATORS, ObjectResult, ObjectRow
from r2vos_mm.evaluation.metrics.pair_rows import (
    MaskResult,
    PairRow,
    count_pixels,
    score_masks_of_pair,
)
from r2vos_mm.evaluation.offline.mask_files import MaskFileError, MaskFiles
from r2vos_mm.evaluation.offline.truth import VOID, PairTask, PngTruth, Truth, VideoTask


@dataclass(frozen=True)
class Problem:
    """A prediction or annotation that could not be used.

    Attributes:
        where: the pair or the file.
        what: why.
        consequence: how it was scored.
    """

    where: str
    what: str
    consequence: str

    def __str__(self) -> str:
        return f'{self.where}: {self.what} -> {self.consequence}'


@dataclass
class Outcome:
    """What scoring gave: rows per pair, rows per object, and what was wrong."""

    pairs: list[PairRow] = field(default_factory=list)
    objects: list[ObjectRow] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def add(self, other: Outcome) -> None:
        """Append the content of another outcome."""
        self.pairs += other.pairs
        self.objects += other.objects
        self.problems += other.problems


class VideoScorer(ABC):
    """Scores one video after the other; an object is copied to each process.

    Args:
        predictions: masks of the method.
        truth: annotated masks.
        bound_th: see :func:`r2vos_mm.evaluation.contour_accuracy`.
    """

    def __init__(self, predictions: MaskFiles, truth: Truth, *, bound_th: float = 0.008) -> None:
        self.predictions = predictions
        self.truth = truth
        self.bound_th = bound_th

    def __call__(self, task: VideoTask) -> Outcome:
        """Score a video; a broken annotation costs the video, with a problem that says so."""
        outcome = Outcome()
        try:
            self.score(task, outcome)
        except MaskFileError as error:
            return Outcome(problems=[Problem(task.video, str(error), 'video not scored')])
        return outcome

    @abstractmethod
    def score(self, task: VideoTask, outcome: Outcome) -> None:
        """Add the rows and problems of a video to ``outcome``."""

    def read_prediction(
        self, folder: str, task: VideoTask, shape: tuple[int, int], problems: list[Problem]
    ) -> np.ndarray:
        """Predicted values (T, H, W) uint8; what is missing or broken is empty and noted."""
        values = np.zeros((len(task.frames), *shape), dtype=np.uint8)
        if not self.predictions.has_folder(folder):
            problems.append(Problem(folder, 'no predictions', 'counted as empty'))
            return values
        missing = []
        for index, frame in enumerate(task.frames):
            try:
                mask = self.predictions.read(folder, frame, index)
            except MaskFileError as error:
                problems.append(Problem(f'{folder}/{frame}', str(error), 'counted as empty'))
                continue
            if mask is None:
                missing.append(frame)
            elif mask.shape != shape:
                what = f'size {mask.shape}, the annotation has {shape} (height, width)'
                problems.append(Problem(f'{folder}/{frame}', what, 'counted as empty'))
            else:
                values[index] = mask
        if missing:
            what = f'{len(missing)} of {len(task.frames)} frames missing: {", ".join(missing[:5])}'
            problems.append(Problem(folder, what, 'counted as empty'))
        return values


class PairScorer(VideoScorer):
    """Sentences: binary predictions in ``<video>/<expression>/``, any value above 0 is foreground.

    Rows are those of :class:`JFRMetric` for a model without verdict.
    """

    def score(self, task: VideoTask, outcome: Outcome) -> None:
        """See :meth:`VideoScorer.score`."""
        shape = self.truth.shape(task)
        objects = [self.truth.object_masks(task, index) for index in range(len(task.frames))]
        for pair in task.pairs:
            pred = self.read_prediction(pair.folder, task, shape, outcome.problems) > 0
            gt = None
            if not pair.is_negative:
                gt = np.zeros((len(task.frames), *shape), dtype=bool)
                for index, masks in enumerate(objects):
                    for name in pair.target:
                        if name in masks:
                            gt[index] |= masks[name]
            outcome.pairs.append(pair_row(task, pair, pred, gt, bound_th=self.bound_th))


class SemiSupervisedScorer(VideoScorer):
    """Objects of DAVIS given in the first frame: maps of object ids in ``<video>/``.

    Where the annotation has one object and the prediction is 0/255, 255 is that object.
    """

    def score(self, task: VideoTask, outcome: Outcome) -> None:
        """See :meth:`VideoScorer.score`."""
        frames = range(len(task.frames))
        objects = [self.truth.object_masks(task, index) for index in frames]
        names = sorted({name for masks in objects for name in masks}, key=int)
        shape = self.truth.shape(task)
        values = self.read_prediction(task.video, task, shape, outcome.problems)
        if len(names) == 1 and set(np.unique(values)) <= {0, VOID}:
            values[values == VOID] = int(names[0])
        empty = np.zeros(shape, dtype=bool)
        for name in names:
            pair = PairTask(f'{task.video}/{name}/p', task.video, sentence=f'object {name}')
            gt = np.stack([masks.get(name, empty) for masks in objects])
            outcome.pairs.append(
                pair_row(task, pair, values == int(name), gt, bound_th=self.bound_th)
            )


class UnsupervisedScorer(VideoScorer):
    """Ref-DAVIS17: maps of sentences in ``anno_<k>/<video>/``, matched with the objects.

    Without any folder ``anno_<k>`` the masks in ``<video>/`` are those of a single annotator. The
    number of objects is the highest id in the first annotated frame; 255 is void.
    """

    truth: PngTruth

    def score(self, task: VideoTask, outcome: Outcome) -> None:
        """See :meth:`VideoScorer.score`."""
        ids = np.stack([self.truth.id_map(task, index) for index in range(len(task.frames))])
        void = ids == VOID
        num_objects = int(ids[0][~void[0]].max(initial=0))
        if not num_objects:
            what = 'the first annotated frame has no object'
            outcome.problems.append(Problem(task.video, what, 'video not scored'))
            return
        objects = np.stack([ids == number for number in range(1, num_objects + 1)])
        for annotator, folder in self._folders(task.video):
            values = self.read_prediction(folder, task, ids.shape[1:], outcome.problems)
            values[values == VOID] = 0
            proposals = [values == number for number in range(1, int(values.max()) + 1)]
            stacked = np.stack(proposals) if proposals else np.zeros((0, *ids.shape), dtype=bool)
            try:
                matched = score_proposals(stacked, objects, void=void, bound_th=self.bound_th)
            except ValueError as error:
                outcome.problems.append(Problem(folder, str(error), 'counted as empty'))
                matched = score_proposals(stacked[:0], objects, void=void, bound_th=self.bound_th)
            for index in range(num_objects):
                result = ObjectResult(
                    tuple(matched.region[index].tolist()), tuple(matched.contour[index].tolist())
                )
                outcome.objects.append(
                    ObjectRow(
                        pair_id=f'{task.video}/annotator{annotator}/object{index + 1}',
                        video=task.video,
                        obj_id=str(index + 1),
                        annotator=annotator,
                        frame_ids=task.frames,
                        gated=result,
                        ungated=result,
                    )
                )

    def _folders(self, video: str) -> list[tuple[int, str]]:
        """Annotators and the folders of their masks."""
        if any(self.predictions.has_folder(f'anno_{k}') for k in range(NUM_ANNOTATORS)):
            return [(k, f'anno_{k}/{video}') for k in range(NUM_ANNOTATORS)]
        return [(0, video)]


def pair_row(
    task: VideoTask, pair: PairTask, pred: np.ndarray, gt: np.ndarray | None, *, bound_th: float
) -> PairRow:
    """Row of one pair from its masks (T, H, W) bool."""
    result: MaskResult = score_masks_of_pair(pred, gt, bound_th=bound_th)
    return PairRow(
        pair_id=pair.pair_id,
        video=task.video,
        kind=pair.kind,
        sentence=pair.sentence,
        is_negative=pair.is_negative,
        frame_ids=task.frames,
        frame_pixels=pred[0].size,
        consensus=None,
        score=None,
        gt_areas=None if gt is None else count_pixels(gt),
        gated=result,
        ungated=result,
    )


def score_videos(
    scorer: VideoScorer, tasks: Sequence[VideoTask], *, processes: int = 1
) -> Iterator[Outcome]:
    """Outcomes of the videos as they are done, in any order.

    Args:
        scorer: scores a video.
        tasks: the videos.
        processes: 1 scores in this process.
    """
    if processes <= 1:
        yield from map(scorer, tasks)
        return
    method = 'fork' if 'fork' in multiprocessing.get_all_start_methods() else 'spawn'
    context = multiprocessing.get_context(method)
    with one_opencv_thread(), context.Pool(
            processes, initializer=_start_worker, initargs=(scorer,)) as pool:
        yield from pool.imap_unordered(_score_in_worker, tasks)


_WORKER: dict[str, VideoScorer] = {}


def _start_worker(scorer: VideoScorer) -> None:
    """Keep the scorer of a process."""
    _WORKER['scorer'] = scorer


def _score_in_worker(task: VideoTask) -> Outcome:
    """Score a video in a process of the pool."""
    return _WORKER['scorer'](task)
