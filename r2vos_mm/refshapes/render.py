"""Render frames and masks of a RefShapes world.

Objects are painted from back to front over a calm background, with anti-aliased edges, a bevel,
light from the upper left and a soft shadow. The shadow also falls on objects farther back, which
shows which of two is in front. Letters: N objects, T frames, H x W pixels.
"""

import colorsys
import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.random import Generator

from .world import ShapeObject, World

# Hue, saturation and value in [0, 1].
HUES = dict(
    red=(0.990, 0.84, 0.86),
    yellow=(0.135, 0.86, 0.95),
    green=(0.360, 0.72, 0.68),
    blue=(0.605, 0.80, 0.88),
    purple=(0.775, 0.62, 0.78),
    white=(0.11, 0.04, 0.95),
)
BODY_REACH, SHADOW_REACH = 1.27, 1.72  # upper bounds of outlines and shadows, in radii


def _square(u: np.ndarray, v: np.ndarray, half: float = 0.84, corner: float = 0.1) -> np.ndarray:
    """Return the distance to a square of half side ``half`` with rounded corners."""
    a, b = np.abs(u) - (half - corner), np.abs(v) - (half - corner)
    outside = np.hypot(np.maximum(a, 0.0), np.maximum(b, 0.0))
    return outside + np.minimum(np.maximum(a, b), 0.0) - corner


def _triangle(u: np.ndarray, v: np.ndarray, half: float = 0.95, corner: float = 0.08) -> np.ndarray:
    """Return the distance to an equilateral triangle, point up, with rounded corners."""
    root = math.sqrt(3.0)
    x, y = np.abs(u) - half, half / root - v + 0.12
    flip = x + root * y > 0
    x, y = np.where(flip, (x - root * y) / 2, x), np.where(flip, (-root * x - y) / 2, y)
    x = x - np.clip(x, -2 * half, 0.0)
    return -np.hypot(x, y) * np.sign(y) - corner


def _star(u: np.ndarray, v: np.ndarray, radius: float = 1.16, depth: float = 0.47) -> np.ndarray:
    """Return the distance to a five-pointed star; ``depth`` is inner over outer radius."""
    k1x, k1y = 0.809016994375, -0.587785252292
    x, y = np.abs(u), -v
    dot = np.maximum(k1x * x + k1y * y, 0.0)
    x, y = x - 2 * dot * k1x, y - 2 * dot * k1y
    dot = np.maximum(-k1x * x + k1y * y, 0.0)
    x, y = np.abs(x + 2 * dot * k1x), y - 2 * dot * k1y - radius
    edge_x, edge_y = -k1y * depth, k1x * depth - 1.0
    along = np.clip((x * edge_x + y * edge_y) / (edge_x**2 + edge_y**2), 0.0, radius)
    distance = np.hypot(x - edge_x * along, y - edge_y * along)
    return distance * np.sign(y * edge_x - x * edge_y) - 0.02


def _heart(u: np.ndarray, v: np.ndarray, scale: float = 1.72) -> np.ndarray:
    """Return the distance to a heart, tip down."""
    x, y = np.abs(u) / scale, (0.92 - v) / scale
    lobe = np.hypot(x - 0.25, y - 0.75) - math.sqrt(2.0) / 4
    slope = 0.5 * np.maximum(x + y, 0.0)
    below = np.sqrt(np.minimum(x**2 + (y - 1.0) ** 2, (x - slope) ** 2 + (y - slope) ** 2))
    return np.where(x + y > 1.0, lobe, below * np.sign(x - y)) * scale


# Signed distances (h, w) to the outlines of objects, negative inside, at local coordinates u, v
# (h, w); all in units of the object's radius, v down. Anti-aliasing, bevels and soft shadows are
# derived from them. The closed forms of the star and the heart follow the well-known 2-D distance
# functions by I. Quilez (iquilezles.org, "2D distance functions").
OUTLINES = dict(
    circle=lambda u, v: np.hypot(u, v) - 1.0,
    ring=lambda u, v: np.abs(np.hypot(u, v) - 0.76) - 0.28,  # radii 0.48 to 1.04
    **dict(square=_square, triangle=_triangle, star=_star, heart=_heart),
)


class _Window(NamedTuple):
    """Part of the pixel grid around an object, and where it lies in the frame."""

    u: np.ndarray
    v: np.ndarray
    on_frame: tuple[slice, slice]
    on_window: tuple[slice, slice]


