"""Establish what is true in a RefShapes world, with margins.

Every statement about an object is *certain*, *impossible*, or a borderline case, which counts as
neither true nor false. Sets of objects are bit masks (bit i = object i). Each statement has two of
them: the objects for which it is certain, and those for which it is possible. A sentence may be
used for an object only if it is certain for that object and possible for no other, and as a
negative only if it is possible for none.

Lengths are fractions of the frame's shorter side unless noted otherwise, and are measured over the
frames in which the object is visible.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from r2vos_mm.datasets.refshapes_words import ATTRIBUTES

from .world import DIRECTIONS

MOVING, NOT_MOVING = 0.18, 0.06  # net shift in a direction: certain from, ruled out up to
STILL, NOT_STILL = 0.015, 0.10  # distance between positions: certain up to, ruled out from
FULL_TURN, NO_TURN = np.deg2rad(290.0), np.deg2rad(120.0)
BESIDE, NOT_BESIDE = 0.10, 0.02  # offset of two centres, for 'left of' and the like
ON_SIDE, OFF_SIDE = 0.40, 0.50  # centre as a fraction of the width or height, in all frames
OVERLAP, NO_OVERLAP = 0.15, 0.01  # shared part of the smaller object's area, best frame
SIDES = {'left of': 'left', 'right of': 'right', 'above': 'up', 'below': 'down'}
RELATIONS = (*SIDES, 'in front of', 'behind', 'passing in front of', 'passing behind')

Answer = tuple[bool, bool]  # whether a statement about one object is certain, and possible


class Verdict(NamedTuple):
    """Bit masks of the objects of which a statement is certain and possible."""

    certain: int
    possible: int


@dataclass(frozen=True)
class Observation:
    """Measurements of a world of N objects and T frames.

    Attributes:
        size: (height, width) of the frames in pixels.
        attributes: words of each object by the keys of ``ATTRIBUTES``.
        centres: (N, T, 2) pixels (x, y).
        depth: (N,) position in the painting order; larger is closer to the viewer.
        visible: (N, T) number of visible pixels.
        inside: (N, T) fraction of the object's full area that is within the frame.
        overlap: (N, N, T) shared area of two objects, hidden parts included, as a fraction of the
            smaller one's area within the frame.
    """

    size: tuple[int, int]
    attributes: tuple[dict[str, str], ...]
    centres: np.ndarray
    depth: np.ndarray
    visible: np.ndarray
    inside: np.ndarray
    overlap: np.ndarray


@dataclass(frozen=True)
class Facts:
    """Verdicts on all statements in one world of ``count`` objects.

    ``attributes[field, word]`` is a bit mask (never borderline), ``motions[word]`` and
    ``positions[word]`` are verdicts, and ``relations[word][y]`` is that on "x is <word> y".
    """

    count: int
    attributes: dict[tuple[str, str], int]
    motions: dict[str, Verdict]
    positions: dict[str, Verdict]
    relations: dict[str, list[Verdict]]


def _bits(flags: Iterable[bool]) -> int:
    return sum(1 << i for i, flag in enumerate(flags) if flag)


def _verdict(answers: Iterable[Answer]) -> Verdict:
    return Verdict(*map(_bits, zip(*answers)))


def _spread(path: np.ndarray) -> float:
    """Return the diagonal of the box around a path (T, 2)."""
    return float(np.hypot(*np.ptp(path, axis=0)))


def _circling(path: np.ndarray) -> Answer:
    """Judge a path (T, 2) of at least two positions."""
    spokes = path - path.mean(0)
    angles = np.unwrap(np.arctan2(spokes[:, 1], spokes[:, 0]))
    turn = float(abs(angles[-1] - angles[0])) if len(path) > 2 else 0.0
    certain = len(path) >= 5 and _spread(path) > 0.12 and turn >= FULL_TURN
    length = float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())
    straight = length == 0 or np.linalg.norm(path[-1] - path[0]) > 0.9 * length
    return certain, certain or not (straight or _spread(path) < STILL or turn < NO_TURN)


def _motions(path: np.ndarray, inside: np.ndarray) -> dict[str, Answer] | None:
    """Judge the motions of an object by its path (S, 2) where visible; None if S is below 2."""
    if len(path) < 2:
        return None
    circling = _circling(path)
    found = dict(still=(_spread(path) <= STILL, _spread(path) < NOT_STILL), circling=circling)
    for word, direction in DIRECTIONS.items():
        ahead, aside = (path[-1] - path[0]) @ np.array([direction, direction[::-1]]).T
        certain = ahead >= MOVING and abs(aside) <= 0.4 * ahead and not circling[1]
        found[word] = (certain, ahead > NOT_MOVING and not circling[0])
    for word, edge in (('entering', inside), ('leaving', inside[::-1])):
        found[word] = (edge[0] == 0 and edge[-1] >= 0.5, edge[0] < 0.5)
    return found


def _positions(seen: Observation) -> dict[str, Verdict]:
    x, y = np.moveaxis(seen.centres / np.array(seen.size[::-1]), -1, 0)
    hidden = seen.visible == 0
    shown = ~hidden.all(1)

    def verdict(place: np.ndarray) -> Verdict:
        on_side, off_side = ((hidden | far).all(1) for far in (place < ON_SIDE, place > OFF_SIDE))
        return Verdict(_bits(shown & on_side), _bits(~(shown & off_side)))

    return dict(left=verdict(x), right=verdict(1 - x), top=verdict(y), bottom=verdict(1 - y))


def _in_front(seen: Observation, x: int, y: int, passing: bool) -> Answer:
    """Judge "x hides a part of y", with ``passing`` "but not all the time"."""
    if passing and seen.inside.shape[1] < 2:  # a single frame cannot show it
        return False, True
    both = (seen.inside[x] > 0) & (seen.inside[y] > 0)
    if seen.depth[x] <= seen.depth[y] or not both.any():
        return False, False
    shared = seen.overlap[x, y][both]
    certain = shared.max() >= OVERLAP and (shared.min() == 0.0 or not passing)
    return certain, shared.max() > NO_OVERLAP


def _relation(seen: Observation, word: str, x: int, y: int) -> Answer:
    """Judge "x is <word> y"."""
    if x == y:
        return False, False
    if word not in SIDES:
        x, y = (y, x) if word.endswith('behind') else (x, y)
        return _in_front(seen, x, y, word.startswith('passing'))
    both = (seen.visible[x] > 0) & (seen.visible[y] > 0)
    if not both.any():
        return False, True
    offset = (seen.centres[x] - seen.centres[y])[both] / min(seen.size) @ DIRECTIONS[SIDES[word]]
    return (offset >= BESIDE).all(), (offset > NOT_BESIDE).mean() > 0.25


def establish(seen: Observation) -> Facts:
    """Return all verdicts on a world."""
    count, side = len(seen.attributes), min(seen.size)
    paths = (seen.centres[i][seen.visible[i] > 0] / side for i in range(count))
    motions = [_motions(path, inside) for path, inside in zip(paths, seen.inside)]
    words = (*DIRECTIONS, 'still', 'circling', 'entering', 'leaving')
    return Facts(
        count=count,
        attributes={
            (field, word): _bits(own[field] == word for own in seen.attributes)
            for field, vocabulary in ATTRIBUTES.items()
            for word in vocabulary
        },
        motions={
            word: _verdict(found[word] if found else (False, True) for found in motions)
            for word in words
        },
        positions=_positions(seen),
        relations={
            word: [
                _verdict(_relation(seen, word, x, y) for x in range(count)) for y in range(count)
            ]
            for word in RELATIONS
        },
    )
