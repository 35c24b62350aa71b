"""Draw the worlds of RefShapes: the objects of a video and their paths.

A world contains no pixels. Coordinates are in pixels, x to the right and y down; all lengths scale
with the shorter side of the frame, so a world looks the same at every resolution.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from r2vos_mm.datasets.refshapes_words import ATTRIBUTES

REFERENCE_SIDE = 128.0  # side of the frame, in pixels, for which lengths are given here
RADII = dict(small=(8.5, 11.5), large=(17.0, 24.0))
DIRECTIONS = dict(left=(-1, 0), right=(1, 0), up=(0, -1), down=(0, 1))
MOTION_SHARES = dict.fromkeys(DIRECTIONS, 0.13)
MOTION_SHARES |= dict(still=0.18, circling=0.12, entering=0.10, leaving=0.08)
MIN_CIRCLING_FRAMES = 6  # in fewer frames, a circle looks like a zigzag


@dataclass(frozen=True)
class ShapeObject:
    """One object of a world.

    Attributes:
        attributes: its words by the keys of ``ATTRIBUTES``.
        radius: in pixels.
        motion: how the path was drawn. Facts are measured on the path itself (:mod:`.facts`).
        path: centre (x, y) in each frame (T, 2), in pixels; may lie outside the frame.
        angle: rotation in each frame (T,), in radians.
        depth: position in the painting order; larger is closer to the viewer.
    """

    attributes: dict[str, str]
    radius: float
    motion: str
    path: np.ndarray
    angle: np.ndarray
    depth: int


@dataclass(frozen=True)
class World:
    """Objects of a video of ``length`` frames of ``size`` = (height, width) pixels."""

    size: tuple[int, int]
    length: int
    objects: tuple[ShapeObject, ...]

    @property
    def scale(self) -> float:
        """Factor from the reference side to the shorter side of the frame."""
        return min(self.size) / REFERENCE_SIDE


def _distractor(base: dict[str, str], rng: Generator) -> dict[str, str]:
    """Copy attributes, mostly changing one, rarely two or none (a twin)."""
    changes = int(rng.choice([0, 1, 2], p=[0.10, 0.65, 0.25]))
    copy = dict(base)
    for field in rng.permutation(list(ATTRIBUTES))[:changes]:
        others = [word for word in ATTRIBUTES[field] if word != base[field]]
        copy[str(field)] = str(rng.choice(others))
    return copy


def _draw_motion(length: int, taken: set[str], rng: Generator) -> str:
    if length < MIN_CIRCLING_FRAMES:
        taken = taken | {'circling'}
    names = [name for name in MOTION_SHARES if name not in taken]
    if length == 1 or not names:
        return 'still'
    shares = np.array([MOTION_SHARES[name] for name in names])
    return str(rng.choice(names, p=shares / shares.sum()))


def _between(low: float, high: float, rng: Generator) -> float:
    """Draw from [low, high]; the middle if the object is too large and the interval empty."""
    return float(rng.uniform(low, high)) if low < high else (low + high) / 2


def _start(extent: float, margin: float, shift: float, rng: Generator) -> float:
    """Draw a coordinate that keeps ``margin`` to both borders before and after ``shift``."""
    return _between(margin - min(shift, 0.0), extent - margin - max(shift, 0.0), rng)


def draw_path(
    motion: str, size: tuple[int, int], radius: float, length: int, rng: Generator
) -> np.ndarray:
    """Draw the centres (T, 2) of an object of ``radius`` pixels with the given motion."""
    time = np.linspace(0.0, 1.0, length)[:, None]
    if motion in ('entering', 'leaving'):
        return _entering_path(size, radius, time if motion == 'entering' else time[::-1], rng)
    margin, step, orbit = 0.7 * radius, np.zeros(2), 0.0
    if motion == 'still':
        margin = 0.8 * radius
    elif motion == 'circling':
        orbit = rng.uniform(0.09, 0.14) * min(size)
        margin = orbit + 0.7 * radius
    else:
        step = np.array(DIRECTIONS[motion]) * rng.uniform(0.32, 0.56) * min(size)
    start = [_start(size[1 - axis], margin, step[axis], rng) for axis in (0, 1)]
    if motion != 'circling':
        return start + time * step
    sweep = rng.choice([-1, 1]) * rng.uniform(0.95, 1.25) * 2 * np.pi
    phase = rng.uniform(0, 2 * np.pi) + sweep * time
    return start + orbit * np.hstack([np.cos(phase), np.sin(phase)])


def _entering_path(
    size: tuple[int, int], radius: float, time: np.ndarray, rng: Generator
) -> np.ndarray:
    """Move from outside, where no pixel is visible, straight into the frame."""
    axis = int(rng.integers(2))
    extent, across = size[1 - axis], size[axis]
    outside = -1.3 * radius - 2
    inside = _between(max(0.32 * extent, radius), 0.62 * extent, rng)
    track = outside + time * (inside - outside)
    if rng.integers(2):
        track = extent - track
    beside = np.full_like(track, _start(across, 0.9 * radius, 0.0, rng))
    return np.hstack([beside, track] if axis else [track, beside])


def draw_world(
    size: tuple[int, int], length: int, num_objects: tuple[int, int], rng: Generator
) -> World:
    """Draw a first object, then mostly distractors of the objects drawn before.

    An object that differs in one attribute makes that attribute necessary in a sentence. A twin
    (all attributes equal) gets another motion, so that only motion or position distinguish the two.
    """
    count = int(rng.integers(num_objects[0], num_objects[1] + 1))
    depths = rng.permutation(count)
    objects: list[ShapeObject] = []
    for depth in depths:
        attributes = {field: str(rng.choice(words)) for field, words in ATTRIBUTES.items()}
        if objects and rng.random() < 0.60:
            attributes = _distractor(objects[int(rng.integers(len(objects)))].attributes, rng)
        taken = {other.motion for other in objects if other.attributes == attributes}
        radius = float(rng.uniform(*RADII[attributes['size']])) * min(size) / REFERENCE_SIDE
        motion = _draw_motion(length, taken, rng)
        path = draw_path(motion, size, radius, length, rng)
        swing = rng.uniform(0.0, 0.18) * np.sin(rng.uniform(0, 6.28) + np.linspace(0, 4.0, length))
        angle = rng.uniform(-0.3, 0.3) + swing
        objects.append(ShapeObject(attributes, radius, motion, path, angle, int(depth)))
    return World(size, length, tuple(objects))
