"""What is true in a RefShapes world, with margins.

Every statement about an object is *certain*, *impossible*, or in between: a borderline case that
is used neither as true nor as false. Sets of objects are bit masks (bit i = object i). For each
statement two sets are kept: the objects of which it is certain and those of which it is possible.
A sentence may be used for an object only if it is the only certain *and* the only possible one,
and as a negative only if it is possible for none.

Distances are fractions of the frame's shorter side unless a comment says otherwise; all are
measured over the frames in which the object can be seen.
"""

from dataclasses import dataclass

import numpy as np

from r2vos_mm.datasets.refshapes_words import ATTRIBUTES

from .world import DIRECTIONS, World

POSITIONS: tuple[str, ...] = ('left', 'right', 'top', 'bottom')
MOTIONS: tuple[str, ...] = (*DIRECTIONS, 'still', 'circling', 'entering', 'leaving')
RELATIONS: tuple[str, ...] = (
    'left of',
    'right of',
    'above',
    'below',
    'in front of',
    'behind',
    'passing in front of',
    'passing behind',
)

MOVING, NOT_MOVING = 0.18, 0.06
"""Net shift in a direction from which it is certain, and up to which it is ruled out."""
STILL, NOT_STILL = 0.015, 0.10
"""Largest distance between two places of an object: certainly still, certainly not."""
FULL_TURN, NO_TURN = np.deg2rad(290.0), np.deg2rad(120.0)
BESIDE, NOT_BESIDE = 0.10, 0.02
"""Offset of two centres for 'left of' and its like in every frame; and to rule it out."""
ON_SIDE, OFF_SIDE = 0.40, 0.50
"""Centre below 0.40 of the width in all frames is left; above 0.50 in all frames is not."""
OVERLAP, NO_OVERLAP = 0.15, 0.01
"""Shared part of the smaller object's area for 'in front of' and 'behind', best frame."""


@dataclass(frozen=True)
class Verdict:
    """Bit masks of the objects of which a statement is certain and possible."""

    certain: int
    possible: int


@dataclass(frozen=True)
class Observation:
    """What can be measured in a world: the input of all statements.

    ``centres`` (N, T, 2) pixels, ``depth`` (N,), ``visible`` (N, T) pixels, ``inside`` (N, T),
    ``overlap`` (N, N, T); see :class:`.render.Rendering`. ``attributes`` holds the words of every
    object, ``size`` is (H, W).
    """

    size: tuple[int, int]
    attributes: tuple[dict[str, str], ...]
    centres: np.ndarray
    depth: np.ndarray
    visible: np.ndarray
    inside: np.ndarray
    overlap: np.ndarray


def observe(
    world: World, visible: np.ndarray, inside: np.ndarray, overlap: np.ndarray
) -> Observation:
    """Gather what the statements need from a world and its rendering."""
    return Observation(
        size=world.size,
        attributes=tuple(
            {field: item.attribute(field) for field in ATTRIBUTES} for item in world.objects
        ),
        centres=np.stack([item.path for item in world.objects]),
        depth=np.array([item.depth for item in world.objects]),
        visible=visible,
        inside=inside,
        overlap=overlap,
    )


@dataclass(frozen=True)
class Facts:
    """Verdicts on every statement in one world.

    ``attributes[field, word]`` is a bit mask (never borderline); ``motions[word]`` and
    ``positions[word]`` are verdicts; ``relations[word][j]`` is the verdict on "x is <word> j".
    """

    count: int
    attributes: dict[tuple[str, str], int]
    motions: dict[str, Verdict]
    positions: dict[str, Verdict]
    relations: dict[str, tuple[Verdict, ...]]


def _verdict(certain: list[bool], possible: list[bool]) -> Verdict:
    return Verdict(
        certain=sum(1 << i for i, yes in enumerate(certain) if yes),
        possible=sum(1 << i for i, yes in enumerate(possible) if yes),
    )


def _turn(path: np.ndarray) -> float:
    """Angle in radians that a path (T, 2) sweeps around its middle."""
    spokes = path - path.mean(0)
    angles = np.unwrap(np.arctan2(spokes[:, 1], spokes[:, 0]))
    return float(abs(angles[-1] - angles[0])) if len(path) > 2 else 0.0


def _spread(path: np.ndarray) -> float:
    """Diagonal of the box around a path (T, 2)."""
    return float(np.hypot(*np.ptp(path, axis=0)))


def _circling(path: np.ndarray) -> tuple[bool, bool]:
    """Certain and possible for one path (T, 2) in units of the shorter side."""
    moved, turn = _spread(path), _turn(path)
    certain = len(path) >= 5 and moved > 0.12 and turn >= FULL_TURN
    length = float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())
    straight = length == 0 or np.linalg.norm(path[-1] - path[0]) > 0.9 * length
    return certain, certain or not (straight or moved < STILL or turn < NO_TURN)


