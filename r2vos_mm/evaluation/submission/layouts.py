"""What the servers take: names of the files in the zip, and the kind of PNG.

=================== ============================================ ===========================
layout              file                                         PNG
=================== ============================================ ===========================
``ref_youtube_vos`` ``Annotations/<video>/<expression>/<frame>`` grey, 0 and 255
``mevis``           ``<video>/<expression>/<frame>``             grey, 0 and 255
``ref_davis17``     ``anno_<k>/<video>/<frame>``                 palette, value = object
=================== ============================================ ===========================
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from r2vos_mm.utils.expressions_file import read_expressions
from r2vos_mm.utils.ref_ytvos_valid202 import bundled_ids

NUM_ANNOTATORS = 4
_REMOVED_TEST_FILE = Path('test', 'meta_expressions.json')


@dataclass(frozen=True)
class Layout:
    """One form of submission.

    Attributes:
        name: as in configs.
        top: folder that holds everything, with its slash; '' for none.
        per_annotator: one map of object ids per annotator, not one mask per sentence.
        mode: Pillow's mode of the PNGs.
    """

    name: str
    top: str
    per_annotator: bool
    mode: str

    def file(self, video: str, exp_id: str, frame: str) -> str:
        """Name in the zip of the file that shows a sentence on a frame."""
        if self.per_annotator:
            return f'{self.top}anno_{annotator_of(exp_id)}/{video}/{frame}.png'
        return f'{self.top}{video}/{exp_id}/{frame}.png'

    def expected_files(self, expressions: dict[str, dict]) -> set[str]:
        """Names of all files of a submission.

        Args:
            expressions: the videos of a ``meta_expressions.json``.
        """
        return {
            self.file(video, exp_id, frame)
            for video, entry in expressions.items()
            for exp_id in entry['expressions']
            for frame in entry['frames']
        }


LAYOUTS = {
    layout.name: layout
    for layout in (
        Layout('ref_youtube_vos', top='Annotations/', per_annotator=False, mode='L'),
        Layout('mevis', top='', per_annotator=False, mode='L'),
        Layout('ref_davis17', top='', per_annotator=True, mode='P'),
    )
}


def layout_named(name: str) -> Layout:
    """The layout of that name.

    Raises:
        ValueError: there is none; the message lists all.
    """
    if name not in LAYOUTS:
        raise ValueError(f'unknown layout {name!r}; there are {", ".join(LAYOUTS)}')
    return LAYOUTS[name]


def annotator_of(exp_id: str) -> int:
    """Which annotator of Ref-DAVIS17 wrote a sentence: expression 4 o + k is annotator k's."""
    return int(exp_id) % NUM_ANNOTATORS


def object_of(exp_id: str) -> int:
    """The object, from 1 on, that a sentence of Ref-DAVIS17 is about."""
    return int(exp_id) // NUM_ANNOTATORS + 1


def scored_expressions(path: Path, videos: Path | None = None) -> dict[str, dict]:
    """The videos of a ``meta_expressions.json`` that a server scores.

    The list of Refer-YouTube-VOS names the removed test videos, too. They are left out by
    ``videos``, else by ``meta_expressions/test/meta_expressions.json`` if that is beside it, else,
    if it is that list, by the ids of the 202 scored videos that the package has with it.

    Args:
        path: the file.
        videos: text file with one video id per line, or a folder with one folder per video (such
            as ``valid/JPEGImages``).

    Raises:
        ValueError: ``videos`` names one that is not in the list.
    """
    entries = read_expressions(path)
    removed = path.parent.parent / _REMOVED_TEST_FILE
    if videos is None and removed.is_file() and removed != path:
        test_videos = set(read_expressions(removed))
        return {video: entry for video, entry in entries.items() if video not in test_videos}
    if videos is None:
        scored = bundled_ids()
        if not scored <= set(entries):
            return entries
        return {video: entry for video, entry in entries.items() if video in scored}
    names = (
        {folder.name for folder in videos.iterdir() if folder.is_dir()}
        if videos.is_dir()
        else set(videos.read_text(encoding='utf-8').split())
    )
    unknown = sorted(names - set(entries))
    if unknown:
        raise ValueError(f'{videos} names videos that {path} does not list: {unknown[:10]}')
    return {video: entry for video, entry in entries.items() if video in names}


def davis_palette() -> list[int]:
    """The 256 colours of the DAVIS and Pascal VOC masks, 768 numbers.

    The bits of an id are dealt to red, green and blue in turn, highest first.
    """
    ids, palette = np.arange(256), np.zeros((256, 3), dtype=np.uint8)
    for bit in range(8):
        for channel in range(3):
            palette[:, channel] |= ((ids >> (3 * bit + channel) & 1) << (7 - bit)).astype(np.uint8)
    return palette.reshape(-1).tolist()
