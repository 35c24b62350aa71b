"""Score masks on disk video by video, without a model; missing predictions are reported.

Nothing here imports torch or MMEngine. The three functions ``score_*`` score one video each, a few
frames at a time: memory does not grow with the length of a video.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, product
from math import prod
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from r2vos_mm.evaluation.functional import matching
from r2vos_mm.evaluation.mask_files import (
    VOID,
    GroundTruth,
    MaskFiles,
    MevisGroundTruth,
    ObjectFolderGroundTruth,
    PairTask,
    PngGroundTruth,
    VevalGroundTruth,
    VideoTask,
    open_masks,
    pair_folder,
    values_in,
    veval_tasks,
)
from r2vos_mm.evaluation.metrics.pair_scores import (
    ObjectScores,
    PairScores,
    frame_scores,
    objects_of,
)
from r2vos_mm.utils.data_issues import DataFileError, Problem, shown
from r2vos_mm.utils.formats.expressions import (
    MAX_OBJECT_ID,
    frame_order,
    normalize_text,
    object_number,
    read_expressions,
)
from r2vos_mm.utils.formats.pairs import read_pair_rows
from r2vos_mm.utils.formats.ref_davis17 import NUM_EXPRESSION_SETS
from r2vos_mm.utils.processes import map_in_processes

FRAMES_AT_ONCE = 16
BOUND_TH = 0.008
PROBLEMS = ('unread', 'unscored', 'problems')  # fields of an outcome


class Reading(NamedTuple):
    """Options for reading predictions.

    Attributes:
        missing_is_empty: count missing and broken predictions as empty, not as unknown (NaN).
        threshold: values from here on are foreground; None for all values above 0.
    """

    missing_is_empty: bool = False
    threshold: int | None = None


@dataclass
class Outcome:
    """Scores of pairs and objects, and problems.

    ``unread`` are predictions that were not read, ``unscored`` videos whose annotation cannot be
    used. ``videos`` are all videos of the data set if only a part is scored.
    """

    pairs: list[PairScores] = field(default_factory=list)
    objects: list[ObjectScores] = field(default_factory=list)
    unread: list[Problem] = field(default_factory=list)
    unscored: list[Problem] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    video: str = ''
    videos: list[str] = field(default_factory=list)

    def add(self, other: Outcome) -> None:
        """Append the content of another outcome."""
        for name in ('pairs', 'objects', *PROBLEMS):
            getattr(self, name).extend(getattr(other, name))

    def sort(self) -> None:
        """Sort scores by their ids and problems by their places."""
        for entries in (self.pairs, self.objects):
            entries.sort(key=attrgetter('pair_id'))
        for name in PROBLEMS:
            getattr(self, name).sort(key=attrgetter('where'))


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

    A video whose annotation is broken is not scored, which its outcome reports.
    ``scorer`` is one of the functions ``score_*``; with ``processes=1`` it runs in this process.
    """
    score = partial(_score_video, scorer=scorer, predictions=predictions, truth=truth)
    name = attrgetter('video')
    return map_in_processes(score, tasks, workers=processes, name=name, in_order=False)


def _score_video(
    task: VideoTask, *, scorer: VideoScorer, predictions: MaskFiles, truth: GroundTruth
) -> Outcome:
    try:
        outcome = scorer(task, predictions, truth)
    except DataFileError as error:
        outcome = Outcome(unscored=[Problem(task.video, str(error), 'video not scored')])
    outcome.video = task.video
    return outcome


def score_expressions(
    task: VideoTask, predictions: MaskFiles, truth: GroundTruth, *, reading: Reading = Reading()
) -> Outcome:
    """Score the pairs of a video: binary masks in ``<video>/<expression>/``, above 0 is foreground.

    DataFileError is raised, as by the others, if the annotation cannot be used.
    """
    shape, outcome, foreground = truth.shape(task), Outcome(), []
    readers = [_Reader(predictions, pair.folder, task, shape, reading) for pair in task.pairs]
    found: set[str] = set()
    for frames in _frame_parts(task):
        objects = [truth.object_masks(task, index) for index in frames]
        found.update(*objects)
        # The objects of a map do not overlap.
        foreground += (int(sum(map(np.count_nonzero, masks.values()))) for masks in objects)
        for pair, reader in zip(task.pairs, readers):
            gt = None if pair.is_negative else _target_masks(pair.target, objects, shape)
            reader.scores.append(frame_scores(reader.read(frames) > 0, gt, bound_th=BOUND_TH))
    has_all_objects = isinstance(truth, PngGroundTruth)
    if has_all_objects:
        truth.check_objects(task, found)
    for pair, reader in zip(task.pairs, readers):
        areas = tuple(foreground) if has_all_objects else None
        outcome.pairs.append(_joined(pair, reader, reader.scores, areas))
        reader.report(outcome)
        absent = sorted(set(pair.target) - found)
        if absent and has_all_objects:
            what = f'object {", ".join(absent)} is in no frame of the annotation'
            outcome.problems.append(Problem(pair.folder, what, 'scored as never visible'))
    return outcome


