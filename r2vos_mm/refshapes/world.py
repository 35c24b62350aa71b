"""The worlds of RefShapes: which objects a video holds and how they move.

A world is drawn from one ``numpy.random.Generator`` and holds no pixels. Coordinates are pixels,
x to the right and y down; every length scales with the shorter side of the frame (``scale``), so
a world looks alike at every resolution. Letters: N objects, T frames, H x W pixels.
"""

from dataclasses import dataclass

import numpy as np

from r2vos_mm.datasets.refshapes_words import ATTRIBUTES

REFERENCE_SIDE = 128.0
"""Side of the frame, in pixels, in which the lengths of this file are given."""
RADII: dict[str, tuple[float, float]] = {'small': (8.5, 11.5), 'large': (17.0, 24.0)}
"""Radius of the size classes at the reference side: 5 px apart, so none is borderline."""

DIRECTIONS: dict[str, tuple[int, int]] = {
    'left': (-1, 0),
    'right': (1, 0),
    'up': (0, -1),
    'down': (0, 1),
}
MOTION_SHARES: dict[str, float] = {
    'left': 0.13,
    'right': 0.13,
    'up': 0.13,
    'down': 0.13,
    'still': 0.18,
    'circling': 0.12,
    'entering': 0.10,
    'leaving': 0.08,
}
MIN_CIRCLING_FRAMES = 6
"""A circle sampled in fewer frames cannot be told from a zigzag."""


@dataclass(frozen=True)
class ShapeObject:
    """One object of a world.

    ``path`` (T, 2) holds the centre in every frame (x, y; pixels, may lie outside the frame),
    ``angle`` (T,) the rotation in radians, ``depth`` the place in the painting order (larger is
    closer to the viewer). ``motion`` is only the recipe the path was drawn from: what is true of
    the object is measured on its path (:mod:`.facts`).
    """

    colour: str
    shape: str
    size: str
    texture: str
    radius: float
    motion: str
    path: np.ndarray
    angle: np.ndarray
    depth: int

    def attribute(self, field: str) -> str:
        """The word of one attribute, ``field`` being a key of ``ATTRIBUTES``."""
        return getattr(self, field)


@dataclass(frozen=True)
class World:
    """Objects that share one video of ``length`` frames of ``size`` = (height, width) pixels."""

    size: tuple[int, int]
    length: int
    objects: tuple[ShapeObject, ...]

    @property
    def scale(self) -> float:
        """Factor from the reference side to this frame's shorter side."""
        return min(self.size) / REFERENCE_SIDE


def _random_attributes(rng: np.random.Generator) -> dict[str, str]:
    return {field: str(rng.choice(words)) for field, words in ATTRIBUTES.items()}


def _distractor(base: dict[str, str], rng: np.random.Generator) -> dict[str, str]:
    """A copy of ``base`` that differs in one attribute, seldom in two or in none (a twin)."""
    changes = int(rng.choice([0, 1, 2], p=[0.10, 0.65, 0.25]))
    copy = dict(base)
    for field in rng.permutation(list(ATTRIBUTES))[:changes]:
        others = [word for word in ATTRIBUTES[field] if word != base[field]]
        copy[str(field)] = str(rng.choice(others))
    return copy


def _draw_motion(length: int, taken: set[str], rng: np.random.Generator) -> str:
    names = [name for name in MOTION_SHARES if name not in taken]
    if length < MIN_CIRCLING_FRAMES:
        names = [name for name in names if name != 'circling']
    if length == 1 or not names:
        return 'still'
    shares = np.array([MOTION_SHARES[name] for name in names])
    return str(rng.choice(names, p=shares / shares.sum()))


def _inside(low: float, high: float, rng: np.random.Generator) -> float:
    """Uniform in [low, high]; the middle when the interval is empty (object as big as frame)."""
    return float(rng.uniform(low, high)) if low < high else (low + high) / 2


def _start_in(extent: float, margin: float, shift: float, rng: np.random.Generator) -> float:
    """A coordinate that stays ``margin`` away from both borders before and after ``shift``."""
    return _inside(margin - min(shift, 0.0), extent - margin - max(shift, 0.0), rng)


