"""Empty the masks of any method where a model's verdict is 'not in the video', and score both.

The masks are read in the forms that other methods write, see :func:`open_predictions`. The verdicts
come from a checkpoint (:func:`model_consensus`) or from the CSV of a test (:func:`csv_consensus`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from r2vos_mm.evaluation.mask_files import GroundTruth, MaskFiles, VideoTask, open_masks
from r2vos_mm.evaluation.metrics.metric_values import EvalSet
from r2vos_mm.evaluation.metrics.pair_scores import PairScores, emptied
from r2vos_mm.evaluation.metrics.scores_csv import read_pairs
from r2vos_mm.utils.data_issues import DataFileError, shown
from r2vos_mm.utils.files import PathLike, read_json, visible_names
from r2vos_mm.utils.formats.expressions import normalize_text
from r2vos_mm.utils.masks_io import write_label_png

from .results.exporters import read_veval, read_veval_results
from .results.mask_records import MaskRecord, read_coco_rle
from .scoring.mask_files import Outcome, Reading, score_expressions, score_videos

if TYPE_CHECKING:
    from r2vos_mm.models.segmentors import ReferringVideoSegmentor

GROUPS_OF_NEGATIVES = ('robustness', 'cgf1', 'verdict', 'gate')


class RecordMasks(MaskFiles):
    """Masks of records, in the folders of the pairs that have their video and expression.

    Args:
        path: the file that the records were read from.
        records: the records; of two with the same video and expression, the first counts.
        tasks: the videos and pairs that are scored.
    """

    def __init__(
        self, path: Path, records: Sequence[MaskRecord], tasks: Sequence[VideoTask]
    ) -> None:
        super().__init__(path)
        known = {(r.video, normalize_text(r.expression)): r for r in reversed(records)}
        keys = {p.folder: (t.video, normalize_text(p.expression)) for t in tasks for p in t.pairs}
        self._records = {folder: known[key] for folder, key in keys.items() if key in known}
        if not self._records:
            raise ValueError(
                f'{path} has none of the pairs: expected videos and expressions such as '
                f'{shown([*keys.values()])}; found {shown([*known])}'
            )

    def names(self, folder: str) -> dict[str, int]:
        """Return the position of each frame; empty without a record."""
        record = self._records.get(folder)
        return {name: t for t, name in enumerate(record.frames)} if record else {}

    def read(
        self, folder: str, frame: str, index: int, size: tuple[int, int] | None = None
    ) -> np.ndarray | None:
        """See the base class."""
        position, record = self.names(folder).get(frame), self._records.get(folder)
        if position is None:
            return None
        if size is not None and record.size != tuple(size):
            raise DataFileError(
                f'{self.path}: {record.expression!r} in {record.video} has size {record.size}, the '
                f'annotation has {size} (height, width)'
            )
        return record[position].view(np.uint8)


def open_predictions(
    path: Path, tasks: Sequence[VideoTask], *, veval: PathLike | None = None
) -> MaskFiles:
    """Open the masks of any method.

    Args:
        path: one of

            * folder or zip with ``<video>/<expression>/<frame>.png``, also in ``Annotations/``, as
              submitted to Refer-YouTube-VOS and MeViS (SAMWISE, ReferFormer and others);
            * JSON ``{video: {expression: masks}}`` of run-length codes, where ``masks`` may be
              within ``{"prediction_masks": masks}`` (Sa2VA);
            * JSON list of tracks, as YouTube-VIS and SA-Co score them (SAM 3); needs ``veval``;
            * files of :mod:`.mask_records` and SA-Co/VEval.
        tasks: the videos and pairs that are scored.
        veval: SA-Co/VEval file whose ids a list of tracks uses.

    Raises:
        FileNotFoundError, ValueError: the path does not exist, is something else, or has none of
            the pairs.
        DataFileError: a run-length code is broken.
    """
    reader = _record_reader(path, veval) if path.is_file() else None
    if reader is not None:
        return RecordMasks(path, reader(path), tasks)
    return open_masks(path, [pair.folder for task in tasks for pair in task.pairs])


def _record_reader(path: Path, veval: PathLike | None) -> Callable | None:
    """Return the function that reads a file as records; None for a file of another kind."""
    if path.suffix.lower() == '.jsonl':
        return read_coco_rle
    content = read_json(path) if path.suffix.lower() == '.json' else None
    if not isinstance(content, list):
        return read_veval if content and 'video_np_pairs' in content else None
    if not any(isinstance(item, dict) and 'category_id' in item for item in content[:1]):
        return read_coco_rle
    if veval is None:
        raise ValueError(
            f'{path} is a list of tracks: give the SA-Co/VEval file whose ids it uses (--veval)'
        )
    return partial(read_veval_results, veval_path=veval)


def csv_consensus(path: Path) -> dict[str, float]:
    """Return the consensus of each pair, by its id, from the CSV that a test or scoring wrote.

    Raises:
        FileNotFoundError, ValueError: the file does not exist, or is something else.
    """
    return {p.pair_id: p.consensus for p in read_pairs(path) if p.consensus is not None}


def model_consensus(
    model: ReferringVideoSegmentor,
    tasks: Iterable[VideoTask],
    frames: PathLike,
    *,
    precision: str = 'auto',
) -> Iterator[dict[str, float]]:
    """Yield the consensus of the pairs of each video, by their ids.

    Args:
        model: of :func:`.init_model`.
        tasks: the videos, of whose listed frames the model sees all.
        frames: folder with ``<video>/<frame>.jpg`` (or another suffix), or with video folders in
            ``JPEGImages``.
        precision: see :func:`.segment_video`.

    Raises:
        FileNotFoundError: a frame does not exist.
        ValueError: the model gives no verdicts.
    """
    from .inference import segment_video

    for task in tasks:
        texts = [pair.expression for pair in task.pairs]
        result = segment_video(model, _frame_files(Path(frames), task), texts, precision=precision)
        if not result.judged:
            raise ValueError('the model gives no verdicts: it has no consensus to gate with')
        yield {pair.pair_id: float(c) for pair, c in zip(task.pairs, result.consensus)}


def _frame_files(root: Path, task: VideoTask) -> list[str]:
    """Return the image of each listed frame."""
    folder = root / task.video
    if not folder.is_dir():
        folder = root / 'JPEGImages' / task.video
    if not folder.is_dir():
        raise FileNotFoundError(f'{root} has no folder {task.video} with the frames of that video')
    found = {Path(name).stem: str(folder / name) for name in sorted(visible_names(folder))}
    missing = [frame for frame in task.frames if frame not in found]
    if missing:
        raise FileNotFoundError(f'{folder} lacks the frames {shown(missing)}')
    return [found[frame] for frame in task.frames]


def check_consensus(consensus: Mapping[str, float], tasks: Iterable[VideoTask]) -> None:
    """Raise ValueError if there is no consensus for some pairs."""
    missing = [p.pair_id for task in tasks for p in task.pairs if p.pair_id not in consensus]
    if missing:
        raise ValueError(
            f'no consensus for {len(missing)} pairs, such as {shown(missing)}: test the checkpoint '
            'on the same pairs'
        )


def write_gated(
    task: VideoTask,
    masks: MaskFiles,
    size: tuple[int, int],
    folder: PathLike,
    *,
    found: Mapping[str, bool],
    threshold: int | None = None,
) -> None:
    """Write the masks of a video as ``<folder>/<video>/<expression>/<frame>.png``, 255 = object.

    Masks (H, W) = ``size`` of pairs that are not ``found`` are empty. Frames whose mask is missing
    or broken are skipped, so that scoring reports them. Values of at least ``threshold`` are
    foreground; None takes all above 0.
    """
    for pair in task.pairs:
        if not masks.is_complete(pair.folder, len(task.frames)):
            continue
        for index, frame in enumerate(task.frames):
            try:
                values = masks.read(pair.folder, frame, index, size)
            except DataFileError:
                continue
            if values is not None:
                mask = (values >= (threshold or 1)) & found[pair.pair_id]
                path = Path(folder, pair.folder, f'{frame}.png')
                write_label_png(mask.astype(np.uint8) * 255, path, palette=False)


def score_gated(
    tasks: Sequence[VideoTask],
    masks: MaskFiles,
    truth: GroundTruth,
    folder: Path,
    *,
    consensus: Mapping[str, float],
    gate_threshold: float,
    reading: Reading = Reading(),
    processes: int = 1,
) -> tuple[EvalSet, Outcome]:
    """Write the masks, gated by the consensus of each pair, into a folder; score both.

    Returns:
        The scores, those of the given masks as ``before_gate``; and what was wrong with the files.

    Raises:
        ValueError: a pair has no consensus, or no video could be scored.
    """
    check_consensus(consensus, tasks)
    given, scorer = Outcome(), partial(score_expressions, reading=reading)
    for outcome in score_videos(scorer, tasks, masks, truth, processes=processes):
        given.add(outcome)
    given.sort()
    scored = {pair.video for pair in given.pairs}
    if not scored:
        raise ValueError('no video could be scored')
    found = {pair_id: value >= gate_threshold for pair_id, value in consensus.items()}
    for task in tasks:
        if task.video in scored:
            size, threshold = truth.shape(task), reading.threshold
            write_gated(task, masks, size, folder, found=found, threshold=threshold)
    known = [replace(pair, consensus=consensus[pair.pair_id]) for pair in given.pairs]
    pairs = [pair if found[pair.pair_id] else _rejected(pair) for pair in known]
    groups = GROUPS_OF_NEGATIVES if any(pair.is_negative for pair in pairs) else ()
    return EvalSet(pairs, groups=('quality', *groups), gate_threshold=gate_threshold), given


def _rejected(given: PairScores) -> PairScores:
    """Return the scores with empty masks; those of a pair that was not read stay unknown."""
    if not given.is_read or not given.area:
        return given
    return replace(emptied(given), before_gate=given)
