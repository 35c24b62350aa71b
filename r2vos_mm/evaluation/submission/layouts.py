"""Define the files that servers expect: their names in the zip, and the kind of PNG.

=================== ============================================ ===========================
layout              file                                         PNG
=================== ============================================ ===========================
``ref_youtube_vos`` ``Annotations/<video>/<expression>/<frame>`` grey, 0 and 255
``mevis``           ``<video>/<expression>/<frame>``             grey, 0 and 255
``ref_davis17``     ``anno_<k>/<video>/<frame>``                 palette, value = object
=================== ============================================ ===========================
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from r2vos_mm.utils.data_issues import ProblemList
from r2vos_mm.utils.expressions_file import read_expressions
from r2vos_mm.utils.ref_davis17 import expression_set_of
from r2vos_mm.utils.ref_ytvos_valid202 import scored_ids


class Layout(NamedTuple):
    """One form of submission.

    Attributes:
        top: folder that holds everything, with its slash; '' for none.
        is_map: one map of object ids per expression set instead of one mask per expression.
    """

    top: str = ''
    is_map: bool = False

    def file(self, video: str, exp_id: str, frame: str) -> str:
        """Return the name in the zip of the file that holds an expression's mask in a frame."""
        if self.is_map:
            return f'{self.top}anno_{expression_set_of(exp_id)}/{video}/{frame}.png'
        return f'{self.top}{video}/{exp_id}/{frame}.png'

    def expected_files(self, expressions: dict[str, dict]) -> set[str]:
        """Return the names of all files of a submission for the videos of an expressions file."""
        return {
            self.file(video, exp_id, frame)
            for video, entry in expressions.items()
            for exp_id in entry['expressions']
            for frame in entry['frames']
        }


LAYOUTS = {
    'ref_youtube_vos': Layout(top='Annotations/'),
    'mevis': Layout(),
    'ref_davis17': Layout(is_map=True),
}


def layout_named(name: str) -> Layout:
    """Return the layout of a name.

    Raises:
        ValueError: The name is unknown; the message lists all.
    """
    if name not in LAYOUTS:
        raise ValueError(f'unknown layout {name!r}; there are {", ".join(LAYOUTS)}')
    return LAYOUTS[name]


def scored_expressions(path: Path, videos: Path | None = None) -> dict[str, dict]:
    """Return the videos of a ``meta_expressions.json`` that a server scores.

    The list of Refer-YouTube-VOS also names the removed test videos. They are excluded by
    ``videos``, otherwise as by :func:`r2vos_mm.utils.ref_ytvos_valid202.scored_ids`.

    Args:
        path: the file.
        videos: text file with one video id per line, or a folder with one folder per video (such
            as ``valid/JPEGImages``).

    Raises:
        ValueError: ``videos`` names one that is not in the list.
    """
    entries = read_expressions(path)
    if videos is None:
        test_file = path.parent.parent / 'test' / 'meta_expressions.json'
        problems, names = ProblemList(str(path)), set(entries)
        if test_file != path:
            names = scored_ids(entries, test_file, problems=problems)
        problems.report()
    elif videos.is_dir():
        names = {folder.name for folder in videos.iterdir() if folder.is_dir()}
    else:
        names = set(videos.read_text(encoding='utf-8').split())
    unknown = sorted(names - set(entries))
    if unknown:
        raise ValueError(f'{videos} names videos that {path} does not list: {unknown[:10]}')
    return {video: entry for video, entry in entries.items() if video in names}