def _straight_path(
    direction: str, size: tuple[int, int], radius: float, time: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    side, margin = min(size), 0.7 * radius
    step = np.array(DIRECTIONS[direction]) * rng.uniform(0.32, 0.56) * side
    start = [_start_in(size[1], margin, step[0], rng), _start_in(size[0], margin, step[1], rng)]
    return start + time[:, None] * step


def _entering_path(
    size: tuple[int, int], radius: float, time: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """From outside, where not a pixel shows, straight into the frame."""
    axis = int(rng.integers(2))
    extent, across = size[1 - axis], size[axis]
    outside = -1.3 * radius - 2
    inside = _inside(max(0.32 * extent, radius), 0.62 * extent, rng)
    track = outside + time * (inside - outside)
    if rng.integers(2):
        track = extent - track
    path = np.empty((len(time), 2))
    path[:, axis] = track
    path[:, 1 - axis] = _start_in(across, 0.9 * radius, 0.0, rng)
    return path


def _circling_path(
    size: tuple[int, int], radius: float, time: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    orbit = rng.uniform(0.09, 0.14) * min(size)
    margin = orbit + 0.7 * radius
    centre = [_start_in(size[1], margin, 0.0, rng), _start_in(size[0], margin, 0.0, rng)]
    sweep = rng.choice([-1, 1]) * rng.uniform(0.95, 1.25) * 2 * np.pi
    phase = rng.uniform(0, 2 * np.pi) + sweep * time
    return centre + orbit * np.stack([np.cos(phase), np.sin(phase)], axis=1)


def draw_path(
    motion: str, size: tuple[int, int], radius: float, length: int, rng: np.random.Generator
) -> np.ndarray:
    """Centres (T, 2) of an object of ``radius`` pixels that moves as ``motion`` says."""
    time = np.linspace(0.0, 1.0, length) if length > 1 else np.zeros(1)
    if motion == 'still':
        margin = 0.8 * radius
        spot = [_start_in(size[1], margin, 0.0, rng), _start_in(size[0], margin, 0.0, rng)]
        return np.tile(np.array(spot), (length, 1))
    if motion == 'circling':
        return _circling_path(size, radius, time, rng)
    if motion == 'entering':
        return _entering_path(size, radius, time, rng)
    if motion == 'leaving':
        return _entering_path(size, radius, time[::-1], rng)
    return _straight_path(motion, size, radius, time, rng)


def _draw_object(
    attributes: dict[str, str],
    taken_motions: set[str],
    size: tuple[int, int],
    length: int,
    depth: int,
    rng: np.random.Generator,
) -> ShapeObject:
    radius = float(rng.uniform(*RADII[attributes['size']])) * min(size) / REFERENCE_SIDE
    motion = _draw_motion(length, taken_motions, rng)
    path = draw_path(motion, size, radius, length, rng)
    swing = rng.uniform(0.0, 0.18) * np.sin(rng.uniform(0, 6.28) + np.linspace(0, 4.0, length))
    angle = rng.uniform(-0.3, 0.3) + swing
    return ShapeObject(
        radius=radius, motion=motion, path=path, angle=angle, depth=depth, **attributes
    )


def draw_world(
    size: tuple[int, int], length: int, num_objects: tuple[int, int], rng: np.random.Generator
) -> World:
    """Draw a world: a first object, then mostly distractors of the objects already there.

    An object that differs in one attribute makes that attribute necessary in a sentence; a twin
    (all attributes equal) gets another motion, so that only motion or place tell them apart.
    """
    count = int(rng.integers(num_objects[0], num_objects[1] + 1))
    depths = rng.permutation(count)
    objects: list[ShapeObject] = []
    for index in range(count):
        attributes = _random_attributes(rng)
        if objects and rng.random() < 0.60:
            base = objects[int(rng.integers(len(objects)))]
            attributes = _distractor({field: base.attribute(field) for field in ATTRIBUTES}, rng)
        taken = {
            other.motion
            for other in objects
            if all(other.attribute(field) == attributes[field] for field in ATTRIBUTES)
        }
        objects.append(_draw_object(attributes, taken, size, length, int(depths[index]), rng))
    return World(size=size, length=length, objects=tuple(objects))
