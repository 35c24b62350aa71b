"""Turn the rows of a pairs file into pairs of a data set."""

from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from r2vos_mm.utils.data_issues import ProblemList
from r2vos_mm.utils.expressions_file import normalise_sentence
from r2vos_mm.utils.pairs_file import read_pair_rows

from ..records import Pair, VideoRecord


def read_pairs(path: Path, problems: ProblemList) -> dict[str, list[Pair]]:
    """Return the pairs of each video in the order of the file.

    Rows that cannot be used are added to ``problems``; see
    :func:`~r2vos_mm.utils.pairs_file.read_pair_rows` for the errors.
    """
    pairs = defaultdict(list)
    for row in read_pair_rows(path, problems):
        pairs[row['video']].append(_pair(row))
    return dict(pairs)


def with_own_target(pair: Pair, video: VideoRecord, problems: ProblemList) -> Pair | None:
    """Return a positive pair with the target of the video's own expression of that number.

    An expression that the data marks as being about nothing in the video makes a negative pair.
    None if the video has no such expression, or another one under the number. All of this is added
    to ``problems``.
    """
    where = f'{video.video_id} expression {pair.exp_id}'
    listed = (*video.expressions, *video.absent)
    own = next((expression for expression in listed if expression.exp_id == pair.exp_id), None)
    if own is None:
        problems.add(where, 'in the pairs file, but not among the usable sentences', 'pair skipped')
        return None
    if own.sentence != pair.sentence:
        what = f'is {pair.sentence!r} in the pairs file, but {own.sentence!r} in the sentences file'
        problems.add(where, what, 'pair skipped')
        return None
    if own.is_absent:
        what = 'positive in the pairs file, but about nothing in the video'
        problems.add(where, what, 'shown as a negative pair')
        return Pair.no_target(video.video_id, own)
    return replace(pair, obj_id=own.obj_id)


def _pair(row: dict) -> Pair:
    is_negative = row['label'] == 0
    obj_id = '' if is_negative or not row.get('obj_id') else str(int(row['obj_id']))
    text = normalise_sentence(row['exp'])
    return Pair(text, row['pair_id'], row['exp_id'], obj_id, row['kind'], is_negative)
