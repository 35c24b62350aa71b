"""Pairs files (``r2-pairs/1``): which sentence is shown with which video, and whether it belongs.

::

    {"format": "r2-pairs/1", "name": ..., "pairs_sha256": ...,
     "pairs": [{"pair_id": "bear/0/n0", "video": "bus", "exp_video": "bear", "exp_id": "0",
                "exp": "a brown bear", "obj_id": "1", "category": "bear", "label": 0,
                "kind": "other_video", "rank": 0}, ...]}

``video`` is the video whose frames are shown; ``exp_video`` and ``exp_id`` name the sentence.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from r2vos_mm.utils.files import read_json

from ..io.annotations import frame_order, is_plain_name
from ..io.data_issues import ProblemList
from ..records import POSITIVE, Pair, VideoRecord, normalise_sentence

FORMAT = 'r2-pairs/1'
_TEXT_KEYS = ('pair_id', 'video', 'exp_id', 'exp', 'kind')
_HASHED_KEYS = ('video', 'exp_video', 'exp_id', 'label', 'kind', 'rank', 'exp')


def read_pairs(path: Path, problems: ProblemList) -> dict[str, list[Pair]]:
    """The pairs of each video, in the order of the file.

    Rows that cannot be used are left out and noted in ``problems``.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not a pairs file of the known format.
    """
    content = read_json(path)
    found = content.get('format') if isinstance(content, dict) else type(content).__name__
    if found != FORMAT or not isinstance(content.get('pairs'), list):
        raise ValueError(
            f"{path} is not a pairs file: expected format '{FORMAT}' and a list "
            f"'pairs', found format {found!r}. Write it with the pairs builder"
        )
    pairs = defaultdict(list)
    for number, row in enumerate(content['pairs']):
        problem = _row_problem(row)
        if problem is not None:
            problems.add(f'{path.name}: row {number}', problem, 'pair skipped')
        else:
            pairs[row['video']].append(_pair(row))
    return dict(pairs)


def with_own_target(pair: Pair, video: VideoRecord, problems: ProblemList) -> Pair | None:
    """A positive pair with the target of the video's own sentence of that number.

    A sentence that the data gives as being about nothing in the video makes a negative pair. None
    if the video has no such sentence or another one under the number. All of this is noted.
    """
    where = f'{video.video_id} expression {pair.exp_id}'
    own = next(
        (
            expression
            for expression in (*video.expressions, *video.absent)
            if expression.exp_id == pair.exp_id
        ),
        None,
    )
    if own is None:
        problems.add(where, 'in the pairs file, but not among the usable sentences', 'pair skipped')
        return None
    if own.sentence != pair.sentence:
        problems.add(
            where,
            f'is {pair.sentence!r} in the pairs file, but {own.sentence!r} in the sentences file',
            'pair skipped',
        )
        return None
    if own.is_absent:
        problems.add(
            where,
            'positive in the pairs file, but about nothing in the video',
            'shown as a negative pair',
        )
        return Pair.no_target(video.video_id, own)
    return replace(pair, obj_id=own.obj_id)


def pairs_sha256(pairs: Iterable[Mapping[str, Any]]) -> str:
    """The ``pairs_sha256`` of a pairs file: which pairs it holds, whatever their order in it.

    SHA-256 of one line per pair, its fields video, exp_video, exp_id, label, kind, rank, exp
    between tabs, ordered by exp_video, exp_id (as a number), positive first, rank.
    """

    def order(pair: Mapping[str, Any]) -> tuple:
        return pair['exp_video'], frame_order(pair['exp_id']), -pair['label'], pair['rank']

    digest = hashlib.sha256()
    for pair in sorted(pairs, key=order):
        digest.update(('\t'.join(str(pair[key]) for key in _HASHED_KEYS) + '\n').encode())
    return digest.hexdigest()


def _row_problem(row: Any) -> str | None:
    if not isinstance(row, dict):
        return 'is not a dict'
    for key in _TEXT_KEYS:
        if not isinstance(row.get(key), str) or not row[key].strip():
            return f"has no text '{key}'"
    if not is_plain_name(row['exp_id']):
        return f'exp_id {row["exp_id"]!r} is not a plain name'
    if row.get('label') not in (0, 1):
        return f'label is {row.get("label")!r}, not 0 or 1'
    if (row['label'] == 1) != (row['kind'] == POSITIVE):
        return f'label {row["label"]} contradicts kind {row["kind"]!r}'
    obj_id = row.get('obj_id') or ''
    if row['label'] == 1 and obj_id and not str(obj_id).isdecimal():
        return f'obj_id {obj_id!r} is not a number'
    return None


def _pair(row: dict) -> Pair:
    is_negative = row['label'] == 0
    obj_id = '' if is_negative or not row.get('obj_id') else str(int(row['obj_id']))
    return Pair(
        normalise_sentence(row['exp']),
        row['pair_id'],
        row['exp_id'],
        obj_id,
        row['kind'],
        is_negative,
    )
