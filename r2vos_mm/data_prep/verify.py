"""Check whether a data set is complete and undamaged, through the data set class that reads it."""

import contextlib
import sys
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from r2vos_mm.datasets.base_referring_dataset import BaseReferringDataset
from r2vos_mm.datasets.io.mask_sources import PngMasks, checked_size, unpack_bits
from r2vos_mm.datasets.io.videos import decode_frames
from r2vos_mm.datasets.records import VideoRecord
from r2vos_mm.registry import DATASETS
from r2vos_mm.utils.data_issues import (
    DataFileError,
    Problem,
    ProblemList,
    collected_problems,
    shown,
)
from r2vos_mm.utils.files import is_side_file, read_json, stems
from r2vos_mm.utils.formats.expressions import read_expressions
from r2vos_mm.utils.formats.pairs import pairs_sha256, read_pair_rows
from r2vos_mm.utils.images import image_size, read_image

from .known_sets import KnownSet

# Rows of the table by the first word of a consequence, which names what was skipped.
_ROWS = dict(expression='sentences', frame='frames', masks='masks', categories='categories')
_ROWS |= dict.fromkeys(('video', 'image', 'folder'), 'videos')
STATES = ('ok', 'missing', 'broken', 'unused')
_OWN_SET = KnownSet('', 'docs/datasets.md', counts={})


