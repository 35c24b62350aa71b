"""Checks a data set in the layout of Refer-YouTube-VOS."""

from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from r2vos_mm.datasets.io.annotations import LayoutReader, read_categories
from r2vos_mm.datasets.io.frames import decode_image
from r2vos_mm.datasets.records import VideoRecord
from r2vos_mm.utils.data_issues import DataFileError, ProblemList
from r2vos_mm.utils.expressions_file import is_plain_name, read_expressions
from r2vos_mm.utils.files import read_json
from r2vos_mm.utils.masks_io import decode_label_png
from r2vos_mm.utils.pairs_file import pairs_sha256, read_pair_rows
from r2vos_mm.utils.ref_ytvos_valid202 import scored_videos

from .known_sets import KnownSet
from .report import CheckReport, Tally

_USUAL_SPLITS = ('train', 'valid')


def check_layout(
    data_root: Path, *, known: KnownSet | None = None, sample: int | None = 200, workers: int = 1
) -> CheckReport:
    """Reads every JSON file, looks for every listed file, and opens frames and masks.

    Args:
        data_root: folder of the set.
        known: numbers to compare with; None for a set of your own.
        sample: frames to open per split, evenly spread. None: all; then objects of sentences are
            looked for in the masks, too.
        workers: threads that open files.
    """
    report = CheckReport(ProblemList(str(data_root)))
    files = data_root.glob('meta_expressions/*/meta_expressions.json')
    found = {path.parent.name for path in files}
    for split in sorted({*found, *(known.counts if known else ())} - {'test'}):
        check = _SplitCheck(data_root, split, report, known)
        check.run(sample, workers)
    _check_pairs_files(data_root, report)
    if not report.tallies:
        report.tallies['sentences files'].missing += 1
        report.problems.add(
            str(data_root),
            'has no meta_expressions/<split>/meta_expressions.json',
            'nothing to check',
        )
    return report


def _check_pairs_files(data_root: Path, report: CheckReport) -> None:
    for path in sorted(data_root.glob('pairs/*.json')):
        tally = report.tallies['pairs files']
        try:
            before = len(report.problems.rows)
            read_pair_rows(path, report.problems)
            content = read_json(path)
            stated = content.get('pairs_sha256')
            if (
                stated is not None
                and len(report.problems.rows) == before
                and stated != pairs_sha256(content['pairs'])
            ):
                raise ValueError('its pairs are not those of its pairs_sha256: it was edited')
            tally.ok += 1
        except (ValueError, KeyError) as error:
            tally.broken += 1
            report.problems.add(f'pairs/{path.name}', str(error), 'not usable')


