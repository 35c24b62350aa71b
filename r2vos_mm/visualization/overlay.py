"""Draw masks, boxes and heat maps on single RGB frames."""

import cv2
import matplotlib
import numpy as np

from .style import Colour, Style

_DASH, _PERIOD = 6, 11


def check_frame(frame: np.ndarray) -> None:
    """Raise ValueError unless ``frame`` is a non-empty RGB image (H, W, 3) uint8."""
    is_array = isinstance(frame, np.ndarray)
    if not is_array or frame.dtype != np.uint8 or frame.shape[2:] != (3,) or frame.size == 0:
        what = f'{frame.dtype} {frame.shape}' if is_array else type(frame)
        raise ValueError(f'A frame is an RGB array (H, W, 3) of uint8, got {what}')


def display_size(shape: tuple[int, int], style: Style) -> tuple[int, int]:
    """Return height and width to draw a frame of ``shape`` (H, W) at, in its aspect ratio."""
    scale = min(max(1.0, style.shorter / min(shape)), style.longer / max(shape))
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def resize_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return ``mask`` (H, W) bool at ``size`` (h, w); a visible object never vanishes."""
    if mask.ndim != 2:
        raise ValueError(f'A mask is an array (H, W) of bool, got shape {mask.shape}')
    soft = resize(mask.astype(np.float32), size)
    return soft >= min(0.5, soft.max()) if soft.any() else np.zeros(size, bool)


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return an image (H, W, ...) at ``size`` (h, w)."""
    method = cv2.INTER_AREA if size[0] < image.shape[0] else cv2.INTER_LINEAR
    return cv2.resize(image, size[::-1], interpolation=method)


def overlay_masks(
    frame: np.ndarray,
    *,
    mask: np.ndarray | None = None,
    true_mask: np.ndarray | None = None,
    rejected_mask: np.ndarray | None = None,
    style: Style = Style(),
) -> np.ndarray:
    """Draw a prediction as a translucent fill with a contour and the truth as a contour.

    Args:
        frame: (H, W, 3) uint8 RGB.
        mask, true_mask: (H, W) bool, prediction and truth; empty masks draw nothing.
        rejected_mask: (H, W) bool, the mask before the gate emptied it; its contour is dashed.
        style: Colours and opacity.

    Returns:
        (H, W, 3) uint8, a new image.

    Raises:
        ValueError: The frame is not an RGB uint8 image, or a mask has another size.
    """
    check_frame(frame)
    image, size = frame.copy(), frame.shape[:2]
    for name, item in (('mask', mask), ('true_mask', true_mask), ('rejected_mask', rejected_mask)):
        if item is not None and item.shape != size:
            raise ValueError(f'{name} {item.shape} and frame {size} differ: use resize_mask')
    if mask is not None:
        inside = mask.astype(bool)
        fill = style.alpha * np.asarray(style.prediction, np.float32)
        image[inside] = np.rint((1 - style.alpha) * image[inside] + fill).astype(np.uint8)
        _draw_contour(image, mask, style.prediction, shadow=False)
    if rejected_mask is not None:
        _draw_contour(image, rejected_mask, style.rejected, dashed=True)
    if true_mask is not None:
        _draw_contour(image, true_mask, style.truth)
    return image


def _draw_contour(
    image: np.ndarray,
    mask: np.ndarray,
    colour: Colour,
    *,
    dashed: bool = False,
    shadow: bool = True,
) -> None:
    """Outline ``mask`` (H, W), its holes too, in place; the shadow shows it on its own colour."""
    thickness = _line_thickness(image)
    lines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if dashed:
        lines = [line[i : i + _DASH] for line in lines for i in range(0, len(line), _PERIOD)]
    if shadow and lines:
        dark = cv2.polylines(image.copy(), lines, not dashed, (0, 0, 0), thickness + 2)
        cv2.addWeighted(dark, 0.5, image, 0.5, 0, dst=image)
    cv2.polylines(image, lines, not dashed, colour, thickness)


def _line_thickness(image: np.ndarray) -> int:
    """Return the width of a contour in pixels, which grows with the image."""
    return max(1, round(min(image.shape[:2]) / 160))


def draw_box(image: np.ndarray, box: np.ndarray, colour: Colour) -> None:
    """Draw ``box`` (x1, y1, x2, y2) in [0, 1] of the image (H, W, 3), in place, unless empty."""
    x1, y1, x2, y2 = (float(v) for v in box)
    if x1 < x2 and y1 < y2:
        height, width = image.shape[:2]
        start = round(x1 * width), round(y1 * height)
        end = round(x2 * width) - 1, round(y2 * height) - 1
        cv2.rectangle(image, start, end, colour, _line_thickness(image))


def overlay_heat(
    frame: np.ndarray,
    heat: np.ndarray,
    *,
    low: float,
    high: float,
    opacity: float = 0.65,
    colour_map: str = 'inferno',
) -> np.ndarray:
    """Draw a map as colours over the grey frame.

    Args:
        frame: (H, W, 3) uint8 RGB, as is the result.
        heat: (h, w) float, any resolution; enlarged bilinearly to the frame.
        low, high: Values at the two ends of the colour map.
        opacity: Opacity of the colours, in [0, 1].
        colour_map: Name of a matplotlib colour map.
    """
    check_frame(frame)
    if heat.ndim != 2:
        raise ValueError(f'A heat map is an array (h, w), got shape {heat.shape}')
    cells = cv2.resize(heat.astype(np.float32), frame.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    share = np.clip((cells - low) / max(high - low, 1e-12), 0, 1)
    colours = matplotlib.colormaps[colour_map](share)[..., :3] * 255
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)[..., None]
    return np.rint(opacity * colours + (1 - opacity) * grey).astype(np.uint8)
