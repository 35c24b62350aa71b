"""Scores masks on disk video by video, in several processes; what is missing is told."""

from __future__ import annotations

import multiprocessing
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from r2vos_mm.compat.opencv import one_opencv_thread

from ..functional import MatchedScores, ProposalScores, assign_scores, proposal_scores
from ..functional.matching import MAX_PROPOSALS
from ..metrics.object_rows import NUM_ANNOTATORS, ObjectResult, ObjectRow
from ..metrics.pair_rows import MaskResult, PairRow, count_pixels, score_masks_of_pair
from .mask_files import MaskFileError, MaskFiles
from .truth import VOID, PairTask, PngTruth, Truth, VideoTask, values_in

FRAMES_AT_ONCE = 16


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


class PredictionReader:
    """Reads the predictions of one folder part by part, and notes what is missing or broken.

    Args:
        files: masks of the method.
        folder: such as ``<video>/<expression>``.
        task: the video.
        shape: (H, W) of the annotation.
        problems: where to note.
    """

    def __init__(
        self,
        files: MaskFiles,
        folder: str,
        task: VideoTask,
        shape: tuple[int, int],
        problems: list[Problem],
    ) -> None:
        self.files, self.folder, self.task = files, folder, task
        self.shape, self.problems = shape, problems
        self.missing: list[str] = []
        self.is_there = files.has_folder(folder)
        if not self.is_there:
            problems.append(Problem(folder, 'no predictions', 'counted as empty'))

    def read(self, part: range) -> np.ndarray:
        """Predicted values (T, H, W) uint8 of some frames; what cannot be used is empty."""
        values = np.zeros((len(part), *self.shape), dtype=np.uint8)
        for row, index in enumerate(part if self.is_there else ()):
            frame = self.task.frames[index]
            try:
                mask = self.files.read(self.folder, frame, index)
            except MaskFileError as error:
                self._note(frame, str(error))
                continue
            if mask is None:
                self.missing.append(frame)
            elif mask.shape != self.shape:
                what = f'size {mask.shape}, the annotation has {self.shape} (height, width)'
                self._note(frame, what)
            else:
                values[row] = mask
        return values

    def tell_missing(self) -> None:
        """Note the frames that were missing, all in one problem."""
        if self.missing:
            what = (
                f'{len(self.missing)} of {len(self.task.frames)} frames missing: '
                f'{", ".join(self.missing[:5])}'
            )
            self.problems.append(Problem(self.folder, what, 'counted as empty'))

    def _note(self, frame: str, what: str) -> None:
        """Note one frame that cannot be used."""
        self.problems.append(Problem(f'{self.folder}/{frame}', what, 'counted as empty'))


def parts_of(task: VideoTask) -> Iterator[range]:
    """The frames of a video, few at a time: memory does not grow with its length."""
    total = len(task.frames)
    return (
        range(start, min(start + FRAMES_AT_ONCE, total))
        for start in range(0, total, FRAMES_AT_ONCE)
    )


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
        """Add the rows and problems of a video to ``outcome``.

        Raises:
            MaskFileError: the annotation cannot be used.
        """

    def reader(
        self, folder: str, task: VideoTask, shape: tuple[int, int], outcome: Outcome
    ) -> PredictionReader:
        """Reader of the predictions in a folder."""
        return PredictionReader(self.predictions, folder, task, shape, outcome.problems)


@dataclass
class _PairParts:
    """What was scored of one pair so far, one entry per part of the video."""

    pair: PairTask
    reader: PredictionReader
    results: list[MaskResult] = field(default_factory=list)
    gt_areas: list[int] = field(default_factory=list)

    def add(self, pred: np.ndarray, gt: np.ndarray | None, *, bound_th: float) -> None:
        """Score a part: masks (T, H, W) bool, ``gt`` None for negatives."""
        self.results.append(score_masks_of_pair(pred, gt, bound_th=bound_th))
        if gt is not None:
            self.gt_areas += count_pixels(gt)

    def row(self, task: VideoTask, foreground: list[int] | None) -> PairRow:
        """Row of the whole pair."""
        self.reader.tell_missing()
        result, pair = MaskResult.join(self.results), self.pair
        return PairRow(
            pair_id=pair.pair_id,
            video=task.video,
            kind=pair.kind,
            sentence=pair.sentence,
            is_negative=pair.is_negative,
            frame_ids=task.frames,
            frame_pixels=int(np.prod(self.reader.shape)),
            consensus=None,
            score=None,
            gt_areas=None if pair.is_negative else tuple(self.gt_areas),
            gated=result,
            ungated=result,
            foreground_areas=None if foreground is None else tuple(foreground),
            sentence_type=pair.sentence_type,
        )


