"""Check whether a data set is complete and undamaged.

Sets in the layout of Refer-YouTube-VOS are read file by file; MeViS, A2D-Sentences, JHMDB-Sentences
and RefCOCO through their data set classes.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, field
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

# Rows of the table by the first word of a consequence, which names what was skipped.
_ROWS = dict(sentence='sentences', frame='frames', video='videos', image='videos', folder='videos')


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


class _Check:
    """Check one split.

    Subclasses define ``read()``, which returns the usable videos or None, ``frame_size(record,
    frame)``, and ``mask_ids(record, frame, size)``, which returns None without masks.
    """

    opened_suffix = ''  # of the rows that count opened files
    counts_unused = False  # whether unused things belong to the complete set

    def __init__(
        self, data_root: Path, split: str, report: CheckReport, known: KnownSet | None
    ) -> None:
        self.data_root, self.split, self.report, self.known = data_root, split, report, known
        self.expected = known.counts.get(split, {}) if known else {}
        self.remedy = f'see {known.page}' if known else 'see docs/datasets.md'

    def run(self, sample: int | None, workers: int) -> None:
        """Run all steps, as far as the files allow; add to the report."""
        records = self.read()
        if records is not None:
            seen = self._open_frames(records, sample, workers)
            if sample is None:
                self.look_for_objects(records, seen)
            self._compare_counts(records)

    def look_for_objects(self, records: Sequence[VideoRecord], seen: dict[str, set[int]]) -> None:
        """Compare the objects of the sentences with those seen in the masks."""

    def tally(self, what: str) -> Tally:
        """Return the tally of one kind of thing."""
        return self.report.tallies[f'{self.split} {what}']

    def note(self, where: str, what: str, consequence: str = '') -> None:
        """Add a problem."""
        self.report.problems.add(where, what, consequence or self.remedy)

    def counted(self, what: str, where: str, read: Callable[[], Any], absent: str = '') -> Any:
        """Return what ``read`` returns, None with a problem if the file cannot be read."""
        try:
            content, state = read(), 'ok'
        except FileNotFoundError as error:
            content, state, problem = None, 'missing', absent or str(error)
        except (DataFileError, ValueError) as error:
            content, state, problem = None, 'broken', str(error)
        self.tally(what).add(**{state: 1})
        if state != 'ok':
            self.note(where, problem)
        return content

    def _open(self, job: tuple[VideoRecord, str]) -> tuple[str, str | None, Iterable[int]]:
        """Return problems of a frame and its masks ('': none, None: not opened), and object ids."""
        try:
            size = self.frame_size(*job)
        except DataFileError as error:
            return str(error), None, ()
        try:
            ids = self.mask_ids(*job, size)
        except DataFileError as error:
            return '', str(error), ()
        return ('', None, ()) if ids is None else ('', '', ids)

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
        with ThreadPoolExecutor(workers) as pool:
            for (record, frame), (*problems, ids) in zip(jobs, pool.map(self._open, jobs)):
                seen[record.video_id].update(ids)
                for what, problem in zip(('frame', 'mask'), problems):
                    if problem is not None and self.opened_suffix:
                        self.tally(f'{what}s{self.opened_suffix}').ok += 1
                    if problem:
                        self.tally(f'{what}s{self.opened_suffix}').add(ok=-1, broken=1)
                        where = f'{what} {frame}: {problem}'
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
            known = number + tally.missing + tally.broken + tally.unused * self.counts_unused
            if not {number, known} & set(releases):
                tally.missing += max(0, min(releases) - known)
                tally.unused += max(0, number - max(releases))
                what = f'{number} {what}, the complete set has {" or ".join(map(str, releases))}'
                self.note(self.split, what)


class _LayoutCheck(_Check):
    """Checks a split in the layout of Refer-YouTube-VOS."""

    def read(self) -> Sequence[VideoRecord] | None:
        folder, problems = self.data_root / self.split, self.report.problems
        name = f'meta_expressions/{self.split}/meta_expressions.json'
        entries = self._json('sentences file', name, read_expressions)
        if entries is None:
            return None
        if self.split not in ('train', 'valid') and not folder.is_dir():
            self.tally('sentences file').add(ok=-1, unused=1)
            what = f'there is no folder {self.split}'
            self.note(f'meta_expressions/{self.split}', what, 'file unused, or an ann_file')
            return None
        if not (folder / 'JPEGImages').is_dir():
            self.tally('videos').missing += self.expected.get('videos', len(entries))
            self.note(f'{self.split}/JPEGImages', 'is not a folder')
            return None
        scored = scored_videos(entries, self.data_root, self.split, problems)
        wanted = {video_id: entry for video_id, entry in entries.items() if video_id in scored}
        need_masks = (folder / 'Annotations').is_dir() and _has_objects(wanted)
        reader = LayoutReader(
            folder, categories=self._categories(), problems=problems, need_masks=need_masks
        )
        records = [self._video(reader, video_id, wanted[video_id]) for video_id in sorted(wanted)]
        before = len(problems.rows)
        reader.note_unlisted(set(entries))
        self.tally('videos').unused += len(problems.rows) - before
        return [record for record in records if record is not None]

    def _json(self, what: str, name: str, read: Callable[[Path], Any]) -> Any:
        return self.counted(what, name, lambda: read(self.data_root / name), 'does not exist')

    def _categories(self) -> dict[str, dict[str, str]]:
        name, problems = f'{self.split}/meta.json', self.report.problems
        if not (self.data_root / name).is_file():
            return {}
        before, what = len(problems.rows), 'categories file'
        categories = self._json(what, name, lambda path: read_categories(path, problems))
        if categories is not None and len(problems.rows) > before:
            self.tally(what).add(ok=-1, broken=1)
        return categories or {}

    def _video(self, reader: LayoutReader, video_id: str, entry: dict) -> VideoRecord | None:
        """Read a video and count its sentences, frames and masks."""
        record = reader.read_video(video_id, entry)
        if record is None:
            exists = is_plain_name(video_id) and (reader.frame_root / video_id).is_dir()
            self.tally('videos').add(broken=exists, missing=not exists)
            return None
        self.tally('videos').ok += 1
        usable = len(record.expressions)
        self.tally('sentences').add(ok=usable, broken=len(entry['expressions']) - usable)
        names = {name for name in entry['frames'] if is_plain_name(name)}
        folders = (('frames', record.frame_dir, '.jpg'), ('masks', record.mask_dir, '.png'))
        for what, folder, suffix in folders:
            if folder is not None:
                found = {path.stem for path in folder.iterdir() if path.suffix == suffix}
                missing, unused = len(names - found), len(found - names)
                self.tally(what).add(ok=len(names & found), missing=missing, unused=unused)
        return record

    def frame_size(self, record: VideoRecord, frame: str) -> tuple[int, int]:
        return read_image(record.frame_dir / f'{frame}.jpg')[1]

    def mask_ids(self, record: VideoRecord, frame: str, size: tuple[int, int]) -> list[int] | None:
        if record.mask_dir is None:
            return None
        ids = PngMasks(record.mask_dir / f'{frame}.png').label_map((), *size)
        return np.flatnonzero(np.bincount(ids.ravel())).tolist()

    def look_for_objects(self, records: Sequence[VideoRecord], seen: dict[str, set[int]]) -> None:
        masked = (record for record in records if record.mask_dir)
        for record, expression in ((r, e) for r in masked for e in r.expressions):
            if expression.obj_id and int(expression.obj_id) not in seen[record.video_id]:
                self.tally('sentences').add(ok=-1, broken=1)
                where = f'{record.video_id} expression {expression.exp_id}'
                self.note(where, f'object {expression.obj_id} is in no mask', 'never visible')


class _ReaderCheck(_Check):
    """Checks a split through the class that reads it."""

    opened_suffix, counts_unused = ' opened', True
    dataset: BaseReferringDataset

    def read(self) -> Sequence[VideoRecord] | None:
        masks = self.known.mask_files.get(self.split)
        if masks is not None:
            found = (self.data_root / masks).is_file()
            self.tally('mask files').add(ok=found, missing=not found)
            if not found:
                self.note(self.split, f'{masks} does not exist')
        reader = dict(self._reader(), data_root=str(self.data_root), test_mode=True, pipeline=[])
        with collected_problems() as rows:
            self.dataset = self.counted(
                'annotation files', self.split, lambda: DATASETS.build(reader)
            )
        for row in rows:
            self._count(row)
        if self.dataset is None:
            return None
        records = self.dataset.videos
        self.tally('videos').ok += len({record.source_id for record in records})
        self.tally('sentences').ok += sum(len(r.expressions) + len(r.absent) for r in records)
        return records

    def _reader(self) -> Mapping[str, str]:
        """Return the config of the class; RefCOCO may be in ReferFormer's form."""
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

    def frame_size(self, record: VideoRecord, frame: str) -> tuple[int, int]:
        frames = self.dataset.frame_keys(record, [frame])
        if 'video_path' not in frames:
            return read_image(frames['img_path'][0])[1]
        return decode_frames(Path(frames['video_path']), frames['video_frames'])[0].shape[:2]

    def mask_ids(self, record: VideoRecord, frame: str, size: tuple[int, int]) -> list[int] | None:
        """Read the masks of all sentences."""
        pairs = [Pair.positive(record.video_id, expression) for expression in record.expressions]
        masks = self.dataset.mask_keys(record, [frame], pairs)
        if 'target_masks' not in masks or not masks.get('is_annotated', [True])[0]:
            return None
        masks['target_masks'][0].label_map(masks['targets'][0], *size)
        return []


def _has_objects(entries: Mapping[str, Any]) -> bool:
    """Return whether any sentence has an object; the challenge's validation sentences do not."""
    listed = (e.get('expressions') for e in entries.values() if isinstance(e, dict))
    items = (item for found in listed if isinstance(found, dict) for item in found.values())
    return any(isinstance(item, dict) and item.get('obj_id') is not None for item in items)
