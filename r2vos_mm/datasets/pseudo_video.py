"""Film a photograph: move a camera over it and paste moving cut-outs of other photographs."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from r2vos_mm.utils.masks_io import boxes_of_masks

Size = tuple[int, int]


@dataclass(frozen=True)
class Layer:
    """A picture of a scene with its objects, such as a photograph or a cut-out.

    Attributes:
        image: (h, w, 3) uint8 BGR.
        labels: (h, w) uint16, number of the object at each pixel, 0 for none.
        alpha: (h, w) float32 opacity; None for an opaque picture.
        path: (T, 2, 3) affine maps from its pixels to those of the frames.
    """

    image: np.ndarray
    labels: np.ndarray
    alpha: np.ndarray | None
    path: np.ndarray


def camera_path(
    image_size: Size,
    frame_size: Size,
    length: int,
    rng: np.random.Generator,
    *,
    zoom: tuple[float, float] = (0.6, 1.0),
    drift: float = 0.15,
    zoom_change: float = 0.1,
    roll: float = 3.0,
    shake: float = 0.01,
) -> np.ndarray:
    """Draw the path of a camera that sees a part of an image, always within it.

    Args:
        image_size: (h, w) of the image.
        frame_size: (H, W) of the frames.
        length: T.
        rng: source of all draws.
        zoom: range of the side of the window, relative to the largest one in the image.
        drift: largest shift over the clip, relative to the window.
        zoom_change: largest relative change of the window over the clip.
        roll: largest rotation at either end, degrees.
        shake: standard deviation of an additional shift in each frame, relative to the window.

    Returns:
        (T, 2, 3) affine maps from pixels of the image to pixels of the frames.
    """
    (height, width), (frame_height, frame_width) = image_size, frame_size
    largest = min(height / frame_height, width / frame_width)
    time = np.linspace(-0.5, 0.5, length) if length > 1 else np.zeros(1)
    change = 1 + rng.uniform(-zoom_change, zoom_change) * time
    scales = (largest * rng.uniform(*zoom) * change).clip(max=largest)  # image per frame pixel
    windows = scales[:, None] * np.array([frame_width, frame_height])
    start = rng.uniform(0, 1, 2) * (np.array([width, height]) - windows[0])
    shift = rng.uniform(-drift, drift, 2) * time[:, None] * windows
    shift += rng.normal(0, shake, (length, 2)) * windows
    corners = (start + shift).clip(0, np.array([width, height]) - windows)
    angles = rng.uniform(-roll, roll) + rng.uniform(-roll, roll) * time
    return np.stack([_window_map(*x, frame_size) for x in zip(corners, scales, angles)])


def _window_map(corner: np.ndarray, scale: float, angle: float, frame_size: Size) -> np.ndarray:
    """Return the map of a window of the image to a frame, rolled about the frame's centre."""
    to_frame = np.array([[1 / scale, 0, -corner[0] / scale], [0, 1 / scale, -corner[1] / scale]])
    centre = (frame_size[1] / 2, frame_size[0] / 2)
    return chain(cv2.getRotationMatrix2D(centre, angle, 1.0), to_frame)


def chain(second: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Return the affine map (2, 3) that applies ``first``, then ``second``."""
    return second @ np.vstack([first, [0, 0, 1]])


def placement(
    cutout_size: Size,
    camera: np.ndarray,
    frame_size: Size,
    rng: np.random.Generator,
    *,
    height: tuple[float, float] = (0.25, 0.75),
    motion: float = 0.5,
) -> tuple[np.ndarray, float]:
    """Draw where a cut-out is and how it moves relative to the background.

    Args:
        cutout_size: (h, w) of the cut-out.
        camera: (T, 2, 3) path of the camera.
        frame_size: (H, W) of the frames.
        rng: source of all draws.
        height: range of the height relative to the frame; the width is at most 0.7 of the frame.
        motion: largest horizontal shift over the clip, in frame widths. Half of the cut-outs stay.

    Returns:
        The (T, 2, 3) maps from pixels of the cut-out to those of the frames, and the horizontal
        shift over the clip in frame widths, relative to the background.
    """
    rows, columns = frame_size
    scale = min(rng.uniform(*height) * rows / cutout_size[0], 0.7 * columns / cutout_size[1])
    half = scale * np.array(cutout_size[::-1]) / 2
    centre = rng.uniform(0.12, 0.88, 2) * np.array([columns, rows])
    moves = len(camera) > 1 and rng.random() < 0.5
    shift = float(rng.uniform(0.12, max(motion, 0.12)) * rng.choice([-1, 1])) if moves else 0.0
    rise = float(rng.uniform(-0.05, 0.05)) if moves else 0.0
    time = np.linspace(-0.5, 0.5, len(camera)) if len(camera) > 1 else np.zeros(1)
    middle, maps = camera[len(camera) // 2], []
    back = cv2.invertAffineTransform(middle)
    for t, view in zip(time, camera):
        offset = centre - half + t * np.array([shift * columns, rise * rows])
        in_middle = np.array([[scale, 0, offset[0]], [0, scale, offset[1]]])
        maps.append(chain(view, chain(back, in_middle)))  # it moves with the background
    return np.stack(maps), shift


def cut_out(image: np.ndarray, mask: np.ndarray, *, feather: float = 1.2) -> tuple[np.ndarray, ...]:
    """Cut an object out of an image: its box, its mask, and a soft edge.

    Returns:
        image (h, w, 3) uint8, mask (h, w) bool, alpha (h, w) float32, with a margin of 3 pixels.
    """
    left, top, right, bottom = boxes_of_masks(mask)
    box = slice(max(0, top - 3), bottom + 3), slice(max(0, left - 3), right + 3)
    inside = cv2.erode(mask[box].astype(np.uint8), np.ones((3, 3), np.uint8))
    alpha = cv2.GaussianBlur(inside.astype(np.float32), (0, 0), feather)
    return image[box], inside.astype(bool), alpha


def film(layers: Sequence[Layer], frame_size: Size, frame: int) -> tuple[np.ndarray, np.ndarray]:
    """Render one frame; later layers cover earlier ones.

    Returns:
        (H, W, 3) uint8 BGR, and the labels (H, W) uint16.
    """
    size = frame_size[::-1]
    picture, labels = None, None
    for layer in layers:
        path = layer.path[frame].astype(np.float64)
        border = cv2.BORDER_REFLECT_101 if layer.alpha is None else cv2.BORDER_REPLICATE
        image = cv2.warpAffine(layer.image, path, size, flags=cv2.INTER_LINEAR, borderMode=border)
        marks = cv2.warpAffine(layer.labels, path, size, flags=cv2.INTER_NEAREST)
        if layer.alpha is None:
            picture, labels = image, marks
            continue
        alpha = cv2.warpAffine(layer.alpha, path, size, flags=cv2.INTER_LINEAR)[..., None]
        mixed = picture * (1 - alpha) + image * alpha
        picture = np.rint(mixed).astype(np.uint8)
        labels = np.where(marks > 0, marks, labels)
    return picture, labels