class PairScorer(VideoScorer):
    """Sentences: binary predictions in ``<video>/<expression>/``, any value above 0 is foreground.

    Rows are those of :class:`JFRMetric` for a model without verdict.
    """

    def score(self, task: VideoTask, outcome: Outcome) -> None:
        """See :meth:`VideoScorer.score`."""
        shape = self.truth.shape(task)
        scored = [
            _PairParts(pair, self.reader(pair.folder, task, shape, outcome)) for pair in task.pairs
        ]
        foreground: list[int] = []
        found: set[str] = set()
        for part in parts_of(task):
            objects = [self.truth.object_masks(task, index) for index in part]
            for entry in scored:
                pred = entry.reader.read(part) > 0
                entry.add(pred, _target_masks(entry.pair, objects, shape), bound_th=self.bound_th)
            foreground += [_union_area(masks, shape) for masks in objects]
            found.update(name for masks in objects for name in masks)
        if not found:
            self.truth.refuse_binary(task)
        for entry in scored:
            known = foreground if self.truth.has_all_objects else None
            outcome.pairs.append(entry.row(task, known))
            absent = sorted(set(entry.pair.target) - found)
            if absent and self.truth.has_all_objects:
                what = f'object {", ".join(absent)} is in no frame of the annotation'
                outcome.problems.append(Problem(entry.pair.folder, what, 'scored as never there'))


def _target_masks(
    pair: PairTask, objects: list[dict[str, np.ndarray]], shape: tuple[int, int]
) -> np.ndarray | None:
    """Masks (T, H, W) bool of what a sentence is about; None for a negative pair."""
    if pair.is_negative:
        return None
    masks = np.zeros((len(objects), *shape), dtype=bool)
    for mask, known in zip(masks, objects):
        for name in set(pair.target) & known.keys():
            mask |= known[name]
    return masks


def _union_area(masks: dict[str, np.ndarray], shape: tuple[int, int]) -> int:
    """Pixels of any object of a frame."""
    return int(np.count_nonzero(np.logical_or.reduce([np.zeros(shape, bool), *masks.values()])))


class SemiSupervisedScorer(VideoScorer):
    """Objects of DAVIS given in the first frame: maps of object ids in ``<video>/``.

    The number of objects is the highest id in the first annotated frame. Where that is one and the
    prediction is 0/255, 255 is that object.
    """

    truth: PngTruth

    def score(self, task: VideoTask, outcome: Outcome) -> None:
        """See :meth:`VideoScorer.score`."""
        num_objects, shape = self.truth.number_of_objects(task), self.truth.shape(task)
        reader = self.reader(task.video, task, shape, outcome)
        scored = {
            number: _PairParts(
                PairTask(f'{task.video}/{number}/p', task.video, sentence=f'object {number}'),
                reader,
            )
            for number in range(1, num_objects + 1)
        }
        for part in parts_of(task):
            ids = np.stack([self.truth.id_map(task, index) for index in part])
            values = reader.read(part)
            if num_objects == 1 and set(values_in(values)) <= {0, VOID}:
                values[values == VOID] = 1
            for number, entry in scored.items():
                entry.add(values == number, ids == number, bound_th=self.bound_th)
        outcome.pairs += [entry.row(task, None) for entry in scored.values()]


