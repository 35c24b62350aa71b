"""Describe the videos of a referring data set, and the clips and pairs of its items."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from r2vos_mm.utils.data_issues import ProblemList
from r2vos_mm.utils.formats.expressions import normalize_text
from r2vos_mm.utils.formats.pairs import NO_TARGET, POSITIVE, read_pair_rows


@dataclass(frozen=True)
class Expression:
    """One expression of a video; ``obj_id`` is '' where unknown.

    ``is_absent`` marks an expression that is about nothing in the video. ``text_type`` is its type
    in the data set, such as static or dynamic (Long-RVOS).
    """

    exp_id: str
    text: str
    obj_id: str = ''
    is_absent: bool = False
    text_type: str = ''


@dataclass(frozen=True)
class VideoRecord:
    """One video: its frames in temporal order, its expressions, its annotated objects.

    ``categories`` maps the ids of *all* annotated objects, also those without an expression, to
    categories; it is empty where unknown. ``absent`` are expressions about nothing in the video.
    ``source`` is the video of which the record is a part: parts of one video stay on one side of a
    hold-out, and do not lend each other expressions as negatives.
    """

    video_id: str
    frames: tuple[str, ...]
    frame_dir: Path
    mask_dir: Path | None
    expressions: tuple[Expression, ...]
    categories: dict[str, str] = field(default_factory=dict)
    absent: tuple[Expression, ...] = ()
    source: str = ''
    frame_suffix: str = '.jpg'

    @property
    def source_id(self) -> str:
        """The video that the frames come from."""
        return self.source or self.video_id

    @property
    def texts(self) -> frozenset[str]:
        """The normalized texts of the expressions."""
        return frozenset(expression.text for expression in self.expressions)


@dataclass(frozen=True)
class Pair:
    """One expression shown with one video; if negative, ``exp_id`` names the origin of its text."""

    text: str
    pair_id: str
    exp_id: str
    obj_id: str = ''
    kind: str = POSITIVE
    is_negative: bool = False
    text_type: str = ''

    @classmethod
    def of(cls, video_id: str, expression: Expression) -> 'Pair':
        """Return the pair of a video and its own expression, negative if that is about nothing."""
        absent = expression.is_absent
        return cls(
            expression.text,
            f'{video_id}/{expression.exp_id}/{NO_TARGET if absent else "p"}',
            expression.exp_id,
            expression.obj_id,
            NO_TARGET if absent else POSITIVE,
            absent,
            expression.text_type,
        )

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> 'Pair':
        """Return the pair of a row of :func:`~r2vos_mm.utils.formats.pairs.read_pair_rows`."""
        is_negative = row['label'] == 0
        obj_id = '' if is_negative else row.get('obj_id') or ''
        text = normalize_text(row['exp'])
        return cls(text, row['pair_id'], row['exp_id'], obj_id, row['kind'], is_negative)


@dataclass(frozen=True)
class Clip:
    """Input of a pipeline besides the paths: the frames and the P pairs of the item."""

    video_id: str
    dataset: str
    frame_ids: tuple[str, ...]
    pairs: tuple[Pair, ...]

    def with_texts(self, change: Callable[[str], str]) -> 'Clip':
        """Return the clip with the text of every pair changed."""
        return replace(
            self, pairs=tuple(replace(pair, text=change(pair.text)) for pair in self.pairs)
        )


def is_held_out(video_id: str, fraction: float, start: float = 0.0) -> bool:
    """Return whether a video belongs to the hold-out: by SHA-256 of its id, the same everywhere.

    The hash is in [start, start + fraction): starts 0, f, 2f, ... hold out every video once.
    """
    number = int.from_bytes(hashlib.sha256(video_id.encode()).digest()[:8], 'big')
    return start * 2**64 <= number < (start + fraction) * 2**64


def read_pairs(path: Path, problems: ProblemList) -> dict[str, list[Pair]]:
    """Return the pairs of each video of a pairs file, in the order of the file.

    Rows that cannot be used are added to ``problems``; see
    :func:`~r2vos_mm.utils.formats.pairs.read_pair_rows` for the errors.
    """
    pairs = defaultdict(list)
    for row in read_pair_rows(path, problems):
        pairs[row['video']].append(Pair.from_row(row))
    return dict(pairs)


def targets_of(pairs: Sequence[Pair]) -> tuple[str, ...]:
    """Return the targets of the positive pairs, each once, in order; at least one ('')."""
    return tuple(dict.fromkeys(pair.obj_id for pair in pairs if not pair.is_negative)) or ('',)
