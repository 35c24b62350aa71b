"""Write and check submissions to the servers of Refer-YouTube-VOS, MeViS and Ref-DAVIS17.

=================== ============================================ ===========================
layout              file in the zip                              PNG
=================== ============================================ ===========================
``ref_youtube_vos`` ``Annotations/<video>/<expression>/<frame>`` grey, 0 and 255
``mevis``           ``<video>/<expression>/<frame>``             grey, 0 and 255
``ref_davis17``     ``anno_<k>/<video>/<frame>``                 palette, value = object
=================== ============================================ ===========================

``expressions`` of functions are videos of a ``meta_expressions.json`` by their id.
"""

from __future__ import annotations

import zipfile
from collections import Counter, defaultdict
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from r2vos_mm.utils.data_issues import ProblemList, shown
from r2vos_mm.utils.files import PathLike, atomic_path, folder_names, is_side_file, read_text
from r2vos_mm.utils.formats.expressions import read_expressions
from r2vos_mm.utils.formats.ref_davis17 import expression_set_of, object_of
from r2vos_mm.utils.formats.ref_ytvos_valid202 import scored_ids
from r2vos_mm.utils.images import image_size, open_image
from r2vos_mm.utils.masks_io import write_label_png

from .mask_files import read_member, tops_of
from .metrics.eval_sample import EvalSample
from .metrics.pair_scores import one_owner

_EPOCH = (1980, 1, 1, 0, 0, 0)  # one date for all files: equal masks give equal zips
_MAX_OBJECTS = 20


class Layout(NamedTuple):
    """One form of submission: its top folder, and whether maps of objects replace masks."""

    top: str = ''
    is_map: bool = False

    def file(self, video: str, exp_id: str, frame: str) -> str:
        """Return the name in the zip of the file that holds an expression's mask in a frame."""
        if self.is_map:
            return f'{self.top}anno_{expression_set_of(exp_id)}/{video}/{frame}.png'
        return f'{self.top}{video}/{exp_id}/{frame}.png'

    def expected_files(self, expressions: dict[str, dict]) -> set[str]:
        """Return the names of all files of a submission."""
        return {
            self.file(video, *names)
            for video, entry in expressions.items()
            for names in product(entry['expressions'], entry['frames'])
        }


LAYOUTS = {
    'ref_youtube_vos': Layout('Annotations/'),
    'mevis': Layout(),
    'ref_davis17': Layout(is_map=True),
}


def scored_expressions(path: Path, videos: Path | None = None) -> dict[str, dict]:
    """Return the videos of a ``meta_expressions.json`` that a server scores.

    The list of Refer-YouTube-VOS also names the removed test videos. They are excluded by
    ``videos``, otherwise as by :func:`r2vos_mm.utils.formats.ref_ytvos_valid202.scored_ids`.

    Args:
        path: the file.
        videos: text file with one id per line, all in the list, or a folder with one folder per
            video (such as ``valid/JPEGImages``).
    """
    entries = read_expressions(path)
    if videos is None:
        test_file = path.parent.parent / 'test' / 'meta_expressions.json'
        problems, names = ProblemList(str(path)), set(entries)
        if test_file != path:
            names = scored_ids(entries, test_file, problems=problems)
        problems.report()
    elif videos.is_dir():
        names = folder_names(videos)
    else:
        names = set(read_text(videos).split())
    unknown = sorted(names - set(entries))
    if unknown:
        raise ValueError(f'{videos} names videos that {path} does not list: {unknown[:10]}')
    return {video: entry for video, entry in entries.items() if video in names}


class SubmissionWriter:
    """Turn data samples into the zip that a server accepts.

    PNGs are collected in the folder ``<path>.parts``, which remains when the zip is complete. Every
    file is written atomically, and several processes may write at the same time. After an
    interruption the finished parts remain; a video that is written again replaces its files.

    Args:
        layout, path: ``'ref_youtube_vos'``, ``'mevis'`` or ``'ref_davis17'``, and the zip.
        expressions: ``meta_expressions.json`` of the scored split.
        videos: see :func:`scored_expressions`.
        masks: ``'gated'`` or ``'ungated'``, the masks to submit.
    """

    def __init__(
        self,
        *,
        layout: str,
        path: PathLike,
        expressions: PathLike,
        videos: PathLike | None = None,
        masks: str = 'gated',
    ) -> None:
        if masks not in ('gated', 'ungated'):
            raise ValueError(f"masks must be 'gated' or 'ungated', got {masks!r}")
        if layout not in LAYOUTS:
            raise ValueError(f'unknown layout {layout!r}; there are {", ".join(LAYOUTS)}')
        self.layout, self.path, self.masks = LAYOUTS[layout], Path(path), masks
        self.parts = self.path.with_name(f'{self.path.name}.parts')
        self.expressions = scored_expressions(Path(expressions), videos and Path(videos))

    def write(self, sample: EvalSample) -> None:
        """Write the PNGs of one video; videos and expressions that are not scored are skipped."""
        entry = self.expressions.get(sample.video)
        if entry is None:
            return
        if sample.exp_ids is None:
            raise ValueError(f'video {sample.video!r} has no gt_pairs.exp_ids to name files by')
        images = defaultdict(list)
        for index, exp_id in enumerate(sample.exp_ids):
            if exp_id in entry['expressions'] and not sample.is_negative[index]:
                images[self.layout.file(sample.video, exp_id, '')].append(index)
        for chosen in images.values():
            self._write_frames(sample, getattr(sample, self.masks), chosen)

    def remaining(self) -> dict[str, dict]:
        """Return the videos of which a part is missing."""
        return {
            video: entry
            for video, entry in self.expressions.items()
            if not all(
                (self.parts / f).is_file() for f in self.layout.expected_files({video: entry})
            )
        }

    def finish(self) -> SubmissionReport:
        """Write the zip from all expected parts and check it.

        If files are missing or broken, ValueError is raised and the zip is not written.
        """
        with atomic_path(self.path) as temporary:
            with zipfile.ZipFile(temporary, 'w') as archive:
                for name in sorted(self.layout.expected_files(self.expressions)):
                    if (self.parts / name).is_file():
                        content = (self.parts / name).read_bytes()
                        archive.writestr(zipfile.ZipInfo(name, _EPOCH), content)
            report = check_submission(temporary, self.layout, self.expressions)
            if not report.is_valid:
                raise ValueError(f'{self.path} was not written: {report}; parts: {self.parts}')
        return report

    def _write_frames(self, sample: EvalSample, masks: np.ndarray, chosen: list[int]) -> None:
        """Write one image per frame from the chosen masks (P, T, H, W)."""
        labels, is_map = np.zeros(masks.shape[1:], dtype=np.uint8), self.layout.is_map
        owned = one_owner(sample, masks, chosen) if is_map else masks[chosen]
        for mask, index in zip(owned, chosen):
            labels[mask] = object_of(sample.exp_ids[index]) if is_map else 255
        for frame, image in zip(sample.frame_ids, labels):
            name = self.layout.file(sample.video, sample.exp_ids[chosen[0]], frame)
            write_label_png(image, self.parts / name, palette=is_map)


