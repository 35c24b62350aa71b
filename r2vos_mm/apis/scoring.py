"""Score masks on disk video by video, without a model; missing predictions are reported.

Nothing here imports torch or MMEngine. The three functions ``score_*`` score one video each, a few
frames at a time: memory does not grow with the length of a video.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from math import prod
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np

from r2vos_mm.evaluation.functional import matching
from r2vos_mm.evaluation.mask_files import (
    VOID,
    GroundTruth,
    MaskFiles,
    MevisGroundTruth,
    PairTask,
    PngGroundTruth,
    VideoTask,
    values_in,
)
from r2vos_mm.evaluation.metrics.pair_scores import (
    ObjectScores,
    PairScores,
    frame_scores,
    objects_of,
)
from r2vos_mm.utils.data_issues import DataFileError, Problem
from r2vos_mm.utils.expressions_file import frame_order, normalise_sentence, read_expressions
from r2vos_mm.utils.pairs_file import read_pair_rows
from r2vos_mm.utils.processes import map_in_processes
from r2vos_mm.utils.ref_davis17 import NUM_EXPRESSION_SETS

FRAMES_AT_ONCE = 16
BOUND_TH = 0.008


@dataclass
class Outcome:
    """Scores of pairs and objects, and predictions and annotations that could not be used."""

    pairs: list[PairScores] = field(default_factory=list)
    objects: list[ObjectScores] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def add(self, other: Outcome) -> None:
        """Append the content of another outcome."""
        self.pairs += other.pairs
        self.objects += other.objects
        self.problems += other.problems


VideoScorer = Callable[[VideoTask, MaskFiles, GroundTruth], Outcome]


def score_videos(
    scorer: VideoScorer,
    tasks: Sequence[VideoTask],
    predictions: MaskFiles,
    truth: GroundTruth,
    *,
    processes: int = 1,
) -> Iterator[Outcome]:
    """Yield the outcomes of videos as they are done, in any order.

    A video whose annotation is broken is not scored, which its outcome reports as a problem.
    ``scorer`` is one of the functions ``score_*``; with ``processes=1`` it runs in this process.
    """
    score = partial(_score_video, scorer=scorer, predictions=predictions, truth=truth)
    name = attrgetter('video')
    return map_in_processes(score, tasks, workers=processes, name=name, in_order=False)


def _score_video(
    task: VideoTask, *, scorer: VideoScorer, predictions: MaskFiles, truth: GroundTruth
) -> Outcome:
    try:
        return scorer(task, predictions, truth)
    except DataFileError as error:
        return Outcome(problems=[Problem(task.video, str(error), 'video not scored')])


def score_expressions(task: VideoTask, predictions: MaskFiles, truth: GroundTruth) -> Outcome:
    """Score the pairs of a video: binary masks in ``<video>/<expression>/``, above 0 is foreground.

    DataFileError is raised, as by the others, if the annotation cannot be used.
    """
    outcome, shape = Outcome(), truth.shape(task)
    readers = [_Reader(predictions, p.folder, task, shape, outcome.problems) for p in task.pairs]
    found: set[str] = set()
    foreground: list[int] = []
    for frames in _frame_parts(task):
        objects = [truth.object_masks(task, index) for index in frames]
        found.update(*objects)
        # The objects of a map do not overlap.
        foreground += (int(sum(map(np.count_nonzero, masks.values()))) for masks in objects)
        for pair, reader in zip(task.pairs, readers):
            gt = None if pair.is_negative else _union(pair.target, objects, shape)
            reader.scores.append(frame_scores(reader.read(frames) > 0, gt, bound_th=BOUND_TH))
    has_all_objects = isinstance(truth, PngGroundTruth)
    if not found and has_all_objects:
        truth.refuse_binary(task)
    for pair, reader in zip(task.pairs, readers):
        reader.report_missing()
        areas = tuple(foreground) if has_all_objects else None
        outcome.pairs.append(_joined(task, pair, shape, reader.scores, areas))
        absent = sorted(set(pair.target) - found)
        if absent and has_all_objects:
            what = f'object {", ".join(absent)} is in no frame of the annotation'
            outcome.problems.append(Problem(pair.folder, what, 'scored as never visible'))
    return outcome


def score_semi_supervised(
    task: VideoTask, predictions: MaskFiles, truth: PngGroundTruth
) -> Outcome:
    """Score the objects of DAVIS given in the first frame: maps of object ids in ``<video>/``.

    The number of objects is the highest id in the first annotated frame. If it is one and the
    prediction is 0/255, 255 is that object.
    """
    outcome, shape = Outcome(), truth.shape(task)
    parts: dict[int, list[dict]] = {k: [] for k in range(1, truth.num_objects(task) + 1)}
    reader = _Reader(predictions, task.video, task, shape, outcome.problems)
    for frames in _frame_parts(task):
        ids = np.stack([truth.id_map(task, index) for index in frames])
        values = reader.read(frames)
        if len(parts) == 1 and set(values_in(values)) <= {0, VOID}:
            values[values == VOID] = 1
        for number, scored in parts.items():
            scored.append(frame_scores(values == number, ids == number, bound_th=BOUND_TH))
    reader.report_missing()
    for number, scored in parts.items():
        pair = PairTask(f'{task.video}/{number}/p', task.video, f'object {number}')
        outcome.pairs.append(_joined(task, pair, shape, scored))
    return outcome


def score_unsupervised(task: VideoTask, predictions: MaskFiles, truth: PngGroundTruth) -> Outcome:
    """Score Ref-DAVIS17: maps of expressions in ``anno_<k>/<video>/``, matched with the objects.

    Without any folder ``anno_<k>`` the masks in ``<video>/`` are those of a single expression set.
    The number of objects is the highest id in the first annotated frame; 255 is void.
    """
    outcome, shape = Outcome(), truth.shape(task)
    numbers = np.arange(1, truth.num_objects(task) + 1)
    folders = [f'anno_{k}/{task.video}' for k in range(NUM_EXPRESSION_SETS)]
    if not any(predictions.has_folder(f'anno_{k}') for k in range(NUM_EXPRESSION_SETS)):
        folders = [task.video]
    sets = [_ExpressionSet(predictions, f, task, shape, outcome.problems) for f in folders]
    for frames in _frame_parts(task):
        ids = np.stack([truth.id_map(task, index) for index in frames])
        for entry in sets:
            entry.score(frames, ids == numbers[:, None, None, None], ids == VOID)
    names = list(map(str, numbers))
    for k, entry in enumerate(sets):
        outcome.objects += objects_of(task.video, k, names, task.frames, entry.matched())
    return outcome


def _frame_parts(task: VideoTask) -> Iterator[range]:
    """Yield the indices of the frames of a video, a few at a time."""
    frames = range(len(task.frames))
    return (frames[start : start + FRAMES_AT_ONCE] for start in frames[::FRAMES_AT_ONCE])


def _union(
    target: Sequence[str], objects: Sequence[dict[str, np.ndarray]], shape: tuple[int, int]
) -> np.ndarray:
    """Return the masks (T, H, W) bool of the union of some objects."""
    masks = np.zeros((len(objects), *shape), dtype=bool)
    for mask, known in zip(masks, objects):
        for name in set(target) & known.keys():
            mask |= known[name]
    return masks


def _joined(
    task: VideoTask,
    pair: PairTask,
    shape: tuple[int, int],
    parts: Sequence[dict[str, tuple]],
    foreground_areas: tuple[int, ...] | None = None,
) -> PairScores:
    """Return the scores of a pair from those of the parts of its video."""
    fields = {name: tuple(chain.from_iterable(part[name] for part in parts)) for name in parts[0]}
    fields |= {'foreground_areas': foreground_areas, 'sentence_type': pair.sentence_type}
    identity = pair.pair_id, task.video, pair.kind, pair.expression, pair.is_negative
    return PairScores(*identity, task.frames, prod(shape), **fields)


@dataclass
class _Reader:
    """Reads the predictions of one folder and reports those that are missing or broken."""

    files: MaskFiles
    folder: str
    task: VideoTask
    shape: tuple[int, int]
    problems: list[Problem]
    missing: list[str] = field(default_factory=list)
    scores: list[Any] = field(default_factory=list)  # of parts of the video

    def __post_init__(self) -> None:
        self.exists = self.files.has_folder(self.folder)
        if not self.exists:
            self.report('no predictions')

    def report(self, what: str, consequence: str = 'counted as empty', frame: str = '') -> None:
        """Add a problem of the folder or of one frame, which begins with a slash."""
        self.problems.append(Problem(self.folder + frame, what, consequence))

    def read(self, frames: range) -> np.ndarray:
        """Return the values (T, H, W) uint8 of some frames; missing and broken masks are empty."""
        values = np.zeros((len(frames), *self.shape), dtype=np.uint8)
        for row, index in enumerate(frames if self.exists else ()):
            frame, size = self.task.frames[index], self.shape
            try:
                mask = self.files.read(self.folder, frame, index)
                if mask is None:
                    self.missing.append(frame)
                elif mask.shape != size:
                    what = f'size {mask.shape}, the annotation has {size} (height, width)'
                    raise DataFileError(what)
                else:
                    values[row] = mask
            except DataFileError as error:
                self.report(str(error), frame=f'/{frame}')
        return values

    def report_missing(self) -> None:
        """Add the frames that were missing as one problem."""
        if self.missing:
            first, total = ', '.join(self.missing[:5]), len(self.task.frames)
            self.report(f'{len(self.missing)} of {total} frames missing: {first}')


@dataclass
class _ExpressionSet(_Reader):
    """Scores the maps of one expression set."""

    highest_id: int = 0
    num_void_frames: int = 0

    def score(self, frames: range, objects: np.ndarray, void: np.ndarray) -> None:
        """Score some frames against objects (O, T, H, W), ignoring void pixels (T, H, W)."""
        values = self.read(frames)
        self.num_void_frames += int((values == VOID).any(axis=(1, 2)).sum())
        values[values == VOID] = 0
        highest = int(values.max())
        self.highest_id = max(self.highest_id, highest)
        used = np.arange(1, highest + 1) if self.highest_id <= matching.MAX_PROPOSALS else []
        maps = values == np.reshape(used, (-1, 1, 1, 1))
        self.scores.append(matching.score_proposals(maps, objects, void=void, bound_th=BOUND_TH))

    def matched(self) -> np.ndarray:
        """Return J and F (2, O, T) of the objects; invalid maps count as empty, with a report."""
        self.report_missing()
        scores, limit = matching.join_scores(self.scores), matching.MAX_PROPOSALS
        if self.num_void_frames:
            what = f'value {VOID} in {self.num_void_frames} frames where object ids are expected'
            self.report(what, f'{VOID} counted as background')
        if self.highest_id > limit:
            self.report(f'{self.highest_id} proposals, the protocol takes at most {limit}')
            scores = scores[:, -1:]
        return matching.assign_scores(scores)


def find_ground_truth(
    root: Path, expressions: Path | None, pairs: Path | None
) -> tuple[GroundTruth, list[VideoTask]]:
    """Return annotation and tasks of a folder of MeViS or of the Refer-YouTube-VOS layout.

    Args:
        root: folder with ``mask_dict.json``, or with one folder of PNGs per video.
        expressions: ``meta_expressions.json`` with object ids; not needed for MeViS.
        pairs: pairs file, None for the expressions of ``expressions``.
    """
    mask_dict = root / 'mask_dict.json'
    is_mevis = mask_dict.is_file()
    if is_mevis:
        expressions = expressions or root / 'meta_expressions.json'
    if expressions is None:
        raise FileNotFoundError(
            f'{root} has no mask_dict.json: give the expressions with --expressions FILE'
        )
    if not root.is_dir():
        raise FileNotFoundError(f'{root} is not a folder of annotations')
    tasks = _expression_tasks(expressions) if pairs is None else _pair_tasks(expressions, pairs)
    return (MevisGroundTruth(mask_dict) if is_mevis else PngGroundTruth(root)), tasks


def folder_tasks(root: Path) -> list[VideoTask]:
    """Return one task per folder of PNGs, without pairs, whose frames are the files."""
    frames = defaultdict(list)
    for path in sorted(root.glob('*/*.png')):
        frames[path.parent.name].append(path.stem)
    if not frames:
        raise FileNotFoundError(f'{root} has no folders of PNGs: it should hold one per video')
    return [VideoTask(v, tuple(sorted(names, key=frame_order))) for v, names in frames.items()]


def _expression_tasks(expressions: Path) -> list[VideoTask]:
    """Return one pair per expression of a ``meta_expressions.json`` with object ids."""
    tasks = []
    for video, entry in sorted(read_expressions(expressions).items()):
        pairs = []
        for exp_id, item in entry['expressions'].items():
            target = _target(item, f'{expressions}: video {video!r}, expression {exp_id!r}')
            texts = f'{video}/{exp_id}/p', f'{video}/{exp_id}', item.get('exp', '')
            pairs.append(PairTask(*texts, target=target, sentence_type=item.get('type_id')))
        tasks.append(VideoTask(video, tuple(entry['frames']), tuple(pairs)))
    return tasks


def _pair_tasks(expressions: Path, pairs: Path) -> list[VideoTask]:
    """Return positive and negative pairs of a pairs file, by the video they are shown with.

    Predictions of a positive pair are in ``<video>/<exp_id>``, those of a negative one in
    ``<video>/<exp_video>_<exp_id>_n<rank>``. In MeViS, whose targets are unions, the target is that
    of the video's own expression, as in ``MeViSDataset``.
    """
    entries = read_expressions(expressions)
    tasks: dict[str, list[PairTask]] = defaultdict(list)
    for row in read_pair_rows(pairs):
        own = entries.get(row['video'], {}).get('expressions', {}).get(row['exp_id'], {})
        tasks[row['video']].append(_pair_task(row, own, f'{pairs}: pair {row["pair_id"]!r}'))
    unknown = sorted(set(tasks) - set(entries))
    if unknown:
        raise ValueError(f'{pairs} names videos that {expressions} does not list: {unknown[:10]}')
    return [VideoTask(v, tuple(entries[v]['frames']), tuple(tasks[v])) for v in sorted(tasks)]


def _pair_task(row: dict[str, Any], own: dict[str, Any], where: str) -> PairTask:
    """Return the task of one row; ``own`` is the video's own expression of that number."""
    folder = f'{row["video"]}/{row["exp_id"]}'
    if row['label'] != 1:
        folder = f'{row["video"]}/{row.get("exp_video")}_{row["exp_id"]}_n{row.get("rank")}'
    elif 'anno_id' in own:
        if normalise_sentence(own['exp']) != normalise_sentence(row['exp']):
            raise ValueError(
                f'{where} has the expression {row["exp"]!r}, the video has {own["exp"]!r} under '
                'that number: pairs and expressions are of different versions'
            )
        row = row | own
    negative = row['label'] != 1 or own.get('anno_id') == []
    target = () if negative else _target(row, where)
    return PairTask(row['pair_id'], folder, row['exp'], row['kind'], negative, target)


def _target(item: dict[str, Any], where: str) -> tuple[str, ...]:
    """Return the ids of an expression's objects: all of ``anno_id``, or the one of ``obj_id``."""
    if 'anno_id' in item:
        return tuple(map(str, item['anno_id']))
    value = item.get('obj_id')
    if value is None or value == '':
        raise ValueError(
            f'{where} has no obj_id: only expressions whose object is known can be scored here'
        )
    return (str(int(value)),)