def score_semi_supervised(
    task: VideoTask, predictions: MaskFiles, truth: PngGroundTruth, *, reading: Reading = Reading()
) -> Outcome:
    """Score the objects of DAVIS given in the first frame: maps of object ids in ``<video>/``.

    The number of objects is the highest id in the first annotated frame. If it is one and the
    prediction is 0/255, 255 is that object.
    """
    outcome, count = Outcome(), truth.num_objects(task)
    reader = _Reader(predictions, task.video, task, truth.shape(task), reading, max_id=count)
    parts: dict[int, list[dict]] = {k: [] for k in range(1, count + 1)}
    for frames in _frame_parts(task):
        ids = np.stack([truth.id_map(task, index) for index in frames])
        values = reader.read(frames)
        for number, scored in parts.items():
            scored.append(frame_scores(values == number, ids == number, bound_th=BOUND_TH))
    for number, scored in parts.items():
        pair = PairTask(f'{task.video}/{number}/p', task.video, f'object {number}')
        outcome.pairs.append(_joined(pair, reader, scored))
    reader.report(outcome)
    return outcome


def score_unsupervised(
    task: VideoTask, predictions: MaskFiles, truth: PngGroundTruth, *, reading: Reading = Reading()
) -> Outcome:
    """Score Ref-DAVIS17: maps of expressions in ``anno_<k>/<video>/``, matched with the objects.

    Without any folder ``anno_<k>`` the masks in ``<video>/`` are those of a single expression set.
    The number of objects is the highest id in the first annotated frame; 255 is void.
    """
    outcome, shape = Outcome(), truth.shape(task)
    numbers = np.arange(1, truth.num_objects(task) + 1)
    folders = [f'anno_{k}/{task.video}' for k in range(NUM_EXPRESSION_SETS)]
    if not any(predictions.has_folder(f'anno_{k}') for k in range(NUM_EXPRESSION_SETS)):
        folders = [task.video]
    readers = [
        _Reader(predictions, f, task, shape, reading, max_id=matching.MAX_PROPOSALS)
        for f in folders
    ]
    for frames in _frame_parts(task):
        ids = np.stack([truth.id_map(task, index) for index in frames])
        objects, void = ids == numbers[:, None, None, None], ids == VOID
        for reader in readers:
            reader.scores.append(_score_map(reader.read(frames), objects, void))
    for k, reader in enumerate(readers):
        names, matched = list(map(str, numbers)), _matched(reader, outcome)
        outcome.objects += objects_of(task.video, k, names, task.frames, matched)
        reader.report(outcome)
    return outcome


def _score_map(values: np.ndarray, objects: np.ndarray, void: np.ndarray) -> np.ndarray:
    """Score a map (T, H, W) of proposals, at most ``MAX_PROPOSALS``, by :func:`score_proposals`."""
    used = np.arange(1, min(int(values.max()), matching.MAX_PROPOSALS) + 1)
    maps = values == used[:, None, None, None]
    return matching.score_proposals(maps, objects, void=void, bound_th=BOUND_TH)


def _matched(reader: _Reader, outcome: Outcome) -> np.ndarray:
    """Return J and F (2, O, T) of the objects; invalid maps count as empty, with a report."""
    scores, limit = matching.join_scores(reader.scores), matching.MAX_PROPOSALS
    highest = max(reader.values, default=0)
    if highest > limit:
        what = f'{highest} proposals, the protocol takes at most {limit}'
        outcome.problems.append(Problem(reader.folder, what, 'counted as empty'))
        reader.values.clear()
        scores = scores[:, -1:]
    matched = matching.assign_scores(scores)
    # Every frame takes part in the choice of the proposals.
    return np.full_like(matched, np.nan) if reader.unknown else matched


def _frame_parts(task: VideoTask) -> Iterator[range]:
    """Yield the indices of the frames of a video, a few at a time."""
    frames = range(len(task.frames))
    return (frames[start : start + FRAMES_AT_ONCE] for start in frames[::FRAMES_AT_ONCE])


def _target_masks(
    target: Sequence[str], objects: Sequence[dict[str, np.ndarray]], shape: tuple[int, int]
) -> np.ndarray:
    """Return the union (T, H, W) bool of the objects of a target."""
    masks = np.zeros((len(objects), *shape), dtype=bool)
    for mask, known in zip(masks, objects):
        for name in set(target) & known.keys():
            mask |= known[name]
    return masks


