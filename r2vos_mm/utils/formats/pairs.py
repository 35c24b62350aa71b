"""Read pairs files (``r2-pairs/1``): which expression is shown with which video.

::

    {"format": "r2-pairs/1", "name": ..., "pairs_sha256": ...,
     "pairs": [{"pair_id": "bear/0/n0", "video": "bus", "exp_video": "bear", "exp_id": "0",
                "exp": "a brown bear", "obj_id": "1", "category": "bear", "label": 0,
                "kind": "other_video", "rank": 0}, ...]}

``video`` is the video whose frames are shown; ``exp_video`` and ``exp_id`` name the expression.
``label`` is 1 where the expression is about something in the video.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..data_issues import ProblemList
from ..files import read_json
from .expressions import frame_order, is_plain_name, is_text, object_number

FORMAT = 'r2-pairs/1'
POSITIVE = 'positive'
NO_TARGET = 'no_target'
_MAX_OBJECT = 10**17  # annotation ids of COCO are numbers of objects, too
_TEXT_KEYS = ('pair_id', 'video', 'exp_id', 'exp', 'kind')
_HASHED_KEYS = ('video', 'exp_video', 'exp_id', 'label', 'kind', 'rank', 'exp')


def read_pair_rows(path: Path, problems: ProblemList | None = None) -> list[dict[str, Any]]:
    """Return the usable rows of a pairs file in their order; the others are added to ``problems``.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: it is not a pairs file, or without ``problems`` a row cannot be used.
    """
    content = read_json(path)
    found = content.get('format') if isinstance(content, dict) else type(content).__name__
    if found != FORMAT or not isinstance(content.get('pairs'), list):
        raise ValueError(
            f"{path} is not a pairs file: expected format '{FORMAT}' and a list "
            f"'pairs', found format {found!r}. Write it with the pairs builder"
        )
    usable: dict[str, dict[str, Any]] = {}
    for number, row in enumerate(content['pairs']):
        problem = _row_problem(row)
        if problem is None and row['pair_id'] in usable:
            problem = f'pair id {row["pair_id"]!r} occurs twice'
        if problem is None:
            usable[row['pair_id']] = (
                row | dict(obj_id=_object_of(row)) if row.get('obj_id') else row
            )
        elif problems is None:
            raise ValueError(f'{path}: row {number} {problem}')
        else:
            problems.add(f'{path.name}: row {number}', problem, 'pair skipped')
    return list(usable.values())


def pairs_sha256(pairs: Iterable[Mapping[str, Any]]) -> str:
    """Return the ``pairs_sha256`` of rows of a pairs file, in any order.

    SHA-256 of one line per pair, its fields video, exp_video, exp_id, label, kind, rank, exp
    between tabs, ordered by exp_video, exp_id (as a number), positive first, rank.
    """

    def order(pair: Mapping[str, Any]) -> tuple:
        return pair['exp_video'], frame_order(pair['exp_id']), -pair['label'], pair['rank']

    digest = hashlib.sha256()
    for pair in sorted(pairs, key=order):
        digest.update(('\t'.join(str(pair[key]) for key in _HASHED_KEYS) + '\n').encode())
    return digest.hexdigest()


def _object_of(row: Mapping[str, Any]) -> str:
    return object_number(row['obj_id'], largest=_MAX_OBJECT) or ''


def _row_problem(row: Any) -> str | None:
    if not isinstance(row, dict):
        return 'is not a dict'
    for key in _TEXT_KEYS:
        if not is_text(row.get(key)):
            return f"has no text '{key}'"
    if not is_plain_name(row['exp_id']):
        return f'exp_id {row["exp_id"]!r} is not a plain name'
    if row.get('label') not in (0, 1):
        return f'label is {row.get("label")!r}, not 0 or 1'
    if (row['label'] == 1) != (row['kind'] == POSITIVE):
        return f'label {row["label"]} contradicts kind {row["kind"]!r}'
    obj_id = row.get('obj_id')
    if row['label'] == 1 and obj_id not in (None, '') and not _object_of(row):
        return f'obj_id {str(obj_id)[:50]!r} is not a number'
    return None
