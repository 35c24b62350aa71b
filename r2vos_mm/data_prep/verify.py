"""Check whether a data set is complete and undamaged, through the data set class that reads it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, field
from pathlib import Path

import numpy as np

from r2vos_mm.datasets.base_referring_dataset import BaseReferringDataset
from r2vos_mm.datasets.io.frames import decode_frames
from r2vos_mm.datasets.io.mask_sources import PngMasks
from r2vos_mm.datasets.records import VideoRecord
from r2vos_mm.registry import DATASETS
from r2vos_mm.utils.data_issues import DataFileError, Problem, ProblemList, collected_problems
from r2vos_mm.utils.files import read_json, stems
from r2vos_mm.utils.images import read_image
from r2vos_mm.utils.pairs_file import pairs_sha256, read_pair_rows

from .known_sets import KnownSet

# Rows of the table by the first word of a consequence, which names what was skipped.
_ROWS = dict(sentence='sentences', frame='frames', masks='masks', categories='categories')
_ROWS |= dict.fromkeys(('video', 'image', 'folder'), 'videos')


@dataclass
class Tally:
    """Numbers of things of one kind by their state."""

    ok: int = 0
    missing: int = 0
    broken: int = 0
    unused: int = 0

    def add(self, **numbers: int) -> None:
        """Add to some of the numbers."""
        for state, number in numbers.items():
            setattr(self, state, getattr(self, state) + number)


@dataclass
class CheckReport:
    """Result of a check.

    Attributes:
        problems: one row for each problem found.
        tallies: {kind of thing, e.g. 'train frames': tally}.
        opened, openable: number of frames that were opened, and of all frames.
    """

    problems: ProblemList
    tallies: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    opened: int = 0
    openable: int = 0

    @property
    def is_sound(self) -> bool:
        """Whether nothing is missing or broken."""
        return not any(tally.missing or tally.broken for tally in self.tallies.values())

    def table(self) -> str:
        """Return the tallies, one row each."""
        width = max(map(len, self.tallies), default=0)
        rows = {'': vars(Tally())} | {what: astuple(tally) for what, tally in self.tallies.items()}
        return '\n'.join(
            f'{what:<{width}}' + ''.join(f'{value:>9}' for value in row)
            for what, row in rows.items()
        )


def check_set(
    data_root: Path, *, known: KnownSet | None = None, sample: int | None = 200, workers: int = 1
) -> CheckReport:
    """Read every annotation file, verify that every listed file exists, and open frames and masks.

    Args:
        data_root: folder of the set.
        known: its splits, and numbers to compare with; None for your own set in the layout of
            Refer-YouTube-VOS.
        sample: frames to open per split, evenly spread. None: all; in the layout of
            Refer-YouTube-VOS the objects of all sentences are then searched for in the masks.
        workers: threads that open files.
    """
    report = CheckReport(ProblemList(str(data_root)))
    readers = known.readers if known else {}
    if not readers:
        files = data_root.glob('meta_expressions/*/meta_expressions.json')
        splits = {*(path.parent.name for path in files), *(known.counts if known else ())}
        readers = {name: dict(type='R2VOSDataset', split=name) for name in splits - {'test'}}
    for split, reader in sorted(readers.items()):
        _SplitCheck(data_root, split, reader, report, known).run(sample, workers)
    _check_pairs_files(data_root, report)
    if not report.tallies:
        report.tallies['annotation files'].missing += 1
        what = 'has no meta_expressions/<split>/meta_expressions.json'
        report.problems.add(str(data_root), what, 'nothing to check')
    return report


def _check_pairs_files(data_root: Path, report: CheckReport) -> None:
    for path in sorted(data_root.glob('pairs/*.json')):
        tally, before = report.tallies['pairs files'], len(report.problems.rows)
        try:
            rows = read_pair_rows(path, report.problems)
            stated, whole = read_json(path).get('pairs_sha256'), len(report.problems.rows) == before
            if stated is not None and whole and stated != pairs_sha256(rows):
                raise ValueError('its pairs are not those of its pairs_sha256: it was edited')
            tally.ok += 1
        except (ValueError, KeyError) as error:
            tally.broken += 1
            report.problems.add(f'pairs/{path.name}', str(error), 'not usable')


class _SplitCheck:
    """Checks one split, which ``reader`` reads."""

    def __init__(
        self,
        data_root: Path,
        split: str,
        reader: Mapping[str, str],
        report: CheckReport,
        known: KnownSet | None,
    ) -> None:
        self.data_root, self.split, self.reader = data_root, split, reader
        self.report, self.known = report, known
        self.remedy = f'see {known.page}' if known else 'see docs/datasets.md'
        # In the layout of Refer-YouTube-VOS, each video has its own folders, which are listed.
        self.is_layout = not (known and known.readers)
        self.dataset: BaseReferringDataset | None = None

    def run(self, sample: int | None, workers: int) -> None:
        """Run all steps, as far as the files allow; add to the report."""
        folder = self.data_root / self.split
        if self.is_layout and self.split not in ('train', 'valid') and not folder.is_dir():
            self.tally('annotation files').unused += 1
            what = f'there is no folder {self.split}'
            self.note(f'meta_expressions/{self.split}', what, 'file unused, or an ann_file')
            return
        self._look_for_masks()
        records = self._read()
        if records is None:
            return
        seen = self._open_frames(records, sample, workers)
        if sample is None and self.is_layout:
            self._look_for_objects(records, seen)
        self._compare_counts(records)

    def tally(self, what: str) -> Tally:
        """Return the tally of one kind of thing."""
        return self.report.tallies[f'{self.split} {what}']

    def note(self, where: str, what: str, consequence: str = '') -> None:
        """Add a problem."""
        self.report.problems.add(where, what, consequence or self.remedy)

    def _look_for_masks(self) -> None:
        name = self.known.mask_files.get(self.split) if self.known else None
        if name is not None:
            found = (self.data_root / name).is_file()
            self.tally('mask files').add(ok=found, missing=not found)
            if not found:
                self.note(self.split, f'{name} does not exist')

    def _read(self) -> Sequence[VideoRecord] | None:
        """Return the usable videos, and count them and what was skipped; None if unreadable."""
        try:
            records, rows = self._load(test_mode=True)
            has_objects = any(e.obj_id for record in records for e in record.expressions)
            has_masks = self.is_layout and (self.data_root / self.split / 'Annotations').is_dir()
            if has_objects and has_masks:
                records, rows = self._load(test_mode=False)
        except (DataFileError, FileNotFoundError, ValueError) as error:
            is_missing = isinstance(error, FileNotFoundError)
            self.tally('annotation files').add(missing=is_missing, broken=not is_missing)
            self.note(self.split, str(error))
            return None
        self.tally('annotation files').ok += 1
        self.tally('videos').ok += len({record.source_id for record in records})
        self.tally('sentences').ok += sum(len(r.expressions) + len(r.absent) for r in records)
        for row in rows:
            self._count(row)
        for record in records if self.is_layout else ():
            for what, folder in (('frames', record.frame_dir), ('masks', record.mask_dir)):
                if folder is not None:
                    self._count_files(what, folder, record.frames)
        return records

    def _load(self, *, test_mode: bool) -> tuple[list[VideoRecord], list[Problem]]:
        """Return the usable videos, and what the class skipped."""
        config = dict(self._reader(), data_root=str(self.data_root), pipeline=[], lazy_init=True)
        with collected_problems() as rows:
            self.dataset = DATASETS.build(config | dict(test_mode=test_mode))
            return self.dataset.load_videos(), rows

    def _reader(self) -> Mapping[str, str]:
        """Return the config of the class; RefCOCO may be in ReferFormer's form."""
        name = self.reader.get('ann_file', '')
        folder = Path(name).parent
        converted = folder / f'instances_{folder.name}_{self.split}.json'
        is_converted = not (self.data_root / name).is_file() and name.endswith('.p')
        if is_converted and (self.data_root / converted).is_file():
            return {**self.reader, 'ann_file': converted.as_posix()}
        return self.reader

    def _count(self, row: Problem) -> None:
        """Count something that the class skipped."""
        self.report.problems.rows.append(row)
        kind = _ROWS.get(row.consequence.split()[0], 'entries')
        tally = self.tally('masks' if row.what.startswith('Annotations/') else kind)
        if row.is_known or 'unused' in row.consequence:
            tally.unused += 1
        elif 'missing' in row.what or 'has no folder' in row.what:
            tally.missing += 1
        else:
            tally.broken += 1

    def _count_files(self, what: str, folder: Path, frames: Iterable[str]) -> None:
        """Count the files of the frames, and others of the same kind."""
        found, used = stems(folder, '.jpg' if what == 'frames' else '.png'), set(frames)
        self.tally(what).add(ok=len(found & used), unused=len(found - used))

    def _open(self, job: tuple[VideoRecord, str]) -> tuple[str, str | None, Iterable[int]]:
        """Return problems of a frame and its masks ('': none, None: not opened), and object ids."""
        try:
            size = self._frame_size(*job)
        except DataFileError as error:
            return str(error), None, ()
        try:
            ids = self._mask_ids(*job, size)
        except DataFileError as error:
            return '', str(error), ()
        return ('', None, ()) if ids is None else ('', '', ids)

    def _frame_size(self, record: VideoRecord, frame: str) -> tuple[int, int]:
        frames = self.dataset.frame_keys(record, [frame])
        if 'video_path' not in frames:
            return read_image(frames['img_path'][0])[1]
        return decode_frames(Path(frames['video_path']), frames['video_frames'])[0].shape[:2]

    def _mask_ids(self, record: VideoRecord, frame: str, size: tuple[int, int]) -> list[int] | None:
        """Read the masks of all sentences; return the object ids of a PNG, None without masks."""
        objects = tuple(dict.fromkeys(e.obj_id for e in record.expressions)) or ('',)
        found = self.dataset.mask_keys(record, [frame], objects)
        if 'target_masks' not in found or not found.get('is_annotated', [True])[0]:
            return None
        masks = found['target_masks'][0]
        labels = masks.label_map(found.get('targets', [()])[0], *size)
        return np.unique(labels).tolist() if isinstance(masks, PngMasks) else []

    def _open_frames(
        self, records: Sequence[VideoRecord], sample: int | None, workers: int
    ) -> dict[str, set[int]]:
        """Open frames with their masks; return {video: ids of objects seen}."""
        jobs = [(record, frame) for record in records for frame in record.frames]
        self.report.openable += len(jobs)
        if sample is not None and sample < len(jobs):
            jobs = [jobs[i] for i in np.linspace(0, len(jobs) - 1, sample).astype(int)]
        self.report.opened += len(jobs)
        seen: dict[str, set[int]] = defaultdict(set)
        suffix = '' if self.is_layout else ' opened'
        with ThreadPoolExecutor(workers) as pool:
            for (record, frame), (*problems, ids) in zip(jobs, pool.map(self._open, jobs)):
                seen[record.video_id].update(ids)
                for what, problem in zip(('frame', 'mask'), problems):
                    if problem is not None and not self.is_layout:
                        self.tally(f'{what}s opened').ok += 1
                    if problem:
                        self.tally(f'{what}s{suffix}').add(ok=-1, broken=1)
                        where = f'{what} {frame}: {problem}'
                        self.note(record.video_id, where, 'download or write it again')
        return seen

    def _look_for_objects(self, records: Sequence[VideoRecord], seen: dict[str, set[int]]) -> None:
        """Compare the objects of the sentences with those seen in the masks."""
        masked = (record for record in records if record.mask_dir)
        for record, expression in ((r, e) for r in masked for e in r.expressions):
            if expression.obj_id and int(expression.obj_id) not in seen[record.video_id]:
                self.tally('sentences').add(ok=-1, broken=1)
                where = f'{record.video_id} expression {expression.exp_id}'
                self.note(where, f'object {expression.obj_id} is in no mask', 'never visible')

    def _compare_counts(self, records: Sequence[VideoRecord]) -> None:
        counts = dict(
            videos=len({record.source_id for record in records}),
            sentences=sum(len(record.expressions) + len(record.absent) for record in records),
            frames=sum(len(record.frames) for record in records),
        )
        expected = self.known.counts.get(self.split, {}) if self.known else {}
        for what, wanted in expected.items():
            releases = wanted if isinstance(wanted, tuple) else (wanted,)
            number, tally = counts[what], self.tally(what)
            # Missing and broken things are in these columns already, and so are those of the
            # complete set that a class does not use.
            present = number + tally.missing + tally.broken
            present += 0 if self.is_layout else tally.unused
            if not {number, present} & set(releases):
                tally.missing += max(0, min(releases) - present)
                tally.unused += max(0, number - max(releases))
                what = f'{number} {what}, the complete set has {" or ".join(map(str, releases))}'
                self.note(self.split, what)
