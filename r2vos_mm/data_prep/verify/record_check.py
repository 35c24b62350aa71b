"""Checks a data set through the class that reads it: MeViS, A2D, JHMDB, RefCOCO."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from r2vos_mm.datasets.base_referring_dataset import BaseReferringDataset
from r2vos_mm.datasets.io.frames import decode_frames, read_image
from r2vos_mm.datasets.records import Pair, VideoRecord
from r2vos_mm.registry import DATASETS
from r2vos_mm.utils.data_issues import DataFileError, Problem, ProblemList, collected_problems

from .known_sets import KnownSet
from .report import CheckReport, Tally


def check_records(
    data_root: Path, *, known: KnownSet, sample: int | None = 200, workers: int = 1
) -> CheckReport:
    """Reads every annotation file, and opens frames and masks.

    Args:
        data_root: folder of the set.
        known: its parts, and numbers to compare with.
        sample: frames to open per part, evenly spread; None: all.
        workers: threads that open files.
    """
    report = CheckReport(ProblemList(str(data_root)))
    for part, reader in known.readers.items():
        _PartCheck(data_root, part, report, known).run(reader, sample, workers)
    return report


class _PartCheck:
    """The check of one part; fills the report."""

    def __init__(self, data_root: Path, part: str, report: CheckReport, known: KnownSet) -> None:
        self.data_root, self.part, self.report, self.known = data_root, part, report, known

    def run(self, reader: Mapping[str, str], sample: int | None, workers: int) -> None:
        """All steps in order; those behind a missing file are left out."""
        masks = self.known.mask_files.get(self.part)
        if masks is not None:
            found = (self.data_root / masks).is_file()
            self._tally('mask files').ok += found
            self._tally('mask files').missing += not found
            if not found:
                self._note(self.part, f'{masks} does not exist', f'see {self.known.page}')
        dataset = self._read(self._present_form(reader))
        if dataset is not None:
            self._open(dataset, sample, workers)
            self._compare_counts(dataset)

    def _present_form(self, reader: Mapping[str, str]) -> Mapping[str, str]:
        """RefCOCO may be there as ReferFormer's converted files instead of the pickles."""
        name = reader.get('ann_file', '')
        folder = Path(name).parent
        converted = folder / f'instances_{folder.name}_{self.part}.json'
        if (
            name.endswith('.p')
            and not (self.data_root / name).is_file()
            and (self.data_root / converted).is_file()
        ):
            return {**reader, 'ann_file': converted.as_posix()}
        return reader

    def _read(self, reader: Mapping[str, str]) -> BaseReferringDataset | None:
        """The part, None if its annotations cannot be read; problems are counted."""
        tally = self._tally('annotation files')
        dataset = None
        with collected_problems() as rows:
            try:
                dataset = DATASETS.build(
                    dict(reader, data_root=str(self.data_root), test_mode=True, pipeline=[])
                )
                tally.ok += 1
            except FileNotFoundError as error:
                tally.missing += 1
                self._note(self.part, str(error), f'see {self.known.page}')
            except (DataFileError, ValueError) as error:
                tally.broken += 1
                self._note(self.part, str(error), f'see {self.known.page}')
        for row in rows:
            self._count(row)
        return dataset

    def _count(self, row: Problem) -> None:
        """Counts something that the class left out, under what it left out."""
        self.report.problems.rows.append(row)
        what = next(
            (
                kind
                for kind in ('sentence', 'frame', 'video', 'image', 'folder')
                if row.consequence.startswith(kind)
            ),
            'entrie',
        )
        tally = self._tally({'image': 'videos', 'folder': 'videos'}.get(what, f'{what}s'))
        if row.is_known or 'unused' in row.consequence:
            tally.unused += 1
        elif 'missing' in row.what or 'has no folder' in row.what:
            tally.missing += 1
        else:
            tally.broken += 1

    def _open(self, dataset: BaseReferringDataset, sample: int | None, workers: int) -> None:
        """Opens frames with their masks, all or evenly spread ones."""
        frames = [(record, frame) for record in dataset.videos for frame in record.frames]
        self.report.openable += len(frames)
        if sample is not None and sample < len(frames):
            frames = [frames[i] for i in np.linspace(0, len(frames) - 1, sample).astype(int)]
        with ThreadPoolExecutor(workers) as pool:
            opened = pool.map(lambda item: _open_frame(dataset, *item), frames)
            for (record, frame), found in zip(frames, opened):
                self._note_opened(record, frame, found)
        self.report.opened += len(frames)

    def _note_opened(self, record: VideoRecord, frame: str, found: '_Found') -> None:
        for what, problem in (('frames opened', found.frame), ('masks opened', found.masks)):
            if problem is None:
                continue
            tally = self._tally(what)
            tally.ok += not problem
            tally.broken += bool(problem)
            if problem:
                self._note(f'{record.video_id} frame {frame}', problem, 'download it again')

    def _compare_counts(self, dataset: BaseReferringDataset) -> None:
        counts = dict(
            videos=len({record.source_id for record in dataset.videos}),
            sentences=sum(
                len(record.expressions) + len(record.absent) for record in dataset.videos
            ),
        )
        for what, number in counts.items():
            tally, wanted = self._tally(what), self.known.counts[self.part].get(what)
            tally.ok += number
            known = number + tally.missing + tally.broken + tally.unused
            releases = wanted if isinstance(wanted, tuple) else (wanted,)
            if wanted is not None and not {number, known} & set(releases):
                tally.missing += max(0, min(releases) - known)
                self._note(
                    self.part,
                    f'{number} {what}, the complete set has {" or ".join(map(str, releases))}',
                    f'see {self.known.page}',
                )

    def _tally(self, what: str) -> Tally:
        return self.report.tallies[f'{self.part} {what}']

    def _note(self, where: str, what: str, consequence: str) -> None:
        self.report.problems.add(where, what, consequence)


@dataclass(frozen=True)
class _Found:
    """What is wrong with a frame and with its masks: '' if nothing, None if not looked at."""

    frame: str | None = None
    masks: str | None = None


def _open_frame(dataset: BaseReferringDataset, record: VideoRecord, frame: str) -> _Found:
    """Decodes a frame and the masks of all sentences in it."""
    try:
        height, width = _frame_of(dataset, record, frame).shape[:2]
    except DataFileError as error:
        return _Found(frame=str(error))
    pairs = [Pair.positive(record.video_id, expression) for expression in record.expressions]
    keys = dataset.mask_keys(record, [frame], pairs)
    if 'target_masks' not in keys or not keys.get('is_annotated', [True])[0]:
        return _Found(frame='')
    try:
        for target in keys['targets'][0]:
            keys['target_masks'][0].read(target, height, width)
    except DataFileError as error:
        return _Found(frame='', masks=str(error))
    return _Found(frame='', masks='')


def _frame_of(dataset: BaseReferringDataset, record: VideoRecord, frame: str) -> np.ndarray:
    """The image (H, W, 3), from a file of its own or from a video.

    Raises:
        DataFileError: if it cannot be read.
    """
    keys = dataset.frame_keys(record, [frame])
    if 'video_path' in keys:
        return decode_frames(Path(keys['video_path']), keys['video_frames'])[0]
    return read_image(keys['img_path'][0])[0]
