"""Which videos of Refer-YouTube-VOS's validation list are scored.

The list names 507 videos. 202 are scored; the other 305 were the test part, and the file that told
them was removed from the official download.
"""

from collections.abc import Collection, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from .annotations import read_expressions
from .data_issues import ProblemList

REMOVED_TEST_FILE = 'meta_expressions/test/meta_expressions.json'
BUNDLED_IDS = 'ref_youtube_vos_valid_202.txt'


def bundled_ids() -> frozenset[str]:
    """The ids of the 202 scored videos, which the package has with it."""
    text = (resources.files(__package__) / BUNDLED_IDS).read_text(encoding='utf-8')
    return frozenset(text.split())


def scored_videos(
    listed: Mapping[str, Any], data_root: Path, split: str, problems: ProblemList
) -> set[str]:
    """The listed videos that are scored; all of them in any set but the challenge's validation.

    In this order: those that the removed test file does not list, if it is there; if there are as
    many folders as scored videos, those with a folder; the bundled ids. Differences are noted, and
    what there is of them is used.
    """
    if split != 'valid':
        return set(listed)
    removed = data_root / REMOVED_TEST_FILE
    if removed.is_file():
        return set(listed) - set(read_expressions(removed))
    known = bundled_ids()
    if len(listed) <= len(known) or not known & set(listed):
        return set(listed)
    folders = _folders(data_root / split / 'JPEGImages')
    chosen = folders & set(listed) if len(folders) == len(known) else known & set(listed)
    _note_difference(chosen, known, problems)
    return chosen


def _folders(frame_root: Path) -> set[str]:
    if not frame_root.is_dir():
        return set()
    return {
        path.name
        for path in frame_root.iterdir()
        if path.is_dir() and not path.name.startswith('.')
    }


def _note_difference(
    chosen: Collection[str], known: Collection[str], problems: ProblemList
) -> None:
    missing, extra = sorted(set(known) - set(chosen)), sorted(set(chosen) - set(known))
    for ids, what in ((missing, 'missing'), (extra, 'not among them, but used')):
        if ids:
            problems.add(
                'the scored videos',
                f'{len(ids)} of {len(known)} are {what}: '
                f'{", ".join(ids[:5])}{", ..." if len(ids) > 5 else ""}',
                'numbers are not comparable with published ones',
            )
