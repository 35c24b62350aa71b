"""The visualizer that a config names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from mmengine.visualization import Visualizer

from r2vos_mm.registry import VISUALIZERS
from r2vos_mm.structures import ReferringDataSample

from .panels import contact_sheet, video_grid
from .style import Style
from .views import ClipView, PairView, balanced, pair_views
from .writers import write_image


@VISUALIZERS.register_module()
class ReferringVisualizer(Visualizer):
    """Draws videos with what sentences found in them, and the verdicts.

    The drawing itself is done by the pure functions of this package; this class holds the options
    that a config sets, and mmengine's backends.

    Args:
        name: of the instance.
        threshold: consensus below it means 'not in the video'.
        max_pairs: at most so many sentences of a video are drawn, positives and negatives in turn.
        style: fields of :class:`Style` to change, such as ``dict(font_path=...)``.
        kwargs: for :class:`mmengine.visualization.Visualizer` (``vis_backends``, ``save_dir``).
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
            raise ValueError(f'ReferringVisualizer.max_pairs is at least 1, got {max_pairs}')
        self.threshold = threshold
        self.max_pairs = max_pairs
        self.style = Style(**(style or {}))

    def pair_views(
        self, data_sample: ReferringDataSample, *, draw_gt: bool = True, draw_pred: bool = True
    ) -> list[PairView]:
        """At most ``max_pairs`` pairs of the sample, ready to draw."""
        views = pair_views(
            data_sample, threshold=self.threshold, truth=draw_gt, prediction=draw_pred
        )
        chosen = balanced([bool(view.is_negative) for view in views], self.max_pairs)
        return [views[i] for i in chosen]

    def clip_views(
        self,
        frames: Sequence[np.ndarray],
        data_sample: ReferringDataSample,
        *,
        draw_gt: bool = True,
        draw_pred: bool = True,
    ) -> list[ClipView]:
        """The chosen pairs as rows of a contact sheet.

        Args:
            frames: T RGB frames (H, W, 3) uint8.
            data_sample: the video's sample.
            draw_gt: with the truth.
            draw_pred: with the predictions.
        """
        return [
            ClipView(
                frames,
                view,
                title=str(data_sample.get('video_id', '')),
                frame_ids=data_sample.get('frame_ids'),
            )
            for view in self.pair_views(data_sample, draw_gt=draw_gt, draw_pred=draw_pred)
        ]

    def draw_video(
        self,
        frames: Sequence[np.ndarray],
        data_sample: ReferringDataSample,
        *,
        draw_gt: bool = True,
        draw_pred: bool = True,
    ) -> Iterator[np.ndarray]:
        """One image (h, w, 3) uint8 RGB a frame, with a cell a pair; see :func:`video_grid`."""
        views = self.pair_views(data_sample, draw_gt=draw_gt, draw_pred=draw_pred)
        return video_grid(
            frames,
            views,
            title=str(data_sample.get('video_id', '')),
            frame_ids=data_sample.get('frame_ids'),
            style=self.style,
        )

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
        """Draws the contact sheet of one video.

        Args:
            name: of the picture in the backends and in the window's title.
            image: T RGB frames (H, W, 3) uint8.
            data_sample: the video's sample.
            draw_gt: with the truth.
            draw_pred: with the predictions.
            show: opens a window.
            wait_time: seconds the window stays; 0 waits for a key.
            out_file: an image file; None gives the picture to the backends.
            step: for the backends.
        """
        sheet = contact_sheet(
            self.clip_views(image, data_sample, draw_gt=draw_gt, draw_pred=draw_pred),
            style=self.style.small(),
        )
        self.set_image(sheet)
        if show:
            self.show(sheet, win_name=name, wait_time=wait_time)
        if out_file is not None:
            write_image(out_file, sheet)
        else:
            self.add_image(name, sheet, step)