class SubmissionReport(NamedTuple):
    """Result of checking a submission.

    Attributes:
        num_expected, missing: files that the server expects, and those of them that are missing.
        extra: unexpected files, and names that occur twice; files that operating systems add are
            ignored.
        broken: files that are not such PNGs, with the reason.
        note: a likely cause of what is missing.
    """

    num_expected: int
    missing: list[str]
    extra: list[str]
    broken: list[str]
    note: str = ''

    @property
    def is_valid(self) -> bool:
        """Whether the server will accept the submission."""
        return not (self.missing or self.extra or self.broken)

    def __str__(self) -> str:
        if self.is_valid:
            return f'all {self.num_expected} files are present and complete'
        lists = {name: getattr(self, name) for name in ('missing', 'extra', 'broken')}
        parts = (f'{len(files)} {name}: {shown(files)}' for name, files in lists.items() if files)
        notes = [self.note] if self.note else []
        return '; '.join([f'{self.num_expected} files expected', *parts, *notes])


def check_submission(
    path: Path, layout: Layout, expressions: dict[str, dict], *, images: Path | None = None
) -> SubmissionReport:
    """Check every file of a zip.

    PNGs must be single-channel with 8 bits and of one size per video. Masks hold 0 and 255, maps of
    objects at most 20 ids.

    Args:
        path, layout: the zip and its form.
        expressions: the videos that are scored, see :func:`scored_expressions`.
        images: folder ``<video>/<frame>.jpg``; sizes are then compared with the frames.

    Raises:
        FileNotFoundError, ValueError: The zip does not exist, or is not a complete zip.
    """
    expected = layout.expected_files(expressions)
    try:
        with zipfile.ZipFile(path) as archive:
            names = [n for n in archive.namelist() if n[-1:] != '/' and not is_side_file(n)]
            twice = [f'{name} (twice)' for name, count in Counter(names).items() if count > 1]
            broken = _broken_files(archive, sorted(expected & set(names)), layout, images)
    except zipfile.BadZipFile as error:
        raise ValueError(f'{path} is not a complete zip ({error}): write it again') from error
    missing, extra = sorted(expected - set(names)), sorted(set(names) - expected)
    note = _note(expected, extra) if missing else ''
    return SubmissionReport(len(expected), missing, extra + twice, broken, note)


def _note(expected: set[str], extra: list[str]) -> str:
    """Return why files that are expected have other names in the zip; '' if they are not in it."""
    tops = tops_of((name.replace('\\', '/') for name in extra), expected)
    if tops == ['']:
        return 'file names have backslashes: zip the files with slashes'
    return f'expected files are in {shown(tops)}: zip the content of it' if tops else ''


def _broken_files(
    archive: zipfile.ZipFile, names: list[str], layout: Layout, images: Path | None
) -> list[str]:
    """Return the invalid files, with the reason."""
    broken, sizes = [], {}
    for name in names:
        parts = name.removeprefix(layout.top).split('/')
        video = parts[1] if layout.is_map else parts[0]
        if video not in sizes and images is not None:
            sizes[video] = image_size(images / video / f'{Path(parts[-1]).stem}.jpg')[::-1]
        try:
            content = read_member(archive, archive.getinfo(name), name)
            with open_image(content) as image:
                problem = _problem(image, layout, sizes.setdefault(video, image.size))
        except Exception as error:  # decoders raise anything for broken files
            problem = str(error)
        if problem:
            broken.append(f'{name} ({problem})')
    return broken


def _problem(image: Image.Image, layout: Layout, size: tuple[int, int]) -> str:
    """Return what is wrong with a PNG, '' for nothing; ``size`` is (width, height) of the video."""
    mode = 'P' if layout.is_map else 'L'
    if image.format != 'PNG' or image.mode != mode:
        return f'{image.format} of mode {image.mode}, not PNG of mode {mode}'
    if image.size != size:
        return f'size {image.size}, the video has {size} (width, height)'
    values = np.unique(np.asarray(image))
    if layout.is_map:
        return f'object id {values[-1]} above {_MAX_OBJECTS}' if values[-1] > _MAX_OBJECTS else ''
    wrong = [int(value) for value in values if value not in (0, 255)]
    return f'values {wrong[:5]} beside 0 and 255' if wrong else ''
