"""Frames and masks of a RefShapes world.

Objects are painted back to front over a calm background. Each has anti-aliased edges, a bevel,
light from the upper left, and a soft shadow that also falls on the objects behind it: the cue
that tells which of two is in front. Letters: N objects, T frames, H x W pixels.
"""

import colorsys
import math
from dataclasses import dataclass

import cv2
import numpy as np

from .outlines import OUTLINES
from .world import ShapeObject, World

HUES: dict[str, tuple[float, float, float]] = {
    'red': (0.990, 0.84, 0.86),
    'yellow': (0.135, 0.86, 0.95),
    'green': (0.360, 0.72, 0.68),
    'blue': (0.605, 0.80, 0.88),
    'purple': (0.775, 0.62, 0.78),
    'white': (0.11, 0.04, 0.95),
}
"""Hue, saturation and value of the colour words, all in [0, 1]."""


@dataclass(frozen=True)
class Rendering:
    """What a world looks like and what of it can be seen.

    ``frames`` uint8 (T, H, W, 3) RGB; ``ids`` uint8 (T, H, W), 0 background, i + 1 = object i where
    it is the one seen; ``visible`` int (N, T) pixels seen; ``inside`` float (N, T) part of the
    object's full area within the frame; ``overlap`` float (N, N, T) shared area of two objects,
    hidden parts included, over the smaller one's area within the frame.
    """

    frames: np.ndarray
    ids: np.ndarray
    visible: np.ndarray
    inside: np.ndarray
    overlap: np.ndarray


@dataclass(frozen=True)
class _Window:
    """Part of the pixel grid around one object: local coordinates and what lies in the frame."""

    u: np.ndarray
    v: np.ndarray
    on_frame: tuple[slice, slice]
    on_window: tuple[slice, slice]


BODY_REACH, SHADOW_REACH = 1.27, 1.72
"""No outline, and no shadow, ends farther from the centre than this many radii."""


def _window(item: ShapeObject, frame: int, size: tuple[int, int], reach: float) -> _Window:
    reach = int(np.ceil(reach * item.radius)) + 2
    cx, cy = map(float, item.path[frame])
    left, top = int(np.floor(cx)) - reach, int(np.floor(cy)) - reach
    span = 2 * reach + 1
    x = (np.arange(left, left + span, dtype=np.float32) - cx + 0.5)[None] / item.radius
    y = (np.arange(top, top + span, dtype=np.float32) - cy + 0.5)[:, None] / item.radius
    cos, sin = math.cos(item.angle[frame]), math.sin(item.angle[frame])
    x0, x1 = (int(np.clip(edge, 0, size[1])) for edge in (left, left + span))
    y0, y1 = (int(np.clip(edge, 0, size[0])) for edge in (top, top + span))
    return _Window(
        u=x * cos + y * sin,
        v=y * cos - x * sin,
        on_frame=(slice(y0, y1), slice(x0, x1)),
        on_window=(slice(y0 - top, max(y1, y0) - top), slice(x0 - left, max(x1, x0) - left)),
    )


def full_masks(world: World) -> tuple[np.ndarray, np.ndarray]:
    """Masks (N, T, H, W) bool of the objects with nothing hidden, and their ``inside`` (N, T)."""
    count = len(world.objects)
    masks = np.zeros((count, world.length, *world.size), bool)
    inside = np.zeros((count, world.length))
    for index, item in enumerate(world.objects):
        for frame in range(world.length):
            window = _window(item, frame, world.size, BODY_REACH)
            solid = OUTLINES[item.shape](window.u, window.v) <= 0
            masks[index, frame][window.on_frame] = solid[window.on_window]
            inside[index, frame] = masks[index, frame].sum() / max(int(solid.sum()), 1)
    return masks, inside


def visible_ids(world: World, masks: np.ndarray) -> np.ndarray:
    """Ids uint8 (T, H, W) of the object seen at every pixel, from the full masks (N, T, H, W)."""
    ids = np.zeros(masks.shape[1:], np.uint8)
    for index in sorted(range(len(world.objects)), key=lambda i: world.objects[i].depth):
        ids[masks[index]] = index + 1
    return ids