def _joined(
    pair: PairTask,
    reader: _Reader,
    parts: Sequence[dict[str, tuple]],
    foreground_areas: tuple[int, ...] | None = None,
) -> PairScores:
    """Return the scores of a pair from those of the parts of its video; NaN in unknown frames."""
    fields = {name: list(chain.from_iterable(part[name] for part in parts)) for name in parts[0]}
    for name, index in product(fields.keys() - {'gt_areas'}, reader.unknown):
        fields[name][index] = float('nan')
    fields = {name: tuple(values) for name, values in fields.items()}
    fields |= {'foreground_areas': foreground_areas, 'sentence_type': pair.sentence_type}
    fields['text_type'] = pair.text_type
    identity = pair.pair_id, reader.task.video, pair.kind, pair.expression, pair.is_negative
    return PairScores(*identity, reader.task.frames, prod(reader.shape), **fields)


@dataclass
class _Reader:
    """Read the predictions of one folder part by part, and collect what is wrong with them.

    ``max_id`` is the highest valid object id; None for masks of foreground. ``scores`` are those of
    the parts, ``values`` those that occur and should not.
    """

    files: MaskFiles
    folder: str
    task: VideoTask
    shape: tuple[int, int]
    reading: Reading
    max_id: int | None = None
    scores: list[Any] = field(default_factory=list)
    highest: int = 0
    missing: list[str] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    values: set[int] = field(default_factory=set)
    num_void_frames: int = 0

    @property
    def unknown(self) -> list[int]:
        """Indices of the frames whose scores are unknown."""
        unread = {*self.missing, *self.broken} if not self.reading.missing_is_empty else ()
        return [index for index, frame in enumerate(self.task.frames) if frame in unread]

    def read(self, frames: range) -> np.ndarray:
        """Return the values (T, H, W) uint8 of some frames; missing and broken masks are empty."""
        values = np.zeros((len(frames), *self.shape), dtype=np.uint8)
        for row, index in enumerate(frames):
            frame = self.task.frames[index]
            try:
                is_usable = self.files.is_complete(self.folder, len(self.task.frames))
                mask = self.files.read(self.folder, frame, index, self.shape) if is_usable else None
            except DataFileError as error:
                self.broken[frame] = str(error)
                continue
            if mask is None:
                self.missing.append(frame)
            else:
                values[row] = self._usable(mask)
        return values

    def report(self, outcome: Outcome) -> None:
        """Add what was wrong."""
        total, values = len(self.task.frames), shown(sorted(self.values))
        unread = 'counted as empty' if self.reading.missing_is_empty else 'not scored'
        if self.missing:
            what = f'{len(self.missing)} of {total} frames missing: {", ".join(self.missing[:5])}'
            if len(self.missing) == total:
                names = self.files.names(self.folder)
                what = f'no predictions for its frames, but for {shown(names)}'
                if not names or 0 in names:
                    what = f'{len(names)} masks for {total} frames' if names else 'no predictions'
            outcome.unread.append(Problem(self.folder, what, unread))
        for frame, what in self.broken.items():
            outcome.unread.append(Problem(f'{self.folder}/{frame}', what, unread))
        if self.num_void_frames:
            what = f'value {VOID} in {self.num_void_frames} frames where object ids are expected'
            effect = f'{VOID} counted as background'
            outcome.problems.append(Problem(self.folder, what, effect))
        if 0 < self.highest < (self.reading.threshold or 0):
            what = f'no value above {self.highest}, the threshold is {self.reading.threshold}'
            outcome.problems.append(Problem(self.folder, what, 'all masks are empty'))
        if self.values:
            what, effect = f'object ids {values} above {self.max_id}', 'counted as background'
            if self.max_id is None:
                what = f'grey values {values} instead of 0 and 255'
                effect = 'all above 0 is foreground; --threshold 128 for probabilities'
            outcome.problems.append(Problem(self.folder, what, effect))

    def _usable(self, mask: np.ndarray) -> np.ndarray:
        """Return a mask without void pixels, or at the threshold; note unexpected values."""
        highest, limit = int(mask.max()) or 1, self.max_id or matching.MAX_PROPOSALS
        if self.reading.threshold is not None:
            self.highest = max(self.highest, int(mask.max()))
            return mask >= self.reading.threshold
        is_binary = np.count_nonzero(mask > 0) == np.count_nonzero(mask == highest)
        if is_binary if self.max_id is None else highest <= limit:
            return mask
        values = set(values_in(mask)) - {0}
        if self.max_id == 1 and values == {VOID}:
            return mask == VOID
        if VOID in values and max(values - {VOID}, default=0) <= limit:
            self.num_void_frames += 1
            return np.where(mask == VOID, 0, mask)
        # Several low values in masks of foreground are ids of objects.
        if max(values) > limit:
            self.values |= {value for value in values if value > (self.max_id or 0)}
        return mask


