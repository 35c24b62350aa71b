"""Check the files of a data set: sets in the layout of Refer-YouTube-VOS, and sets with a reader.

MeViS, A2D-Sentences, JHMDB-Sentences and RefCOCO are read by their data set classes.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from r2vos_mm.datasets.base_referring_dataset import BaseReferringDataset
from r2vos_mm.datasets.io.annotations import LayoutReader, read_categories
from r2vos_mm.datasets.io.frames import decode_frames, read_image
from r2vos_mm.datasets.io.mask_sources import PngMasks
from r2vos_mm.datasets.records import Pair, VideoRecord
from r2vos_mm.registry import DATASETS
from r2vos_mm.utils.data_issues import DataFileError, Problem, ProblemList, collected_problems
from r2vos_mm.utils.expressions_file import is_plain_name, read_expressions
from r2vos_mm.utils.files import read_json
from r2vos_mm.utils.pairs_file import pairs_sha256, read_pair_rows
from r2vos_mm.utils.ref_ytvos_valid202 import scored_videos

from .known_sets import KnownSet
from .report import CheckReport, Tally

_SPLITS = ('train', 'valid')
# The first word of a consequence tells what was skipped; its row in the table.
_ROWS = dict(sentence='sentences', frame='frames', video='videos', image='videos', folder='videos')


def check_set(
    data_root: Path, *, known: KnownSet | None = None, sample: int | None = 200, workers: int = 1
) -> CheckReport:
    """Read every annotation file, look for every listed file, and open frames and masks.

    Args:
        data_root: folder of the set.
        known: its splits, and numbers to compare with; None for a set of your own in the layout
            of Refer-YouTube-VOS.
        sample: frames to open per split, evenly spread. None: all; in the layout of
            Refer-YouTube-VOS the objects of all sentences are then looked for in the masks.
        workers: threads that open files.
    """
    report = CheckReport(ProblemList(str(data_root)))
    if known is not None and known.readers:
        for split in known.readers:
            _ReaderCheck(data_root, split, report, known).run(sample, workers)
        return report
    files = data_root.glob('meta_expressions/*/meta_expressions.json')
    found = {path.parent.name for path in files}
    for split in sorted({*found, *(known.counts if known else ())} - {'test'}):
        _LayoutCheck(data_root, split, report, known).run(sample, workers)
    _check_pairs_files(data_root, report)
    if not report.tallies:
        report.tallies['sentences files'].missing += 1
        what = 'has no meta_expressions/<split>/meta_expressions.json'
        report.problems.add(str(data_root), what, 'nothing to check')
    return report


def _check_pairs_files(data_root: Path, report: CheckReport) -> None:
    for path in sorted(data_root.glob('pairs/*.json')):
        tally = report.tallies['pairs files']
        try:
            before = len(report.problems.rows)
            rows = read_pair_rows(path, report.problems)
            stated, whole = read_json(path).get('pairs_sha256'), len(report.problems.rows) == before
            if stated is not None and whole and stated != pairs_sha256(rows):
                raise ValueError('its pairs are not those of its pairs_sha256: it was edited')
            tally.ok += 1
        except (ValueError, KeyError) as error:
            tally.broken += 1
            report.problems.add(f'pairs/{path.name}', str(error), 'not usable')


@dataclass(frozen=True)
class _Opened:
    """Problems with a frame and its masks, '' for none, None if not opened; visible object ids."""

    frame: str = ''
    masks: str | None = None
    ids: frozenset[int] = frozenset()


class _Check:
    """The check of one split; fills the report."""

    opened_suffix = ''  # of the rows that count opened files

    def __init__(
        self, data_root: Path, split: str, report: CheckReport, known: KnownSet | None
    ) -> None:
        self.data_root, self.split, self.report, self.known = data_root, split, report, known
        self.expected = known.counts.get(split, {}) if known else {}
        self.remedy = f'see {known.page}' if known else 'see docs/datasets.md'

    def run(self, sample: int | None, workers: int) -> None:
        """Run all steps in order, as far as the files allow."""
        records = self.read()
        if records is not None:
            self.look_for_objects(records, self._open(records, sample, workers), sample)
            self._compare_counts(records)

    def read(self) -> Sequence[VideoRecord] | None:
        """Return the usable videos, None without annotations."""
        raise NotImplementedError

    def open(self, record: VideoRecord, frame: str) -> _Opened:
        """Open a frame and its masks."""
        raise NotImplementedError

    def look_for_objects(
        self, records: Sequence[VideoRecord], seen: dict[str, set[int]], sample: int | None
    ) -> None:
        """Compare the objects of the sentences with those seen in the masks."""

    def tally(self, what: str) -> Tally:
        """Return the tally of one kind of thing."""
        return self.report.tallies[f'{self.split} {what}']

    def note(self, where: str, what: str, consequence: str = '') -> None:
        """Add a problem."""
        self.report.problems.add(where, what, consequence or self.remedy)

    def _open(
        self, records: Sequence[VideoRecord], sample: int | None, workers: int
    ) -> dict[str, set[int]]:
        """Open frames with their masks; return {video: ids of objects seen}."""
        frames = [(record, frame) for record in records for frame in record.frames]
        self.report.openable += len(frames)
        if sample is not None and sample < len(frames):
            frames = [frames[i] for i in np.linspace(0, len(frames) - 1, sample).astype(int)]
        self.report.opened += len(frames)
        seen: dict[str, set[int]] = defaultdict(set)
        with ThreadPoolExecutor(workers) as pool:
            for (record, frame), opened in zip(frames, pool.map(lambda i: self.open(*i), frames)):
                seen[record.video_id] |= opened.ids
                for what, problem in (('frames', opened.frame), ('masks', opened.masks)):
                    if problem is None:
                        continue
                    tally = self.tally(what + self.opened_suffix)
                    tally.ok += bool(self.opened_suffix)
                    if problem:
                        tally.spoil()
                        where = f'{what[:-1]} {frame}: {problem}'
                        self.note(record.video_id, where, 'download or write it again')
        return seen

    def _compare_counts(self, records: Sequence[VideoRecord]) -> None:
        counts = dict(
            videos=len({record.source_id for record in records}),
            sentences=sum(len(record.expressions) + len(record.absent) for record in records),
            frames=sum(len(record.frames) for record in records),
        )
        for what, wanted in self.expected.items():
            releases = wanted if isinstance(wanted, tuple) else (wanted,)
            number, tally = counts[what], self.tally(what)
            # Missing and broken things are in these columns already.
            known = number + tally.missing + tally.broken + self.known_faults(tally)
            if not {number, known} & set(releases):
                tally.missing += max(0, min(releases) - known)
                tally.unused += max(0, number - max(releases))
                what = f'{number} {what}, the complete set has {" or ".join(map(str, releases))}'
                self.note(self.split, what)

    @staticmethod
    def known_faults(tally: Tally) -> int:
        """Return how many unused things belong to the complete set."""
        return 0


class _LayoutCheck(_Check):
    """The check of a split in the layout of Refer-YouTube-VOS."""

    def read(self) -> Sequence[VideoRecord] | None:
        """See the base class."""
        folder = self.data_root / self.split
        entries = self._counted(
            'sentences file',
            f'meta_expressions/{self.split}/meta_expressions.json',
            read_expressions,
        )
        if entries is None:
            return None
        if self.split not in _SPLITS and not folder.is_dir():
            self.tally('sentences file').ok -= 1
            self.tally('sentences file').unused += 1
            what = f'there is no folder {self.split}'
            self.note(f'meta_expressions/{self.split}', what, 'file unused, or an ann_file')
            return None
        if not (folder / 'JPEGImages').is_dir():
            self.tally('videos').missing += self.expected.get('videos', len(entries))
            self.note(f'{self.split}/JPEGImages', 'is not a folder')
            return None
        problems = self.report.problems
        scored = scored_videos(entries, self.data_root, self.split, problems)
        wanted = {video_id: entry for video_id, entry in entries.items() if video_id in scored}
        reader = LayoutReader(
            folder,
            categories=self._categories(),
            problems=problems,
            need_masks=(folder / 'Annotations').is_dir() and _has_objects(wanted),
        )
        records = [self._video(reader, video_id, wanted[video_id]) for video_id in sorted(wanted)]
        before = len(problems.rows)
        reader.note_unlisted(set(entries))
        self.tally('videos').unused += len(problems.rows) - before
        return [record for record in records if record is not None]

    def _counted(self, what: str, name: str, read: Callable[[Path], Any]) -> Any | None:
        """Return the content of a JSON file, None with a problem if it cannot be read."""
        tally = self.tally(what)
        try:
            content = read(self.data_root / name)
        except FileNotFoundError:
            tally.missing += 1
            self.note(name, 'does not exist')
        except ValueError as error:
            tally.broken += 1
            self.note(name, str(error))
        else:
            tally.ok += 1
            return content
        return None

    def _categories(self) -> dict[str, dict[str, str]]:
        name, problems = f'{self.split}/meta.json', self.report.problems
        if not (self.data_root / name).is_file():
            return {}
        before = len(problems.rows)
        categories = self._counted(
            'categories file', name, lambda path: read_categories(path, problems)
        )
        if categories is not None and len(problems.rows) > before:
            self.tally('categories file').spoil()
        return categories or {}

    def _video(self, reader: LayoutReader, video_id: str, entry: dict) -> VideoRecord | None:
        """Read one video and count its sentences, frames and masks."""
        record, tally = reader.read_video(video_id, entry), self.tally('videos')
        if record is None:
            exists = is_plain_name(video_id) and (reader.frame_root / video_id).is_dir()
            tally.broken += exists
            tally.missing += not exists
            return None
        tally.ok += 1
        self.tally('sentences').ok += len(record.expressions)
        self.tally('sentences').broken += len(entry['expressions']) - len(record.expressions)
        names = {name for name in entry['frames'] if is_plain_name(name)}
        folders = (('frames', record.frame_dir, '.jpg'), ('masks', record.mask_dir, '.png'))
        for what, folder, suffix in folders:
            if folder is not None:
                found = {path.stem for path in folder.iterdir() if path.suffix == suffix}
                tally = self.tally(what)
                tally.ok += len(names & found)
                tally.missing += len(names - found)
                tally.unused += len(found - names)
        return record

    def open(self, record: VideoRecord, frame: str) -> _Opened:
        """See the base class."""
        problem, size = '', None
        try:
            size = read_image(record.frame_dir / f'{frame}.jpg')[1]
        except DataFileError as error:
            problem = str(error)
        if record.mask_dir is None or size is None:
            return _Opened(problem)
        try:
            ids = PngMasks(record.mask_dir / f'{frame}.png').label_map((), *size)
        except DataFileError as error:
            return _Opened(problem, str(error))
        return _Opened(problem, '', frozenset(np.flatnonzero(np.bincount(ids.ravel())).tolist()))

    def look_for_objects(
        self, records: Sequence[VideoRecord], seen: dict[str, set[int]], sample: int | None
    ) -> None:
        """See the base class; only if all masks were opened."""
        masked = [record for record in records if record.mask_dir and sample is None]
        for record, expression in ((r, e) for r in masked for e in r.expressions):
            if expression.obj_id and int(expression.obj_id) not in seen[record.video_id]:
                self.tally('sentences').spoil()
                where = f'{record.video_id} expression {expression.exp_id}'
                self.note(where, f'object {expression.obj_id} is in no mask', 'never visible')


class _ReaderCheck(_Check):
    """The check of a split through the class that reads it."""

    opened_suffix = ' opened'
    dataset: BaseReferringDataset

    def read(self) -> Sequence[VideoRecord] | None:
        """See the base class."""
        masks = self.known.mask_files.get(self.split)
        if masks is not None:
            found = (self.data_root / masks).is_file()
            self.tally('mask files').ok += found
            self.tally('mask files').missing += not found
            if not found:
                self.note(self.split, f'{masks} does not exist')
        tally, records = self.tally('annotation files'), None
        reader = dict(self._reader(), data_root=str(self.data_root), test_mode=True, pipeline=[])
        with collected_problems() as rows:
            try:
                self.dataset = DATASETS.build(reader)
                records = self.dataset.videos
                tally.ok += 1
            except FileNotFoundError as error:
                tally.missing += 1
                self.note(self.split, str(error))
            except (DataFileError, ValueError) as error:
                tally.broken += 1
                self.note(self.split, str(error))
        for row in rows:
            self._count(row)
        if records is not None:
            self.tally('videos').ok += len({record.source_id for record in records})
            self.tally('sentences').ok += sum(len(r.expressions) + len(r.absent) for r in records)
        return records

    def _reader(self) -> Mapping[str, str]:
        """Return the config of the class; RefCOCO may be there in ReferFormer's form."""
        reader = self.known.readers[self.split]
        name = reader.get('ann_file', '')
        folder = Path(name).parent
        converted = folder / f'instances_{folder.name}_{self.split}.json'
        is_converted = not (self.data_root / name).is_file() and name.endswith('.p')
        if is_converted and (self.data_root / converted).is_file():
            return {**reader, 'ann_file': converted.as_posix()}
        return reader

    def _count(self, row: Problem) -> None:
        """Count something that the class skipped."""
        self.report.problems.rows.append(row)
        tally = self.tally(_ROWS.get(row.consequence.split()[0], 'entries'))
        if row.is_known or 'unused' in row.consequence:
            tally.unused += 1
        elif 'missing' in row.what or 'has no folder' in row.what:
            tally.missing += 1
        else:
            tally.broken += 1

    @staticmethod
    def known_faults(tally: Tally) -> int:
        """See the base class: the owners' files have them."""
        return tally.unused

    def open(self, record: VideoRecord, frame: str) -> _Opened:
        """See the base class; masks of all sentences are read."""
        frames = self.dataset.frame_keys(record, [frame])
        try:
            if 'video_path' in frames:
                path, indices = Path(frames['video_path']), frames['video_frames']
                height, width = decode_frames(path, indices)[0].shape[:2]
            else:
                height, width = read_image(frames['img_path'][0])[1]
        except DataFileError as error:
            return _Opened(str(error))
        pairs = [Pair.positive(record.video_id, expression) for expression in record.expressions]
        masks = self.dataset.mask_keys(record, [frame], pairs)
        if 'target_masks' not in masks or not masks.get('is_annotated', [True])[0]:
            return _Opened()
        try:
            masks['target_masks'][0].label_map(masks['targets'][0], height, width)
        except DataFileError as error:
            return _Opened(masks=str(error))
        return _Opened(masks='')


def _has_objects(entries: Mapping[str, Any]) -> bool:
    """Return whether any sentence has an object; the challenge's validation sentences do not."""
    listed = (e.get('expressions') for e in entries.values() if isinstance(e, dict))
    items = (item for found in listed if isinstance(found, dict) for item in found.values())
    return any(isinstance(item, dict) and item.get('obj_id') is not None for item in items)