def overlaps(masks: np.ndarray) -> np.ndarray:
    """Shared area of two full masks over the smaller one's, (N, N, T), from masks (N, T, H, W)."""
    flat = masks.reshape(*masks.shape[:2], -1).astype(np.float32).transpose(1, 0, 2)
    shared = flat @ flat.transpose(0, 2, 1)
    area = flat.sum(-1)
    smaller = np.minimum(area[:, :, None], area[:, None, :])
    return (shared / np.maximum(smaller, 1.0)).transpose(1, 2, 0)


def _rgb(hue: float, saturation: float, value: float) -> np.ndarray:
    return np.array(colorsys.hsv_to_rgb(hue % 1.0, saturation, value), np.float32)


@dataclass(frozen=True)
class _Paint:
    """Colours and texture measures of one object, drawn once per video."""

    base: np.ndarray
    accent: np.ndarray
    period: float
    tilt: float
    offset: float


def _draw_paint(item: ShapeObject, scale: float, rng: np.random.Generator) -> _Paint:
    hue, saturation, value = HUES[item.colour]
    base = _rgb(
        hue + rng.uniform(-0.012, 0.012),
        saturation * rng.uniform(0.92, 1.06),
        min(value * rng.uniform(0.93, 1.05), 1.0),
    )
    lighter = base + (1.0 - base) * 0.72
    darker = base * (0.46 if item.colour == 'white' else 0.34)
    prefers_dark = item.colour in ('white', 'yellow') or rng.random() < 0.4
    period = max(0.55 * item.radius, 5.6 * scale) / item.radius
    return _Paint(
        base=base,
        accent=darker if prefers_dark else lighter,
        period=period * float(rng.uniform(0.95, 1.15)),
        tilt=float(rng.choice([0.0, 0.25, 0.5, 0.75])) * np.pi,
        offset=float(rng.uniform(0.0, 1.0)),
    )


def _accent_share(item: ShapeObject, paint: _Paint, window: _Window) -> np.ndarray | None:
    """Share (h, w) of the accent colour at every pixel; None for a plain object."""
    if item.texture == 'plain':
        return None
    pixel = 1.0 / item.radius
    cos, sin = math.cos(paint.tilt), math.sin(paint.tilt)
    along = (window.u * cos + window.v * sin) / paint.period + paint.offset
    if item.texture == 'striped':
        wave = np.abs((along % 1.0) - 0.5) * paint.period
        return np.clip((0.235 * paint.period - wave) / pixel + 0.5, 0.0, 1.0)
    across = (window.v * cos - window.u * sin) / paint.period + paint.offset
    row = np.floor(across)
    dots = np.hypot((along + 0.5 * row) % 1.0 - 0.5, across - row - 0.5) * paint.period
    return np.clip((0.30 * paint.period - dots) / pixel + 0.5, 0.0, 1.0)


def _surface(item: ShapeObject, paint: _Paint, window: _Window, distance: np.ndarray) -> np.ndarray:
    """Colour (h, w, 3) of an object: texture, bevel, light from the upper left and a gleam."""
    share = _accent_share(item, paint, window)
    colour = (
        paint.base
        if share is None
        else (paint.base + share[..., None] * (paint.accent - paint.base))
    )
    depth = np.clip(-distance / 0.22, 0.0, 1.0)
    bevel = depth * (2.0 - depth)
    light = 0.80 + 0.16 * bevel - 0.11 * (window.u + window.v) * 0.7071
    gleam = 0.22 * np.exp(-((window.u + 0.32) ** 2 + (window.v + 0.38) ** 2) / 0.05) * bevel
    return np.clip(colour * light[..., None] + gleam[..., None], 0.0, 1.0)


def _cast_shadow(canvas: np.ndarray, item: ShapeObject, frame: int) -> None:
    """Darken ``canvas`` (H, W, 3) to the lower right of an object, in place."""
    window = _window(item, frame, canvas.shape[:2], SHADOW_REACH)
    cos, sin = math.cos(item.angle[frame]), math.sin(item.angle[frame])
    dx, dy = 0.14, 0.20
    fall = OUTLINES[item.shape](window.u - (dx * cos + dy * sin), window.v - (dy * cos - dx * sin))
    share = np.clip(0.5 - fall / 0.42, 0.0, 1.0)[window.on_window][..., None]
    canvas[window.on_frame] *= 1.0 - 0.42 * share * np.sqrt(share)