def find_ground_truth(
    root: Path, expressions: Path | None, pairs: Path | None
) -> tuple[GroundTruth, list[VideoTask]]:
    """Return annotation and tasks of MeViS, of the Refer-YouTube-VOS layout, or of SA-Co/VEval.

    Args:
        root: folder with ``mask_dict.json``, or with one folder of PNGs per video; or the JSON of
            SA-Co/VEval.
        expressions: ``meta_expressions.json`` with object ids; not needed for MeViS, and not for
            SA-Co/VEval, which has its own pairs.
        pairs: pairs file, None for the expressions of ``expressions``.
    """
    if root.suffix.lower() == '.json' and root.is_file():
        if expressions is not None or pairs is not None:
            raise ValueError(f'{root} has its own expressions and pairs: give no others')
        return VevalGroundTruth(root), veval_tasks(root)
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
    if is_mevis:
        return MevisGroundTruth(mask_dict), tasks
    files = open_masks(root, [task.video for task in tasks])
    objects = ((task.video, name) for task in tasks for pair in task.pairs for name in pair.target)
    has_folders = any(files.has_folder(f'{video}/{name}') for video, name in objects)
    return (ObjectFolderGroundTruth if has_folders else PngGroundTruth)(files), tasks


def find_folders(root: Path) -> tuple[PngGroundTruth, list[VideoTask]]:
    """Return annotation and tasks, without pairs, of one folder of PNGs per video.

    The folders are in ``root`` or in one folder below it.

    Raises:
        FileNotFoundError, ValueError: There are none, or some in several folders.
    """
    masks = open_masks(root)
    frames = {folder: masks.names(folder) for folder in sorted(masks.folders())}
    frames = {folder: names for folder, names in frames.items() if names and folder}
    roots = sorted({folder.rpartition('/')[0] for folder in frames})
    if not roots:
        raise FileNotFoundError(f'{root} has no folders of PNGs: it should hold one per video')
    if len(roots) > 1:
        raise ValueError(f'{root} has folders of PNGs in several folders: {shown(roots)}')
    masks.root = roots[0]
    videos = {folder.rpartition('/')[2]: names for folder, names in frames.items()}
    tasks = [VideoTask(v, tuple(sorted(n, key=frame_order))) for v, n in videos.items()]
    return PngGroundTruth(masks), tasks


def _expression_tasks(expressions: Path) -> list[VideoTask]:
    """Return one pair per expression of a ``meta_expressions.json`` with object ids."""
    tasks = []
    for video, entry in sorted(read_expressions(expressions).items()):
        pairs = []
        for exp_id, item in entry['expressions'].items():
            target = _target(item, f'{expressions}: video {video!r}, expression {exp_id!r}')
            texts = f'{video}/{exp_id}/p', f'{video}/{exp_id}', item.get('exp', '')
            text_type = item.get('type') if isinstance(item.get('type'), str) else ''
            types = dict(sentence_type=item.get('type_id'), text_type=text_type)
            pairs.append(PairTask(*texts, target=target, **types))
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
    if row['label'] == 1 and 'anno_id' in own:
        if normalize_text(own['exp']) != normalize_text(row['exp']):
            raise ValueError(
                f'{where} has the expression {row["exp"]!r}, the video has {own["exp"]!r} under '
                'that number: pairs and expressions are of different versions'
            )
        row = row | own
    negative = row['label'] != 1 or own.get('anno_id') == []
    target = () if negative else _target(row, where)
    return PairTask(row['pair_id'], pair_folder(row), row['exp'], row['kind'], negative, target)


def _target(item: dict[str, Any], where: str) -> tuple[str, ...]:
    """Return the ids of an expression's objects: all of ``anno_id``, or the one of ``obj_id``."""
    if 'anno_id' in item:
        if not isinstance(item['anno_id'], list):
            raise ValueError(f'{where}: anno_id {item["anno_id"]!r} is not a list')
        return tuple(map(str, item['anno_id']))
    value = item.get('obj_id')
    if value is None or value == '':
        raise ValueError(
            f'{where} has no obj_id: only expressions whose object is known can be scored here'
        )
    number = object_number(value)
    if number is None:
        raise ValueError(f'{where}: obj_id {value!r} is not a number from 1 to {MAX_OBJECT_ID}')
    return (number,)
