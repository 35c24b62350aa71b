"""Masks, boxes and heat on single frames: pure functions on RGB arrays."""

from __future__ import annotations

import cv2
import matplotlib
import numpy as np

from .style import Colour, Style

_DASH, _PERIOD = 6, 11


def check_frame(frame: np.ndarray) -> None:
    """Raises unless ``frame`` is a non-empty RGB image (H, W, 3) uint8."""
    if (
        not isinstance(frame, np.ndarray)
        or frame.dtype != np.uint8
        or frame.ndim != 3
        or frame.shape[2] != 3
        or frame.size == 0
    ):
        what = f'{frame.dtype} {frame.shape}' if isinstance(frame, np.ndarray) else type(frame)
        raise ValueError(f'A frame is an RGB array (H, W, 3) of uint8, got {what}')


def display_size(shape: tuple[int, int], style: Style) -> tuple[int, int]:
    """Height and width to draw a frame of ``shape`` (H, W) at, its aspect ratio kept."""
    scale = max(1.0, style.shorter / min(shape))
    scale = min(scale, style.longer / max(shape))
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def resize_frame(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """``frame`` (H, W, 3) uint8 at ``size`` (h, w)."""
    check_frame(frame)
    shrinks = size[0] < frame.shape[0]
    return cv2.resize(
        frame, size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )


def resize_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """``mask`` (H, W) bool at ``size`` (h, w); an object that is there never shrinks to nothing."""
    if mask.ndim != 2:
        raise ValueError(f'A mask is an array (H, W) of bool, got shape {mask.shape}')
    shrinks = size[0] < mask.shape[0]
    soft = cv2.resize(
        mask.astype(np.float32),
        size[::-1],
        interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR,
    )
    return soft >= min(0.5, soft.max()) if soft.any() else np.zeros(size, bool)


def overlay_masks(
    frame: np.ndarray,
    *,
    mask: np.ndarray | None = None,
    true_mask: np.ndarray | None = None,
    rejected_mask: np.ndarray | None = None,
    style: Style = Style(),
) -> np.ndarray:
    """Predicted mask as a translucent fill with a contour, true mask as a contour, over a frame.

    Args:
        frame: (H, W, 3) uint8 RGB; it is not changed.
        mask: (H, W) bool, the prediction.
        true_mask: (H, W) bool.
        rejected_mask: (H, W) bool, what the mask head drew before the gate emptied it (dashed).
        style: colours and opacity.

    Returns:
        (H, W, 3) uint8. Empty masks draw nothing.

    Raises:
        ValueError: the frame is no RGB uint8 image, or a mask has another size.
    """
    check_frame(frame)
    image = frame.copy()
    for name, item in (('mask', mask), ('true_mask', true_mask), ('rejected_mask', rejected_mask)):
        if item is not None and item.shape != frame.shape[:2]:
            raise ValueError(
                f'{name} {item.shape} and frame {frame.shape[:2]} differ in size: '
                'bring the mask to the frame with resize_mask'
            )
    if mask is not None:
        fill_mask(image, mask, style.prediction, alpha=style.alpha)
        draw_contour(image, mask, style.prediction, shadow=False)
    if rejected_mask is not None:
        draw_contour(image, rejected_mask, style.rejected, dashed=True)
    if true_mask is not None:
        draw_contour(image, true_mask, style.truth)
    return image


def fill_mask(image: np.ndarray, mask: np.ndarray, colour: Colour, *, alpha: float) -> None:
    """Blends ``colour`` into ``image`` (H, W, 3) where ``mask`` (H, W) holds, in place."""
    mask = mask.astype(bool)
    blend = (1 - alpha) * image[mask] + alpha * np.asarray(colour, np.float32)
    image[mask] = np.rint(blend).astype(np.uint8)


def draw_contour(
    image: np.ndarray,
    mask: np.ndarray,
    colour: Colour,
    *,
    dashed: bool = False,
    shadow: bool = True,
) -> None:
    """Outlines ``mask`` (H, W), its holes too, in ``image`` (H, W, 3), in place.

    A half transparent dark line under the coloured one keeps the contour visible on a background of
    its own colour; ``shadow=False`` leaves it out.
    """
    thickness = line_thickness(image)
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    strokes = (
        [line[i : i + _DASH] for line in outlines for i in range(0, len(line), _PERIOD)]
        if dashed
        else list(outlines)
    )
    if shadow and strokes:
        dark = cv2.polylines(image.copy(), strokes, not dashed, (0, 0, 0), thickness + 2)
        cv2.addWeighted(dark, 0.5, image, 0.5, 0, dst=image)
    cv2.polylines(image, strokes, not dashed, colour, thickness)


def line_thickness(image: np.ndarray) -> int:
    """Width of a contour in pixels, growing with the image."""
    return max(1, round(min(image.shape[:2]) / 160))


def draw_box(image: np.ndarray, box: np.ndarray, colour: Colour) -> None:
    """Draws ``box`` (4,) into ``image`` (H, W, 3), in place; an empty box is an absent one.

    The box is x1, y1, x2, y2 in [0, 1] of the image.
    """
    x1, y1, x2, y2 = (float(v) for v in box)
    if x2 <= x1 or y2 <= y1:
        return
    height, width = image.shape[:2]
    start = round(x1 * width), round(y1 * height)
    end = round(x2 * width) - 1, round(y2 * height) - 1
    cv2.rectangle(image, start, end, colour, line_thickness(image))


def overlay_heat(
    frame: np.ndarray,
    heat: np.ndarray,
    *,
    low: float,
    high: float,
    opacity: float = 0.65,
    colour_map: str = 'inferno',
) -> np.ndarray:
    """A map of cells as colours over the grey frame.

    Args:
        frame: (H, W, 3) uint8 RGB.
        heat: (h, w) float, any resolution; enlarged bilinearly to the frame.
        low, high: the values at the two ends of the colour map.
        opacity: of the colours, in [0, 1].
        colour_map: a name matplotlib knows.

    Returns:
        (H, W, 3) uint8.
    """
    check_frame(frame)
    if heat.ndim != 2:
        raise ValueError(f'A heat map is an array (h, w), got shape {heat.shape}')
    height, width = frame.shape[:2]
    cells = cv2.resize(heat.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    share = np.clip((cells - low) / max(high - low, 1e-12), 0, 1)
    colours = matplotlib.colormaps[colour_map](share)[..., :3] * 255
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)[..., None]
    return np.rint(opacity * colours + (1 - opacity) * grey).astype(np.uint8)