class _SplitCheck:
    """The check of one split; fills the report."""

    def __init__(
        self, data_root: Path, split: str, report: CheckReport, known: KnownSet | None
    ) -> None:
        self.data_root, self.split, self.report = data_root, split, report
        self.folder = data_root / split
        self.known = known
        self.expected = known.counts.get(split, {}) if known else {}

    def run(self, sample: int | None, workers: int) -> None:
        """All steps in order; those behind a missing file are left out."""
        entries = self._sentences()
        if entries is None:
            return
        if self.split not in _USUAL_SPLITS and not self.folder.is_dir():
            self._tally('sentences file').ok -= 1
            self._tally('sentences file').unused += 1
            self._note(
                f'meta_expressions/{self.split}',
                f'there is no folder {self.split}',
                'file unused, or an ann_file',
            )
            return
        if not (self.folder / 'JPEGImages').is_dir():
            self._tally('videos').missing += self.expected.get('videos', len(entries))
            self._note(f'{self.split}/JPEGImages', 'is not a folder', self._remedy())
            return
        records = self._videos(self._scored(entries), set(entries))
        self._open(records, sample, workers)
        self._compare_counts(records)

    def _sentences(self) -> dict[str, dict] | None:
        path = self.data_root / 'meta_expressions' / self.split / 'meta_expressions.json'
        tally = self._tally('sentences file')
        try:
            entries = read_expressions(path)
        except FileNotFoundError:
            tally.missing += 1
            self._note(str(path.relative_to(self.data_root)), 'does not exist', self._remedy())
        except ValueError as error:
            tally.broken += 1
            self._note(str(path.relative_to(self.data_root)), str(error), self._remedy())
        else:
            tally.ok += 1
            return entries
        return None

    def _scored(self, entries: dict[str, dict]) -> dict[str, dict]:
        """The listed videos without those that nobody needs: the removed test part."""
        scored = scored_videos(entries, self.data_root, self.split, self.report.problems)
        return {video_id: entry for video_id, entry in entries.items() if video_id in scored}

    def _videos(self, entries: dict[str, dict], listed: set[str]) -> list[VideoRecord]:
        """Looks for the files of every video; the usable videos."""
        reader = LayoutReader(
            self.folder,
            categories=self._categories(),
            problems=self.report.problems,
            need_masks=(self.folder / 'Annotations').is_dir() and _tells_objects(entries),
        )
        records, tally = [], self._tally('videos')
        for video_id in sorted(entries):
            record = reader.read_video(video_id, entries[video_id])
            if record is not None:
                tally.ok += 1
                self._count_files(record, entries[video_id])
                records.append(record)
            elif is_plain_name(video_id) and (reader.frame_root / video_id).is_dir():
                tally.broken += 1
            else:
                tally.missing += 1
        before = len(self.report.problems.rows)
        reader.note_unlisted(listed)
        tally.unused += len(self.report.problems.rows) - before
        return records

    def _count_files(self, record: VideoRecord, entry: dict) -> None:
        """Counts the sentences, frames and masks of a usable video."""
        sentences = self._tally('sentences')
        sentences.ok += len(record.expressions)
        sentences.broken += len(entry['expressions']) - len(record.expressions)
        names = {name for name in entry['frames'] if is_plain_name(name)}
        for what, folder, suffix in (
            ('frames', record.frame_dir, '.jpg'),
            ('masks', record.mask_dir, '.png'),
        ):
            if folder is not None:
                found = {path.stem for path in folder.iterdir() if path.suffix == suffix}
                tally = self._tally(what)
                tally.ok += len(names & found)
                tally.missing += len(names - found)
                tally.unused += len(found - names)

    def _categories(self) -> dict[str, dict[str, str]]:
        path, problems = self.folder / 'meta.json', self.report.problems
        before = len(problems.rows)
        categories = {}
        try:
            categories = read_categories(path, problems)
        except ValueError as error:
            self._note(f'{self.split}/meta.json', str(error), 'categories unknown')
        if path.is_file():
            tally = self._tally('categories file')
            tally.broken += len(problems.rows) > before
            tally.ok += len(problems.rows) == before
        return categories

    def _open(self, records: list[VideoRecord], sample: int | None, workers: int) -> None:
        """Opens frames with their masks, all or evenly spread ones."""
        frames = [(record, frame) for record in records for frame in record.frames]
        self.report.openable += len(frames)
        if sample is not None and sample < len(frames):
            frames = [frames[i] for i in np.linspace(0, len(frames) - 1, sample).astype(int)]
        seen: dict[str, set[int]] = defaultdict(set)
        with ThreadPoolExecutor(workers) as pool:
            for (record, frame), opened in zip(frames, pool.map(_open_frame, frames)):
                self._note_opened(record, frame, opened)
                seen[record.video_id] |= opened.ids
        self.report.opened += len(frames)
        if sample is None:
            self._look_for_objects(records, seen)

    def _note_opened(self, record: VideoRecord, frame: str, opened: '_Opened') -> None:
        for what, problem in (('frames', opened.frame_problem), ('masks', opened.mask_problem)):
            if problem:
                tally = self._tally(what)
                tally.ok -= 1
                tally.broken += 1
                self._note(
                    record.video_id, f'{what[:-1]} {frame}: {problem}', 'download or write it again'
                )

    def _look_for_objects(self, records: list[VideoRecord], seen: dict[str, set[int]]) -> None:
        for record in records:
            for expression in record.expressions if record.mask_dir else ():
                if expression.obj_id and int(expression.obj_id) not in seen[record.video_id]:
                    self._tally('sentences').ok -= 1
                    self._tally('sentences').broken += 1
                    self._note(
                        f'{record.video_id} expression {expression.exp_id}',
                        f'object {expression.obj_id} is in no mask',
                        'never visible',
                    )

    def _compare_counts(self, records: list[VideoRecord]) -> None:
        counts = dict(
            videos=len(records),
            sentences=sum(len(record.expressions) for record in records),
            frames=sum(len(record.frames) for record in records),
        )
        for what, wanted in self.expected.items():
            if counts[what] != wanted:
                tally = self._tally(what)
                # What was found to be missing or broken is in these columns already.
                tally.missing += max(0, wanted - counts[what] - tally.missing - tally.broken)
                tally.unused += max(0, counts[what] - wanted)
                self._note(
                    self.split,
                    f'{counts[what]} {what}, the complete set has {wanted}',
                    self._remedy(),
                )

    def _tally(self, what: str) -> Tally:
        return self.report.tallies[f'{self.split} {what}']

    def _note(self, where: str, what: str, consequence: str) -> None:
        self.report.problems.add(where, what, consequence)

    def _remedy(self) -> str:
        return f'see {self.known.page}' if self.known else 'see docs/datasets.md'


def _tells_objects(entries: Mapping[str, Any]) -> bool:
    """Whether any sentence names its object; the challenge's validation sentences do not."""
    listed = (
        entry['expressions']
        for entry in entries.values()
        if isinstance(entry, dict) and isinstance(entry.get('expressions'), dict)
    )
    return any(
        isinstance(item, dict) and item.get('obj_id') is not None
        for expressions in listed
        for item in expressions.values()
    )


@dataclass(frozen=True)
class _Opened:
    frame_problem: str
    mask_problem: str
    ids: frozenset[int]


def _open_frame(item: tuple[VideoRecord, str]) -> _Opened:
    """Decodes a frame and its mask: what is wrong with each ('' if nothing), and the object ids."""
    record, frame = item
    frame_problem, mask_problem, ids, shape = '', '', frozenset(), None
    try:
        shape = decode_image((record.frame_dir / f'{frame}.jpg').read_bytes()).shape[:2]
    except (OSError, SyntaxError) as error:
        frame_problem = f'is not a complete image ({error})'
    if record.mask_dir is not None:
        try:
            mask = decode_label_png((record.mask_dir / f'{frame}.png').read_bytes(), 'its file')
            ids = frozenset(np.flatnonzero(np.bincount(mask.ravel())).tolist())
            if shape is not None and mask.shape != shape:
                mask_problem = f'has size {mask.shape}, its frame {shape} (height, width)'
        except (OSError, DataFileError) as error:
            mask_problem = str(error)
    return _Opened(frame_problem, mask_problem, ids)
