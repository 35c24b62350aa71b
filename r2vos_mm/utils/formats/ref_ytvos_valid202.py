"""Choose the scored videos of the validation list of Refer-YouTube-VOS.

The list names 507 videos, of which 202 are scored. The official list of the others was removed.
"""

from collections.abc import Collection
from importlib import resources
from pathlib import Path

from ..data_issues import ProblemList, shown
from ..files import folder_names
from .expressions import read_expressions

TEST_FILE = 'meta_expressions/test/meta_expressions.json'
BUNDLED_IDS = 'ref_youtube_vos_valid_202.txt'


def bundled_ids() -> frozenset[str]:
    """Return the ids of the 202 scored videos, which are package data."""
    text = (resources.files(__package__) / BUNDLED_IDS).read_text(encoding='utf-8')
    return frozenset(text.split())


def scored_videos(
    listed: Collection[str], data_root: Path, split: str, problems: ProblemList
) -> set[str]:
    """Return the scored videos of a split: all, except in ``valid``, see :func:`scored_ids`."""
    if split != 'valid':
        return set(listed)
    folders = folder_names(data_root / split / 'JPEGImages')
    return scored_ids(listed, data_root / TEST_FILE, folders=folders, problems=problems)


def scored_ids(
    listed: Collection[str],
    test_file: Path,
    *,
    problems: ProblemList,
    folders: Collection[str] = (),
) -> set[str]:
    """Return those of the ``listed`` validation videos that are scored.

    The first of these that applies:

    1. the videos that the removed list of the test split does not name, if ``test_file`` exists;
    2. all videos, if the list is that of another data set or names no more than 202 videos;
    3. those with a folder of frames, if there are 202 such ``folders``;
    4. those among the 202 bundled ids.

    Missing and extra videos are added to ``problems``.
    """
    if test_file.is_file():
        return set(listed) - set(read_expressions(test_file))
    known = bundled_ids()
    if len(listed) <= len(known) or not known & set(listed):
        return set(listed)
    chosen = set(listed) & (set(folders) if len(set(folders)) == len(known) else known)
    _note_difference(chosen, known, problems)
    return chosen


def _note_difference(
    chosen: Collection[str], known: Collection[str], problems: ProblemList
) -> None:
    missing, extra = sorted(set(known) - set(chosen)), sorted(set(chosen) - set(known))
    for ids, what in ((missing, 'missing'), (extra, 'not among them, but used')):
        if ids:
            problems.add(
                'the scored videos',
                f'{len(ids)} of {len(known)} are {what}: {shown(ids)}',
                'numbers are not comparable with published ones',
            )
