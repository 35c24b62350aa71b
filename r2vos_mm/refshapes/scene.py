"""Build a RefShapes video: world, pixels, facts and sentences.

``build_scene`` depends on (seed, split, index) and the parameters only, not on workers.
"""

import zlib
from dataclasses import dataclass, replace
from itertools import compress

import numpy as np
from numpy.random import Generator

from .facts import Facts, Observation, establish
from .render import draw_masks, overlaps, paint_frames
from .sentences import Sentence, describe
from .world import World, draw_world

MIN_VISIBLE_AREA = 40.0  # visible pixels at the reference side, in half of the frames
MAX_DRAWS = 60


@dataclass(frozen=True)
class SceneParams:
    """Parameters of a video.

    Attributes:
        size: (height, width) in pixels.
        length: number of frames.
        num_objects: minimum and maximum number of objects.
        sentences_per_object: maximum number of sentences per object.

    Raises:
        ValueError: a parameter is out of range.
    """

    size: tuple[int, int] = (128, 128)
    length: int = 8
    num_objects: tuple[int, int] = (2, 5)
    sentences_per_object: int = 4

    def __post_init__(self) -> None:
        low, high = self.num_objects
        for name, is_valid, rule in (
            ('size', min(self.size) >= 16, 'both sides must be at least 16 pixels'),
            ('length', self.length >= 1, 'a video needs at least 1 frame'),
            ('num_objects', 1 <= low <= high <= 20, 'need 1 <= low <= high <= 20'),
            ('sentences_per_object', self.sentences_per_object >= 1, 'need at least 1'),
        ):
            if not is_valid:
                raise ValueError(f'RefShapes {name} {getattr(self, name)}: {rule}')


@dataclass(frozen=True)
class Scene:
    """A video of N objects and T frames.

    Attributes:
        world: the objects and their paths.
        frames: uint8 (T, H, W, 3) RGB.
        ids: uint8 (T, H, W), 0 for the background and i + 1 where object i is visible.
        observation: measurements of the objects.
        facts: what is true of them.
        expressions: (index of the one object it names, sentence) of each expression.
    """

    world: World
    frames: np.ndarray
    ids: np.ndarray
    observation: Observation
    facts: Facts
    expressions: tuple[tuple[int, Sentence], ...]


def _observe(world: World) -> tuple[np.ndarray, Observation]:
    """Return ids (T, H, W) and the measurements of a world."""
    masks, inside, ids = draw_masks(world)
    attributes, paths, depths = zip(*((o.attributes, o.path, o.depth) for o in world.objects))
    visible = np.stack([(ids == i).sum((1, 2)) for i in range(1, len(masks) + 1)])
    measured = (np.stack(paths), np.array(depths), visible, inside, overlaps(masks))
    return ids, Observation(world.size, attributes, *measured)


def _draw_visible_world(
    params: SceneParams, rng: Generator
) -> tuple[World, np.ndarray, Observation]:
    """Draw a world each of whose objects is visible in half of the frames, and observe it."""
    for _ in range(MAX_DRAWS):
        world = draw_world(params.size, params.length, params.num_objects, rng)
        ids, seen = _observe(world)
        shown = (seen.visible >= max(MIN_VISIBLE_AREA * world.scale**2, 1.0)).mean(1) >= 0.5
        if shown.all():
            return world, ids, seen
    # Crowded parameters permit none: remove hidden objects, which only uncovers others.
    if not shown.any():
        shown[np.argmax(seen.depth)] = True
    world = replace(world, objects=tuple(compress(world.objects, shown)))
    return world, *_observe(world)


def build_scene(params: SceneParams, *, seed: int, split: str, index: int) -> Scene:
    """Build video ``index`` of a split; world, paint and words have separate random streams.

    Raises:
        RuntimeError: the parameters permit no sentence about a single object.
    """
    entropy = np.random.SeedSequence([seed, zlib.crc32(split.encode()), index])
    shaping, painting, wording = map(np.random.default_rng, entropy.spawn(3))
    for _ in range(MAX_DRAWS):
        world, ids, observation = _draw_visible_world(params, shaping)
        frames, facts = paint_frames(world, painting), establish(observation)
        expressions = tuple(
            (number, sentence)
            for number in range(facts.count)
            for sentence in describe(number, facts, params.sentences_per_object, wording)
        )
        if expressions:
            return Scene(world, frames, ids, observation, facts, expressions)
    raise RuntimeError(
        f'RefShapes {split} video {index} (seed {seed}): no sentence names a single '
        f'object in {MAX_DRAWS} worlds; allow fewer objects or larger frames'
    )
