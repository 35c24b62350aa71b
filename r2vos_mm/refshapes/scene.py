"""One RefShapes video, complete: world, pixels, facts and sentences.

``build_scene`` is a pure function of (seed, split, index) and the parameters; that is what makes
the data set the same for any number of workers.
"""

import zlib
from dataclasses import dataclass, replace

import numpy as np

from .facts import Facts, Observation, establish, observe
from .grammar import Sentence, describe
from .render import Rendering, full_masks, render, visible_ids
from .world import World, draw_world

MIN_VISIBLE_AREA = 40.0
"""Pixels of an object that must be seen, at the reference side, in half of the frames."""
MAX_DRAWS = 60


@dataclass(frozen=True)
class SceneParams:
    """What a video is made of: ``size`` = (height, width) pixels, ``length`` frames."""

    size: tuple[int, int] = (128, 128)
    length: int = 8
    num_objects: tuple[int, int] = (2, 5)
    sentences_per_object: int = 4

    def __post_init__(self) -> None:
        if min(self.size) < 16:
            raise ValueError(f'RefShapes size {self.size}: both sides must be at least 16 pixels')
        if self.length < 1:
            raise ValueError(f'RefShapes length {self.length}: a video needs at least 1 frame')
        low, high = self.num_objects
        if not 1 <= low <= high <= 20:
            raise ValueError(
                f'RefShapes num_objects {self.num_objects}: need 1 <= low <= high <= 20'
            )
        if self.sentences_per_object < 1:
            raise ValueError(
                f'RefShapes sentences_per_object {self.sentences_per_object}: need at least 1'
            )


@dataclass(frozen=True)
class Expression:
    """A sentence and the index (not id) of the one object that it names."""

    index: int
    sentence: Sentence


@dataclass(frozen=True)
class Scene:
    """One finished video. ``rendering.ids`` holds object i as i + 1."""

    world: World
    rendering: Rendering
    observation: Observation
    facts: Facts
    expressions: tuple[Expression, ...]


def _seen_enough(world: World, ids: np.ndarray) -> list[int]:
    """Indices of the objects that show a sensible area in at least half of the frames."""
    least = max(MIN_VISIBLE_AREA * world.scale**2, 1.0)
    return [
        index
        for index in range(len(world.objects))
        if 2 * int(((ids == index + 1).sum((1, 2)) >= least).sum()) >= world.length
    ]


def _draw_visible_world(params: SceneParams, rng: np.random.Generator) -> World:
    """A world all of whose objects can be seen well.

    Crowded parameters may admit none: then the objects that cannot be seen are left out, which
    only uncovers others; an object alone is always seen.
    """
    for _ in range(MAX_DRAWS):
        world = draw_world(params.size, params.length, params.num_objects, rng)
        seen = _seen_enough(world, visible_ids(world, full_masks(world)[0]))
        if len(seen) == len(world.objects):
            return world
    kept = seen or [int(np.argmax([item.depth for item in world.objects]))]
    return replace(world, objects=tuple(world.objects[index] for index in kept))


def build_scene(params: SceneParams, *, seed: int, split: str, index: int) -> Scene:
    """Build video ``index`` of a split; world, paint and words have random streams of their own."""
    entropy = [seed, zlib.crc32(split.encode()), index]
    shaping, painting, wording = (
        np.random.default_rng(child) for child in np.random.SeedSequence(entropy).spawn(3)
    )
    for _ in range(MAX_DRAWS):
        world = _draw_visible_world(params, shaping)
        masks, inside = full_masks(world)
        rendering = render(world, masks, inside, painting)
        observation = observe(world, rendering.visible, inside, rendering.overlap)
        facts = establish(observation)
        expressions = tuple(
            Expression(number, sentence)
            for number in range(facts.count)
            for sentence in describe(
                number, observation.attributes, facts, params.sentences_per_object, wording
            )
        )
        if expressions:
            return Scene(world, rendering, observation, facts, expressions)
    raise RuntimeError(
        f'RefShapes {split} video {index} (seed {seed}): no sentence names a single '
        f'object in {MAX_DRAWS} worlds; allow fewer objects or larger frames'
    )