@dataclass
class CheckReport:
    """Result of a check.

    Attributes:
        problems: one row for each problem found.
        tallies: {kind of thing, e.g. 'train frames': number of them by :data:`STATES`}.
        opened, openable: number of frames that were opened, and of all frames.
    """

    problems: ProblemList
    tallies: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    opened: int = 0
    openable: int = 0

    @property
    def is_sound(self) -> bool:
        """Whether nothing is missing or broken."""
        return not any(tally['missing'] or tally['broken'] for tally in self.tallies.values())

    def table(self) -> str:
        """Return the tallies, one row each."""
        width = max(map(len, self.tallies), default=0)
        rows = {'': STATES} | {what: map(n.__getitem__, STATES) for what, n in self.tallies.items()}
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
        known: its splits and published numbers; None for your own set in the usual layout.
        sample: frames to decode per split, evenly spread; None: all, and the objects of all
            expressions are searched for in the masks. Unless it is 0, the sizes of all are read.
        workers: threads that open files.
    """
    report = CheckReport(ProblemList(str(data_root), max_rows=sys.maxsize))
    known = known or _OWN_SET
    readers, files = known.readers, []
    if not readers:
        files = list(data_root.glob('meta_expressions/*/meta_expressions.json'))
        splits = {*(path.parent.name for path in files), *known.counts}
        readers = {name: dict(type='R2VOSDataset', split=name) for name in splits - {'test'}}
    videos: dict[str, VideoRecord] = {}
    for split, reader in sorted(readers.items()):
        records = _SplitCheck(data_root, split, reader, report, known).run(sample, workers)
        videos |= {record.video_id: record for record in records}
    pairs_files = sorted(p for p in data_root.glob('pairs/*.json') if not is_side_file(p.name))
    listed = _listed_videos(files) if pairs_files else set()
    for path in pairs_files:
        _check_pairs_file(path, report, videos, listed)
    is_empty = not any(tally['ok'] for tally in report.tallies.values())
    if not report.tallies or known.is_in_parts and is_empty:
        report.tallies['annotation files']['missing'] += 1
        what = 'has no meta_expressions/<split>/meta_expressions.json'
        report.problems.add(str(data_root), what, 'nothing to check')
    return report


def _check_pairs_file(
    path: Path, report: CheckReport, videos: Mapping[str, VideoRecord], listed: Collection[str]
) -> None:
    """Check the rows of a pairs file; without ``listed`` not against the videos of the set."""
    problems, before = report.problems, len(report.problems.rows)
    tally, rows = report.tallies['pairs'], []
    try:
        rows = read_pair_rows(path, problems)
        stated, whole = read_json(path).get('pairs_sha256'), len(problems.rows) == before
        if stated is not None and whole and stated != pairs_sha256(rows):
            raise ValueError('its pairs are not those of its pairs_sha256: it was edited')
    except ValueError as error:
        problems.add(f'pairs/{path.name}', str(error), 'not usable')
    except (AttributeError, KeyError, TypeError):
        what = 'a pair has no text exp_video, or no numbers label and rank, for its pairs_sha256'
        problems.add(f'pairs/{path.name}', what, 'write the file again')
    for row in rows if listed else ():
        video, what = videos.get(row['video']), ''
        if row['video'] not in listed:
            what = 'is in no split'
        elif video is None:
            tally.update(ok=-1, unused=1)  # not scored, or reported as another problem
        elif row['label'] == 1 and row.get('obj_id'):
            known = {*video.categories, *(e.obj_id for e in video.expressions if e.obj_id)}
            if known and row['obj_id'] not in known:
                what = f'has no object {row["obj_id"]}, only {", ".join(sorted(known))}'
        if what:
            tally['ok'] -= 1
            where = f'pairs/{path.name}: {row["pair_id"]}'
            problems.add(where, f'video {row["video"]} {what}', 'write the file again')
    broken = len(problems.rows) - before
    tally.update(ok=len(rows), broken=broken)
    report.tallies['pairs files'].update(ok=not broken, broken=bool(broken))


def _listed_videos(files: Iterable[Path]) -> set[str]:
    listed: set[str] = set()
    for path in files:
        with contextlib.suppress(ValueError), collected_problems():  # reported with the split
            listed |= set(read_expressions(path))
    return listed


def _counts(records: Sequence[VideoRecord]) -> dict[str, int]:
    return dict(
        videos=len({record.source_id for record in records}),
        sentences=sum(len(record.expressions) + len(record.absent) for record in records),
        frames=sum(len(record.frames) for record in records),
    )


@dataclass
class _SplitCheck:
    """Check one split, which ``reader`` reads."""

    data_root: Path
    split: str
    reader: Mapping[str, str]
    report: CheckReport
    known: KnownSet
    dataset: BaseReferringDataset | None = None

    @property
    def is_layout(self) -> bool:
        """Whether each video has its own folders, which are listed, as in Refer-YouTube-VOS."""
        return not self.known.readers

    def run(self, sample: int | None, workers: int) -> Sequence[VideoRecord]:
        """Run all steps that the files allow, add to the report, and return usable videos."""
        folder = self.data_root / self.split
        if self.is_layout and self.split not in ('train', 'valid') and not folder.is_dir():
            self.tally('annotation files')['unused'] += 1
            what = f'there is no folder {self.split}'
            self.note(f'meta_expressions/{self.split}', what, 'file unused, or an ann_file')
            return ()
        if self.known.is_in_parts and not self._has_expressions():
            self.tally('annotation files')['unused'] += 1
            return ()
        self._look_for_masks()
        records = self._read()
        if records is None:
            return ()
        self._open_frames(records, sample, workers)
        self._compare_counts(records)
        return records

    def tally(self, what: str) -> Counter[str]:
        """Return the tally of one kind of thing."""
        return self.report.tallies[f'{self.split} {what}']

    def note(self, where: str, what: str, consequence: str = '') -> None:
        """Add a problem."""
        self.report.problems.add(where, what, consequence or f'see {self.known.page}')

    def _has_expressions(self) -> bool:
        name = self.reader.get('ann_file', f'meta_expressions/{self.split}/meta_expressions.json')
        return (self.data_root / name).is_file()

    def _look_for_masks(self) -> None:
        name = self.known.mask_files.get(self.split)
        if name is not None:
            found = (self.data_root / name).is_file()
            self.tally('mask files').update(ok=found, missing=not found)
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
            self.tally('annotation files').update(missing=is_missing, broken=not is_missing)
            self.note(self.split, str(error))
            return None
        self.tally('annotation files')['ok'] += 1
        counts = _counts(records)
        for what in ('videos', 'sentences'):
            self.tally(what)['ok'] += counts[what]
        for row in rows:
            self._count(row)
        if not records:
            videos = self.tally('videos')
            videos['missing'] += not (videos['missing'] or videos['broken'])
            self.note(self.split, 'has no usable video')
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
        """Return the config of the class; references may be in another form."""
        name = Path(self.reader.get('ann_file', 'none'))
        converted = name.with_name(f'instances_{name.parent.name}_{self.split}.json')
        others = {'.p': converted, '.json': name.with_suffix('.p')}  # RefCOCO, gRefCOCO
        other = others.get(name.suffix, name)
        if not (self.data_root / name).is_file() and (self.data_root / other).is_file():
            return {**self.reader, 'ann_file': other.as_posix()}
        return self.reader

    def _count(self, row: Problem) -> None:
        """Count something that the class skipped."""
        self.report.problems.rows.append(row)
        kind = _ROWS.get(row.consequence.split()[0], 'entries')
        tally = self.tally('masks' if row.what.startswith('Annotations/') else kind)
        if row.is_known or 'unused' in row.consequence:
            tally['unused'] += 1
        elif 'missing' in row.what or 'has no folder' in row.what:
            tally['missing'] += 1
        else:
            tally['broken'] += 1

    def _count_files(self, what: str, folder: Path, frames: Iterable[str]) -> None:
        """Count the files of the frames, and others of the same kind."""
        found, used = stems(folder, '.jpg' if what == 'frames' else '.png'), set(frames)
        self.tally(what).update(ok=len(found & used), unused=len(found - used))

    def _open(
        self, record: VideoRecord, frame: str, whole: bool
    ) -> tuple[tuple[int, int] | None, str, str | None, set[str]]:
        """Read a frame and its masks, or their headers: its size, both problems, the objects."""
        try:
            size = self._frame_size(record, frame, whole)
        except DataFileError as error:
            return None, str(error), None, set()
        try:
            seen = self._objects_in_masks(record, frame, size, whole) if size else None
        except DataFileError as error:
            return size, '', str(error), set()
        return size, '', None if seen is None else '', seen or set()

    def _frame_size(self, record: VideoRecord, frame: str, whole: bool) -> tuple[int, int] | None:
        frames = self.dataset.frame_keys(record, [frame])
        if 'video_path' not in frames:
            path = frames['img_path'][0]
            return read_image(path)[1] if whole else image_size(path)
        if not whole:
            return None
        return decode_frames(Path(frames['video_path']), frames['video_frames'])[0].shape[:2]

    def _objects_in_masks(
        self, record: VideoRecord, frame: str, size: tuple[int, int], whole: bool
    ) -> set[str] | None:
        """Return the objects of the expressions that are visible; None if there are no masks."""
        objects = tuple(dict.fromkeys(e.obj_id for e in record.expressions)) or ('',)
        found = self.dataset.mask_keys(record, [frame], objects)
        if 'target_masks' not in found or not found.get('is_annotated', [True])[0]:
            return None
        masks, targets = found['target_masks'][0], found.get('targets', [()])[0]
        has_ids = isinstance(masks, PngMasks)
        if whole and has_ids:
            return set(map(str, np.unique(masks.label_map((), *size)).tolist()))
        if whole:
            planes = unpack_bits(masks.label_map(targets, *size)[None], len(targets))
            return {target for target, plane in zip(targets, planes) if plane.any()}
        if has_ids and (masks.path.is_file() or not masks.is_optional):
            stated = np.broadcast_to(np.uint8(0), image_size(masks.path))
            checked_size(stated, *size, str(masks.path))
        return set()

    def _open_frames(
        self, records: Sequence[VideoRecord], sample: int | None, workers: int
    ) -> None:
        """Open frames with their masks; compare sizes, and the objects seen with those named."""
        jobs = [(record, frame) for record in records for frame in record.frames]
        count = len(jobs) if sample is None else min(sample, len(jobs))
        chosen = set(np.linspace(0, len(jobs) - 1, count).astype(int).tolist())
        wholes = [index in chosen for index in range(len(jobs))]
        self.report.openable += len(jobs)
        self.report.opened += len(chosen)
        if not chosen:
            return
        seen: dict[str, set[str]] = defaultdict(set)
        sizes: dict[str, dict[tuple[int, int], list[str]]] = defaultdict(dict)
        with ThreadPoolExecutor(workers) as pool:
            results = pool.map(self._open, *zip(*jobs), wholes)
            for (record, frame), whole, (size, *problems, objects) in zip(jobs, wholes, results):
                seen[record.video_id] |= objects
                if size is not None:
                    sizes[record.video_id].setdefault(size, []).append(frame)
                for what, problem in zip(('frame', 'mask'), problems):
                    self._count_opened(what, record.video_id, frame, problem, whole)
        self._compare_sizes(records, sizes)
        if self.is_layout or all(wholes):
            self._look_for_objects(records, seen if all(wholes) else None)

    def _count_opened(
        self, what: str, video_id: str, frame: str, problem: str | None, whole: bool
    ) -> None:
        is_new = whole and not self.is_layout  # files of the layout are counted already
        row = f'{what}s' if self.is_layout else f'{what}s opened'
        if is_new and problem is not None:
            self.tally(row)['ok'] += 1
        if problem:
            self.tally(row).update(ok=-1 if is_new or self.is_layout else 0, broken=1)
            self.note(video_id, f'{what} {frame}: {problem}', 'download or write it again')

    def _compare_sizes(
        self, records: Sequence[VideoRecord], sizes: Mapping[str, Mapping[tuple, list[str]]]
    ) -> None:
        mixed = {record.source_id for record in records if len(sizes[record.video_id]) > 1}
        self.tally('videos').update(ok=-len(mixed), broken=len(mixed))
        for record in records:
            found = sizes[record.video_id].items()
            if len(found) > 1:
                sizes_of = (f'{h}x{w} ({shown(frames, 3)})' for (h, w), frames in found)
                what = f'has frames of several sizes (height x width): {"; ".join(sizes_of)}'
                self.note(record.video_id, what, 'cannot be tested: write its frames at one size')

    def _look_for_objects(
        self, records: Sequence[VideoRecord], seen: Mapping[str, set[str]] | None
    ) -> None:
        """Look for the objects of the expressions in the masks, or else in the list of objects."""
        for record, expression in ((r, e) for r in records for e in r.expressions if e.obj_id):
            has_masks = seen is not None and (record.mask_dir or not self.is_layout)
            known = seen[record.video_id] if has_masks else record.categories
            if expression.obj_id not in known and (known or has_masks):
                place = 'mask of its video' if has_masks else 'entry of meta.json'
                where = f'{record.video_id} expression {expression.exp_id}'
                what = f'object {expression.obj_id} is in no {place}'
                # It may be hidden in the one frame that A2D-Sentences annotates.
                state, remedy = ('broken', ': correct obj_id') if self.is_layout else ('unused', '')
                self.tally('sentences').update({'ok': -1, state: 1})
                self.note(where, what, f'never visible{remedy}')

    def _compare_counts(self, records: Sequence[VideoRecord]) -> None:
        counts = _counts(records)
        for what, wanted in self.known.counts.get(self.split, {}).items():
            releases = wanted if isinstance(wanted, tuple) else (wanted,)
            number, tally = counts[what], self.tally(what)
            # Missing and broken things are in these columns already, and so are those of the
            # complete set that a class does not use.
            present = number + tally['missing'] + tally['broken']
            present += 0 if self.is_layout else tally['unused']
            if not {number, present} & set(releases):
                tally['missing'] += max(0, min(releases) - present)
                tally['unused'] += max(0, number - max(releases))
                what = f'{number} {what}, the complete set has {" or ".join(map(str, releases))}'
                self.note(self.split, what)
