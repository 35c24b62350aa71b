"""Compute signed distances to the outlines of RefShapes objects.

Every function takes local coordinates u, v (h, w), in units of the object's radius with v down,
and returns the distance (h, w) to the outline in the same unit, negative inside. Anti-aliasing,
bevels and soft shadows are all derived from it. The closed forms of the star and the heart follow
the well-known 2-D distance functions by I. Quilez (iquilezles.org, "2D distance functions").
"""

import math

import numpy as np


def circle(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Disc of radius 1."""
    return np.hypot(u, v) - 1.0


def ring(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Annulus between the radii 0.48 and 1.04."""
    return np.abs(np.hypot(u, v) - 0.76) - 0.28


def square(u: np.ndarray, v: np.ndarray, half: float = 0.84, corner: float = 0.1) -> np.ndarray:
    """Square of half side ``half`` with rounded corners."""
    a, b = np.abs(u) - (half - corner), np.abs(v) - (half - corner)
    outside = np.hypot(np.maximum(a, 0.0), np.maximum(b, 0.0))
    return outside + np.minimum(np.maximum(a, b), 0.0) - corner


def triangle(u: np.ndarray, v: np.ndarray, half: float = 0.95, corner: float = 0.08) -> np.ndarray:
    """Equilateral triangle, point up, with rounded corners."""
    root = math.sqrt(3.0)
    x, y = np.abs(u) - half, half / root - v + 0.12
    flip = x + root * y > 0
    x, y = np.where(flip, (x - root * y) / 2, x), np.where(flip, (-root * x - y) / 2, y)
    x = x - np.clip(x, -2 * half, 0.0)
    return -np.hypot(x, y) * np.sign(y) - corner


def star(u: np.ndarray, v: np.ndarray, radius: float = 1.16, depth: float = 0.47) -> np.ndarray:
    """Five-pointed star, one point up; ``depth`` is the ratio of inner to outer radius."""
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


def heart(u: np.ndarray, v: np.ndarray, scale: float = 1.72) -> np.ndarray:
    """Heart, tip down."""
    x, y = np.abs(u) / scale, (0.92 - v) / scale
    lobe = np.hypot(x - 0.25, y - 0.75) - math.sqrt(2.0) / 4
    slope = 0.5 * np.maximum(x + y, 0.0)
    below = np.sqrt(np.minimum(x**2 + (y - 1.0) ** 2, (x - slope) ** 2 + (y - slope) ** 2))
    return np.where(x + y > 1.0, lobe, below * np.sign(x - y)) * scale


OUTLINES = dict(circle=circle, square=square, triangle=triangle, star=star, ring=ring, heart=heart)
