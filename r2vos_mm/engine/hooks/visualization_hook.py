"""Draw some videos of every validation and of the test."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from r2vos_mm.datasets.io.frames import FileFrames
from r2vos_mm.registry import HOOKS
from r2vos_mm.structures import ReferringDataSample
from r2vos_mm.utils.data_issues import DataFileError
from r2vos_mm.utils.logging import warn
from r2vos_mm.visualization import (
    ClipView,
    ReferringVisualizer,
    attention_sheet,
    balanced,
    contact_sheet,
    spread,
    write_image,
    write_video,
)


@HOOKS.register_module()
class ReferringVisualizationHook(Hook):
    """Write overlay videos and a contact sheet of the first videos that are evaluated.

    Under ``out_dir``, in a folder ``val_<iteration>`` for a validation and ``test`` for a test::

        <video>.mp4                  one cell per expression: masks, ground truth, score, verdict
        <video>_grounding_<n>.png    if the model returns its grounding maps
        contact_sheet.png            positives and negatives of all drawn videos

    The sheet also goes to the runner's visualizer, so that TensorBoard or others show it. Only the
    main process draws, from its share of the videos. A video whose frames cannot be read is skipped
    with a warning.

    Args:
        draw: False disables the hook.
        out_dir: None is ``<work_dir>/vis``.
        max_videos: maximum number of videos per evaluation.
        interval: draw every n-th batch.
        columns: frames per row of the sheet and of a grounding sheet.
        sheet_rows: maximum number of rows in the sheet, half of them negatives if there are enough.
        suffix: ``.mp4`` or ``.gif``.
        fps: frames per second.

    The :class:`ReferringVisualizer` of the config sets how videos are drawn (threshold of the
    verdict, expressions per video, colours); with another visualizer its defaults are used.
    """

    priority = 'LOW'

    def __init__(
        self,
        *,
        draw: bool = True,
        out_dir: str | None = None,
        max_videos: int = 8,
        interval: int = 1,
        columns: int = 6,
        sheet_rows: int = 12,
        suffix: str = '.mp4',
        fps: float = 6.0,
    ) -> None:
        counts = dict(
            max_videos=max_videos, interval=interval, columns=columns, sheet_rows=sheet_rows
        )
        for name, value in counts.items():
            if value < 1:
                raise ValueError(
                    f'ReferringVisualizationHook.{name} must be at least 1, got {value}'
                )
        if suffix not in ('.mp4', '.gif'):
            raise ValueError(
                f"ReferringVisualizationHook.suffix is '.mp4' or '.gif', got {suffix!r}"
            )
        self.draw, self.out_dir, self.suffix, self.fps = draw, out_dir, suffix, fps
        self.max_videos, self.interval = max_videos, interval
        self.columns, self.sheet_rows = columns, sheet_rows
        self._drawn = 0
        self._rows: list[ClipView] = []

    def _before_epoch(self, runner: Runner, mode: str = 'train') -> None:
        """Start a new count of videos."""
        if mode != 'train':
            self._drawn, self._rows = 0, []

    def _after_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence[ReferringDataSample] | None = None,
        mode: str = 'train',
    ) -> None:
        """Draw the videos of a batch of a validation or test."""
        if mode == 'train' or not self.draw or batch_idx % self.interval or not is_main_process():
            return
        for position, sample in enumerate(outputs or ()):
            if self._drawn >= self.max_videos:
                return
            try:
                frames = sample_frames(sample, data_batch, position)
                self._draw_sample(frames, sample, runner, mode)
                self._drawn += 1
            except (DataFileError, OSError, ValueError) as error:
                warn(f'Video {sample.get("video_id")!r} is not drawn: {error}')

    def _after_epoch(self, runner: Runner, mode: str = 'train') -> None:
        """Write the contact sheet of a validation or test."""
        if mode == 'train' or not self._rows:
            return
        chosen = balanced([bool(row.pair.is_negative) for row in self._rows], self.sheet_rows)
        rows = [self._rows[i] for i in chosen]
        style = _visualizer(runner).style.small()
        sheet = contact_sheet(rows, columns=self.columns, style=style)
        write_image(self._folder(runner, mode) / 'contact_sheet.png', sheet)
        runner.visualizer.add_image('contact_sheet', sheet, step=runner.iter)
        self._rows = []

    def _draw_sample(
        self, frames: Sequence[np.ndarray], sample: ReferringDataSample, runner: Runner, mode: str
    ) -> None:
        visualizer, folder = _visualizer(runner), self._folder(runner, mode)
        name = file_name(str(sample.get('video_id', f'video_{self._drawn:03d}')))
        video = visualizer.draw_video(frames, sample)
        write_video(folder / f'{name}{self.suffix}', video, fps=self.fps)
        for number, clip in enumerate(visualizer.clip_views(frames, sample)):
            pair = clip.pair
            if pair.grounding_attention is not None or pair.early_features is not None:
                style = visualizer.style.small()
                sheet = attention_sheet(clip, columns=self.columns, style=style)
                write_image(folder / f'{name}_grounding_{number}.png', sheet)
            self._rows.append(clip.select(spread(len(frames), self.columns)))

    def _folder(self, runner: Runner, mode: str) -> Path:
        name = 'test' if mode == 'test' else f'val_{runner.iter:06d}'
        return Path(self.out_dir or Path(runner.work_dir, 'vis')) / name


def _visualizer(runner: Runner) -> ReferringVisualizer:
    """Return the runner's visualizer if it can draw videos, else one with default options."""
    found = runner.visualizer
    return found if isinstance(found, ReferringVisualizer) else ReferringVisualizer()


def sample_frames(
    sample: ReferringDataSample, data_batch: dict | None, position: int
) -> Sequence[np.ndarray]:
    """Return the T frames (H, W, 3) uint8 RGB of a sample.

    They are those of its files (``frame_paths``), or for a video file those of the batch's
    ``inputs``, of which the sample has number ``position``.

    Raises:
        ValueError: there are neither files nor uint8 inputs.
    """
    paths = sample.get('frame_paths')
    if paths and Path(paths[0]).is_file():
        return FileFrames(paths)
    inputs = (data_batch or {}).get('inputs')
    clip = inputs[position] if inputs is not None else None
    if not isinstance(clip, torch.Tensor) or clip.dtype != torch.uint8:
        raise ValueError(
            f'its frames are not files ({paths and paths[0]}), and the batch has no uint8 inputs'
        )
    return clip.permute(0, 2, 3, 1).cpu().numpy()


def file_name(text: str) -> str:
    """Return ``text`` with characters that file systems reject replaced by ``_``."""
    return re.sub(r'[^\w.-]+', '_', text) or '_'