def _window(item: ShapeObject, frame: int, size: tuple[int, ...], reach: float) -> _Window:
    reach = int(np.ceil(reach * item.radius)) + 2
    span = 2 * reach + 1
    axes, on_frame, on_window = [], [], []
    for centre, extent in zip(item.path[frame, ::-1].tolist(), size):
        low = int(np.floor(centre)) - reach
        axes.append((np.arange(low, low + span, dtype=np.float32) - centre + 0.5) / item.radius)
        first, last = (int(np.clip(edge, 0, extent)) for edge in (low, low + span))
        on_frame.append(slice(first, last))
        on_window.append(slice(first - low, last - low))
    y, x = axes[0][:, None], axes[1][None]
    cos, sin = math.cos(item.angle[frame]), math.sin(item.angle[frame])
    return _Window(x * cos + y * sin, y * cos - x * sin, tuple(on_frame), tuple(on_window))


def draw_masks(world: World) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw the masks of all objects.

    Returns:
        Masks (N, T, H, W) bool as if nothing were hidden; the fraction (N, T) of each object's area
        that is within the frame; ids (T, H, W) uint8 of the visible objects, i + 1 for object i.
    """
    masks = np.zeros((len(world.objects), world.length, *world.size), bool)
    inside, ids = np.zeros(masks.shape[:2]), np.zeros(masks.shape[1:], np.uint8)
    for index in _back_to_front(world):
        item = world.objects[index]
        for frame in range(world.length):
            window = _window(item, frame, world.size, BODY_REACH)
            solid = OUTLINES[item.attributes['shape']](window.u, window.v) <= 0
            masks[index, frame][window.on_frame] = solid[window.on_window]
            inside[index, frame] = masks[index, frame].sum() / max(int(solid.sum()), 1)
        ids[masks[index]] = index + 1
    return masks, inside, ids


def _back_to_front(world: World) -> list[int]:
    return sorted(range(len(world.objects)), key=lambda i: world.objects[i].depth)


def overlaps(masks: np.ndarray) -> np.ndarray:
    """Return shared areas of full masks (N, T, H, W) as fractions (N, N, T) of the smaller area."""
    flat = masks.reshape(*masks.shape[:2], -1).astype(np.float32).transpose(1, 0, 2)
    shared, area = flat @ flat.transpose(0, 2, 1), flat.sum(-1)
    smaller = np.minimum(area[:, :, None], area[:, None, :])
    return (shared / np.maximum(smaller, 1.0)).transpose(1, 2, 0)


def _rgb(hue: float, saturation: float, value: float) -> np.ndarray:
    return np.array(colorsys.hsv_to_rgb(hue % 1.0, saturation, value), np.float32)


class _Paint(NamedTuple):
    """Colours and texture parameters of an object, drawn once per video."""

    base: np.ndarray
    accent: np.ndarray
    period: float
    tilt: float
    offset: float


def _draw_paint(item: ShapeObject, scale: float, rng: Generator) -> _Paint:
    colour = item.attributes['colour']
    hue, saturation, value = HUES[colour]
    hue, saturation = hue + rng.uniform(-0.012, 0.012), saturation * rng.uniform(0.92, 1.06)
    base = _rgb(hue, saturation, min(value * rng.uniform(0.93, 1.05), 1.0))
    if colour in ('white', 'yellow') or rng.random() < 0.4:
        accent = base * (0.46 if colour == 'white' else 0.34)
    else:
        accent = base + (1.0 - base) * 0.72
    period = max(0.55 * item.radius, 5.6 * scale) / item.radius * float(rng.uniform(0.95, 1.15))
    tilt = float(rng.choice([0.0, 0.25, 0.5, 0.75])) * np.pi
    return _Paint(base, accent, period, tilt, offset=float(rng.uniform(0.0, 1.0)))


def _accent_share(item: ShapeObject, paint: _Paint, window: _Window) -> np.ndarray:
    """Return the share (h, w) of the accent colour on a striped or dotted object."""
    cos, sin = math.cos(paint.tilt), math.sin(paint.tilt)
    along = (window.u * cos + window.v * sin) / paint.period + paint.offset
    if item.attributes['texture'] == 'striped':
        width, distance = 0.235, np.abs((along % 1.0) - 0.5)
    else:
        across = (window.v * cos - window.u * sin) / paint.period + paint.offset
        row = np.floor(across)
        width, distance = 0.30, np.hypot((along + 0.5 * row) % 1.0 - 0.5, across - row - 0.5)
    margin = width * paint.period - distance * paint.period
    return np.clip(margin / (1.0 / item.radius) + 0.5, 0.0, 1.0)


def _surface(item: ShapeObject, paint: _Paint, window: _Window, distance: np.ndarray) -> np.ndarray:
    """Return the colour (h, w, 3) of an object: texture, bevel, light and a gleam."""
    colour = paint.base
    if item.attributes['texture'] != 'plain':
        share = _accent_share(item, paint, window)[..., None]
        colour = colour + share * (paint.accent - colour)
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
    u, v = window.u - (dx * cos + dy * sin), window.v - (dy * cos - dx * sin)
    fall = OUTLINES[item.attributes['shape']](u, v)
    share = np.clip(0.5 - fall / 0.42, 0.0, 1.0)[window.on_window][..., None]
    canvas[window.on_frame] *= 1.0 - 0.42 * share * np.sqrt(share)


def _paint_object(canvas: np.ndarray, item: ShapeObject, paint: _Paint, frame: int) -> None:
    """Paint an object over ``canvas`` (H, W, 3), in place."""
    window = _window(item, frame, canvas.shape[:2], BODY_REACH)
    distance = OUTLINES[item.attributes['shape']](window.u, window.v)
    cover = np.clip(0.5 - distance * item.radius, 0.0, 1.0)[window.on_window][..., None]
    patch = canvas[window.on_frame]
    patch += cover * (_surface(item, paint, window, distance)[window.on_window] - patch)


def _soft_noise(size: tuple[int, int], cells: int, rng: Generator) -> np.ndarray:
    grid = rng.standard_normal((cells + 2, cells + 2)).astype(np.float32)
    return cv2.resize(grid, size[::-1], interpolation=cv2.INTER_CUBIC)


def _pattern(size: tuple[int, int], rng: Generator) -> np.ndarray:
    """Draw a faint regular pattern (H, W) in [-1, 1], or none."""
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float32) / min(size)
    turn, pitch = rng.uniform(0, np.pi), rng.uniform(14.0, 34.0)
    first = np.sin(pitch * (x * np.cos(turn) + y * np.sin(turn)))
    second = np.sin(pitch * (y * np.cos(turn) - x * np.sin(turn)))
    patterns = (np.zeros_like(first), first, first * second, np.maximum(first, second))
    return patterns[int(rng.integers(4))]


def _draw_background(size: tuple[int, int], rng: Generator) -> np.ndarray:
    """Draw a faintly textured gradient (H, W, 3) float32 in [0, 1] without colours of objects."""
    hue = rng.uniform()
    values = rng.uniform(0.24, 0.42), rng.uniform(0.42, 0.66)
    start, end = (_rgb(hue + rng.uniform(-0.12, 0.12), rng.uniform(0.1, 0.38), v) for v in values)
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float32)
    x, y = x / max(size[1] - 1, 1) - 0.5, y / max(size[0] - 1, 1) - 0.5
    turn = rng.uniform(0, 2 * np.pi)
    ramp = 0.5 + 0.8 * (x * np.cos(turn) + y * np.sin(turn)) + 0.12 * _soft_noise(size, 3, rng)
    colour = start + np.clip(ramp, 0.0, 1.0)[..., None] * (end - start)
    relief = 0.020 * _soft_noise(size, 10, rng) + 0.014 * _soft_noise(size, 36, rng)
    relief = relief + rng.uniform(0.015, 0.04) * _pattern(size, rng)
    vignette = 1.0 - 0.45 * (x**2 + y**2)
    return np.clip((colour + relief[..., None]) * vignette[..., None], 0.0, 0.80)


def paint_frames(world: World, rng: Generator) -> np.ndarray:
    """Paint the frames (T, H, W, 3) uint8 RGB of a world."""
    background = _draw_background(world.size, rng)
    paints = [_draw_paint(item, world.scale, rng) for item in world.objects]
    frames = np.empty((world.length, *world.size, 3), np.uint8)
    for frame in range(world.length):
        canvas = background.copy()
        for index in _back_to_front(world):
            _cast_shadow(canvas, world.objects[index], frame)
            _paint_object(canvas, world.objects[index], paints[index], frame)
        canvas += 0.008 * rng.standard_normal(canvas.shape[:2], dtype=np.float32)[..., None]
        frames[frame] = np.clip(canvas * 255.0 + 0.5, 0, 255).astype(np.uint8)
    return frames