def _object_motions(path: np.ndarray, inside: np.ndarray) -> dict[str, tuple[bool, bool]]:
    """(certain, possible) of every motion word for one object.

    ``path`` (S, 2) holds the places where it is seen, in units of the shorter side; ``inside`` (T,)
    covers all frames. An object never seen or seen once has no motion that is certain.
    """
    if len(path) < 2:
        return dict.fromkeys(MOTIONS, (False, True))
    circling = _circling(path)
    shift = path[-1] - path[0]
    found = {'circling': circling, 'still': (_spread(path) <= STILL, _spread(path) < NOT_STILL)}
    for word, direction in DIRECTIONS.items():
        ahead = float(shift @ np.array(direction))
        aside = float(np.abs(shift @ np.array(direction[::-1])))
        certain = ahead >= MOVING and aside <= 0.4 * ahead and not circling[1]
        found[word] = (certain, ahead > NOT_MOVING and not circling[0])
    for word, edge in (('entering', inside), ('leaving', inside[::-1])):
        found[word] = (bool(edge[0] == 0 and edge[-1] >= 0.5), bool(edge[0] < 0.5))
    return found


def _motions(seen: Observation) -> dict[str, Verdict]:
    side = min(seen.size)
    found = [
        _object_motions(seen.centres[i][seen.visible[i] > 0] / side, seen.inside[i])
        for i in range(len(seen.centres))
    ]
    return {
        word: _verdict([item[word][0] for item in found], [item[word][1] for item in found])
        for word in MOTIONS
    }


def _positions(seen: Observation) -> dict[str, Verdict]:
    share = seen.centres / np.array([seen.size[1], seen.size[0]])
    along = {
        'left': share[..., 0],
        'right': 1 - share[..., 0],
        'top': share[..., 1],
        'bottom': 1 - share[..., 1],
    }
    shown = seen.visible > 0
    return {
        word: _verdict(
            [
                bool(shown[i].any() and (place[i][shown[i]] < ON_SIDE).all())
                for i in range(len(place))
            ],
            [
                not (shown[i].any() and (place[i][shown[i]] > OFF_SIDE).all())
                for i in range(len(place))
            ],
        )
        for word, place in along.items()
    }


def _beside(seen: Observation, x: int, y: int, direction: tuple[int, int]) -> tuple[bool, bool]:
    """(certain, possible) of "x lies in ``direction`` of y", over the frames that show both."""
    both = (seen.visible[x] > 0) & (seen.visible[y] > 0)
    if not both.any():
        return False, True
    offset = (seen.centres[x] - seen.centres[y])[both] / min(seen.size) @ np.array(direction)
    return bool((offset >= BESIDE).all()), bool((offset > NOT_BESIDE).mean() > 0.25)


def _in_front(seen: Observation, x: int, y: int, passing: bool) -> tuple[bool, bool]:
    """(certain, possible) of "x hides a part of y"; ``passing``: and not all the time.

    A single frame shows no passing: there it is neither certain nor ruled out.
    """
    if passing and len(seen.inside[x]) < 2:
        return False, True
    closer = bool(seen.depth[x] > seen.depth[y])
    both = (seen.inside[x] > 0) & (seen.inside[y] > 0)
    if not (closer and both.any()):
        return False, False
    shared = seen.overlap[x, y][both]
    apart = bool(shared.min() == 0.0) or not passing
    return apart and bool(shared.max() >= OVERLAP), bool(shared.max() > NO_OVERLAP)


def _relation(seen: Observation, word: str, x: int, y: int) -> tuple[bool, bool]:
    """(certain, possible) of "x is <word> y"."""
    if x == y:
        return False, False
    if word.endswith('in front of'):
        return _in_front(seen, x, y, word.startswith('passing'))
    if word.endswith('behind'):
        return _in_front(seen, y, x, word.startswith('passing'))
    direction = {'left of': 'left', 'right of': 'right', 'above': 'up', 'below': 'down'}[word]
    return _beside(seen, x, y, DIRECTIONS[direction])


def _relations(seen: Observation) -> dict[str, tuple[Verdict, ...]]:
    count = len(seen.centres)
    table: dict[str, tuple[Verdict, ...]] = {}
    for word in RELATIONS:
        found = [[_relation(seen, word, x, y) for x in range(count)] for y in range(count)]
        table[word] = tuple(
            _verdict([pair[0] for pair in row], [pair[1] for pair in row]) for row in found
        )
    return table


def establish(seen: Observation) -> Facts:
    """All verdicts on a world."""
    attributes = {
        (field, word): sum(
            1 << i for i, words in enumerate(seen.attributes) if words[field] == word
        )
        for field, vocabulary in ATTRIBUTES.items()
        for word in vocabulary
    }
    return Facts(
        count=len(seen.attributes),
        attributes=attributes,
        motions=_motions(seen),
        positions=_positions(seen),
        relations=_relations(seen),
    )
