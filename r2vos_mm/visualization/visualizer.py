"""Draw the videos of data samples as a config's visualizer."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import cv2
import numpy as np
from mmengine.visualization import Visualizer

from r2vos_mm.registry import VISUALIZERS
from r2vos_mm.structures import ReferringDataSample
from r2vos_mm.utils.cli import UsageError, one_line

from .panels import contact_sheet, video_grid
from .style import Style
from .views import ClipView, PairView, balanced, pair_views
from .writers import write_image

_DISPLAYS = {'DISPLAY', 'WAYLAND_DISPLAY'}  # a window without them ends the process


@VISUALIZERS.register_module()
class ReferringVisualizer(Visualizer):
    """Draw videos with the objects of expressions, and the verdicts.

    The drawing itself is done by the pure functions of this package; this class holds the options
    that a config sets, and MMEngine's backends. Methods take T RGB frames (H, W, 3) uint8, the data
    sample of the video, and ``draw_gt`` and ``draw_pred``.

    Args:
        threshold: Consensus below it means 'not in the video'.
        max_pairs: Maximum number of expressions per video, half of them negatives if possible.
        style: Fields of :class:`Style` to change, such as ``dict(font_path=...)``.
        name, kwargs: See :class:`mmengine.visualization.Visualizer`.
    """

    def __init__(
        self,
        name: str = 'visualizer',
        *,
        threshold: float = 0.5,
        max_pairs: int = 6,
        style: dict | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name, **kwargs)
        if max_pairs < 1:
            raise ValueError(f'ReferringVisualizer.max_pairs must be at least 1, got {max_pairs}')
        self.threshold, self.max_pairs = threshold, max_pairs
        self.style = Style(**(style or {}))

    def pair_views(
        self, data_sample: ReferringDataSample, *, draw_gt: bool = True, draw_pred: bool = True
    ) -> list[PairView]:
        """Return at most ``max_pairs`` pairs of the sample, ready to draw."""
        options = dict(threshold=self.threshold, truth=draw_gt, prediction=draw_pred)
        views = pair_views(data_sample, **options)
        return [views[i] for i in balanced([bool(v.is_negative) for v in views], self.max_pairs)]

    def clip_views(
        self, frames: Sequence[np.ndarray], data_sample: ReferringDataSample, **options: bool
    ) -> list[ClipView]:
        """Return the chosen pairs as rows of a contact sheet."""
        views = self.pair_views(data_sample, **options)
        return [ClipView(frames, view, **_labels(data_sample)) for view in views]

    def draw_video(
        self, frames: Sequence[np.ndarray], data_sample: ReferringDataSample, **options: bool
    ) -> Iterator[np.ndarray]:
        """Yield one image (h, w, 3) uint8 RGB per frame, with one cell per pair."""
        views = self.pair_views(data_sample, **options)
        return video_grid(frames, views, style=self.style, **_labels(data_sample))

    def show_video(self, images: Iterable[np.ndarray], *, title: str, fps: float) -> None:
        """Show RGB images (h, w, 3) uint8 in a window, one after the other.

        Raises:
            UsageError: no window can be opened.
        """
        if sys.platform.startswith('linux') and not _DISPLAYS & set(os.environ):
            raise UsageError('no window can be opened: neither DISPLAY nor WAYLAND_DISPLAY is set')
        try:
            for image in images:
                self.show(image[..., ::-1], title, wait_time=1 / fps, backend='cv2')
        except cv2.error as error:
            raise UsageError(f'no window can be opened: {one_line(error)}') from error

    def add_datasample(
        self,
        name: str,
        image: Sequence[np.ndarray],
        data_sample: ReferringDataSample,
        *,
        draw_gt: bool = True,
        draw_pred: bool = True,
        show: bool = False,
        wait_time: float = 0,
        out_file: str | None = None,
        step: int = 0,
    ) -> None:
        """Draw the contact sheet of one video.

        Args:
            name: Name of the picture in the backends, and title of the window.
            image, data_sample: T RGB frames (H, W, 3) uint8 and the sample of the video.
            draw_gt, draw_pred: Draw the truth, the predictions.
            show, wait_time: Open a window for some seconds; 0 waits for a key.
            out_file: Image file to write; None gives the picture to the backends at ``step``.
        """
        clips = self.clip_views(image, data_sample, draw_gt=draw_gt, draw_pred=draw_pred)
        sheet = contact_sheet(clips, style=self.style.small())
        self.set_image(sheet)
        if show:
            self.show(sheet, win_name=name, wait_time=wait_time)
        if out_file is None:
            self.add_image(name, sheet, step)
        else:
            write_image(out_file, sheet)


def _labels(sample: ReferringDataSample) -> dict[str, Any]:
    return dict(title=str(sample.get('video_id', '')), frame_ids=sample.get('frame_ids'))