class UnsupervisedScorer(VideoScorer):
    """Ref-DAVIS17: maps of sentences in ``anno_<k>/<video>/``, matched with the objects.

    Without any folder ``anno_<k>`` the masks in ``<video>/`` are those of a single annotator. The
    number of objects is the highest id in the first annotated frame; 255 is void.
    """

    truth: PngTruth

    def score(self, task: VideoTask, outcome: Outcome) -> None:
        """See :meth:`VideoScorer.score`."""
        numbers = np.arange(1, self.truth.number_of_objects(task) + 1)[:, None, None, None]
        shape = self.truth.shape(task)
        scored = {
            annotator: _AnnotatorParts(self.reader(folder, task, shape, outcome))
            for annotator, folder in self._folders(task.video)
        }
        for part in parts_of(task):
            ids = np.stack([self.truth.id_map(task, index) for index in part])
            for entry in scored.values():
                entry.add(part, ids == numbers, ids == VOID, bound_th=self.bound_th)
        for annotator, entry in scored.items():
            outcome.objects += _object_rows(task, annotator, entry.matched())

    def _folders(self, video: str) -> list[tuple[int, str]]:
        """Annotators and the folders of their masks."""
        if any(self.predictions.has_folder(f'anno_{k}') for k in range(NUM_ANNOTATORS)):
            return [(k, f'anno_{k}/{video}') for k in range(NUM_ANNOTATORS)]
        return [(0, video)]


@dataclass
class _AnnotatorParts:
    """What was scored of one annotator's maps so far, one entry per part of the video."""

    reader: PredictionReader
    scores: list[ProposalScores] = field(default_factory=list)
    highest_id: int = 0
    void_frames: int = 0

    def add(self, part: range, objects: np.ndarray, void: np.ndarray, *, bound_th: float) -> None:
        """Score a part against objects (O, T, H, W), without the void pixels (T, H, W)."""
        values = self.reader.read(part)
        self.void_frames += int((values == VOID).any(axis=(1, 2)).sum())
        values[values == VOID] = 0
        self.highest_id = max(self.highest_id, int(values.max()))
        used = int(values.max()) if self.highest_id <= MAX_PROPOSALS else 0
        proposals = values == np.arange(1, used + 1)[:, None, None, None]
        self.scores.append(proposal_scores(proposals, objects, void=void, bound_th=bound_th))

    def matched(self) -> MatchedScores:
        """Scores of the objects; maps that are none count as empty, and that is noted."""
        self.reader.tell_missing()
        scores, folder = ProposalScores.join(self.scores), self.reader.folder
        if self.void_frames:
            what = f'value {VOID} in {self.void_frames} frames where object ids are expected'
            self.reader.problems.append(Problem(folder, what, f'{VOID} counted as background'))
        if self.highest_id > MAX_PROPOSALS:
            what = f'{self.highest_id} proposals, the protocol takes at most {MAX_PROPOSALS}'
            self.reader.problems.append(Problem(folder, what, 'counted as empty'))
            scores = replace(scores, region=scores.region[:0], contour=scores.contour[:0])
        return assign_scores(scores)


def _object_rows(task: VideoTask, annotator: int, matched: MatchedScores) -> list[ObjectRow]:
    """Rows of the objects of a video for one annotator."""
    rows = []
    for number, (region, contour) in enumerate(zip(matched.region, matched.contour), 1):
        result = ObjectResult(tuple(region.tolist()), tuple(contour.tolist()))
        rows.append(
            ObjectRow(
                pair_id=f'{task.video}/annotator{annotator}/object{number}',
                video=task.video,
                obj_id=str(number),
                annotator=annotator,
                frame_ids=task.frames,
                gated=result,
                ungated=result,
            )
        )
    return rows


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
    with (
        one_opencv_thread(),
        context.Pool(processes, initializer=_start_worker, initargs=(scorer,)) as pool,
    ):
        yield from pool.imap_unordered(_score_in_worker, tasks)


_WORKER: dict[str, VideoScorer] = {}


def _start_worker(scorer: VideoScorer) -> None:
    """Keep the scorer of a process."""
    _WORKER['scorer'] = scorer


def _score_in_worker(task: VideoTask) -> Outcome:
    """Score a video in a process of the pool."""
    return _WORKER['scorer'](task)