def _paint_object(canvas: np.ndarray, item: ShapeObject, paint: _Paint, frame: int) -> None:
    """Lay the shadow and then the object over ``canvas`` (H, W, 3), in place."""
    _cast_shadow(canvas, item, frame)
    window = _window(item, frame, canvas.shape[:2], BODY_REACH)
    distance = OUTLINES[item.shape](window.u, window.v)
    cover = np.clip(0.5 - distance * item.radius, 0.0, 1.0)[window.on_window][..., None]
    patch = canvas[window.on_frame]
    patch += cover * (_surface(item, paint, window, distance)[window.on_window] - patch)


def _soft_noise(size: tuple[int, int], cells: int, rng: np.random.Generator) -> np.ndarray:
    grid = rng.standard_normal((cells + 2, cells + 2)).astype(np.float32)
    return cv2.resize(grid, (size[1], size[0]), interpolation=cv2.INTER_CUBIC)


def _pattern(size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """A faint regular pattern (H, W) in [-1, 1], or none."""
    side = min(size)
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float32) / side
    turn, pitch = rng.uniform(0, np.pi), rng.uniform(14.0, 34.0)
    first = np.sin(pitch * (x * np.cos(turn) + y * np.sin(turn)))
    second = np.sin(pitch * (y * np.cos(turn) - x * np.sin(turn)))
    kind = int(rng.integers(4))
    return (np.zeros_like(first), first, first * second, np.maximum(first, second))[kind]


def draw_background(size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Background float32 (H, W, 3) in [0, 1]: a muted gradient with faint texture.

    Less saturated and darker than any object, so that no object colour occurs in it.
    """
    hue = rng.uniform()
    ends = [
        _rgb(hue + rng.uniform(-0.12, 0.12), rng.uniform(0.10, 0.38), value)
        for value in (rng.uniform(0.24, 0.42), rng.uniform(0.42, 0.66))
    ]
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float32)
    x, y = x / max(size[1] - 1, 1) - 0.5, y / max(size[0] - 1, 1) - 0.5
    turn = rng.uniform(0, 2 * np.pi)
    ramp = np.clip(
        0.5 + 0.8 * (x * np.cos(turn) + y * np.sin(turn)) + 0.12 * _soft_noise(size, 3, rng),
        0.0,
        1.0,
    )
    colour = ends[0] + ramp[..., None] * (ends[1] - ends[0])
    relief = (
        0.020 * _soft_noise(size, 10, rng)
        + 0.014 * _soft_noise(size, 36, rng)
        + rng.uniform(0.015, 0.04) * _pattern(size, rng)
    )
    vignette = 1.0 - 0.45 * (x**2 + y**2)
    return np.clip((colour + relief[..., None]) * vignette[..., None], 0.0, 0.80)


def render(
    world: World, masks: np.ndarray, inside: np.ndarray, rng: np.random.Generator
) -> Rendering:
    """Paint all frames of a world whose full masks (N, T, H, W) and ``inside`` are known."""
    background = draw_background(world.size, rng)
    paints = [_draw_paint(item, world.scale, rng) for item in world.objects]
    order = sorted(range(len(world.objects)), key=lambda i: world.objects[i].depth)
    frames = np.empty((world.length, *world.size, 3), np.uint8)
    for frame in range(world.length):
        canvas = background.copy()
        for index in order:
            _paint_object(canvas, world.objects[index], paints[index], frame)
        canvas += 0.008 * rng.standard_normal(canvas.shape[:2], dtype=np.float32)[..., None]
        frames[frame] = np.clip(canvas * 255.0 + 0.5, 0, 255).astype(np.uint8)
    ids = visible_ids(world, masks)
    visible = np.stack([(ids == index + 1).sum((1, 2)) for index in range(len(world.objects))])
    return Rendering(
        frames=frames, ids=ids, visible=visible, inside=inside, overlap=overlaps(masks)
    )
