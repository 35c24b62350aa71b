"""Draws some videos of every validation and of the test."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner

from r2vos_mm.datasets.io.frames import ImageFrames
from r2vos_mm.registry import HOOKS
from r2vos_mm.structures import ReferringDataSample
from r2vos_mm.utils.data_issues import DataFileError
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
    """Writes overlay videos and a contact sheet of the first videos that are evaluated.

    Under ``out_dir``, in a folder ``val_<iteration>`` for a validation and ``test`` for a test::

        <video>.mp4                  a cell a sentence: masks, truth, score, verdict
        <video>_grounding_<n>.png    where the model returns its grounding maps
        contact_sheet.png            positives and negatives of all drawn videos

    The sheet also goes to the runner's visualizer, so that TensorBoard or others show it. Only the
    main process draws, from its share of the videos. A video whose frames cannot be read is named
    in the log and left out: it does not end the evaluation.

    Args:
        draw: False switches the hook off.
        out_dir: None is ``<work_dir>/vis``.
        max_videos: so many videos an evaluation.
        interval: every how many batches one is drawn.
        columns: frames in a row of the sheet and of a grounding figure.
        sheet_rows: at most so many rows in the sheet, half of them negatives where there are
            enough.
        suffix: ``.mp4`` or ``.gif``.
        fps: frames a second.

    The options of the drawing itself (threshold of the verdict, sentences a video, colours) are
    those of the :class:`ReferringVisualizer` in the config; with another visualizer its defaults
    hold.
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
        for name, value in (
            ('max_videos', max_videos),
            ('interval', interval),
            ('columns', columns),
            ('sheet_rows', sheet_rows),
        ):
            if value < 1:
                raise ValueError(f'ReferringVisualizationHook.{name} is at least 1, got {value}')
        if suffix not in ('.mp4', '.gif'):
            raise ValueError(
                f"ReferringVisualizationHook.suffix is '.mp4' or '.gif', got {suffix!r}"
            )
        self.draw = draw
        self.out_dir = out_dir
        self.max_videos = max_videos
        self.interval = interval
        self.columns = columns
        self.sheet_rows = sheet_rows
        self.suffix = suffix
        self.fps = fps
        self._visualizer: ReferringVisualizer | None = None
        self._reset()

    def before_val_epoch(self, runner: Runner) -> None:
        """Starts a new count of videos."""
        self._reset()

    def before_test_epoch(self, runner: Runner) -> None:
        """Starts a new count of videos."""
        self._reset()

    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence[ReferringDataSample] | None = None,
    ) -> None:
        """Draws the batch's videos if their turn has come."""
        self._draw_batch(runner, batch_idx, data_batch, outputs, f'val_{runner.iter:06d}')

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence[ReferringDataSample] | None = None,
    ) -> None:
        """Draws the batch's videos if their turn has come."""
        self._draw_batch(runner, batch_idx, data_batch, outputs, 'test')

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        """Writes the contact sheet."""
        self._write_sheet(runner, f'val_{runner.iter:06d}')

    def after_test_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        """Writes the contact sheet."""
        self._write_sheet(runner, 'test')

    def _reset(self) -> None:
        self._drawn = 0
        self._rows: list[ClipView] = []

    def _draw_batch(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None,
        outputs: Sequence[ReferringDataSample] | None,
        folder: str,
    ) -> None:
        if not self.draw or not outputs or batch_idx % self.interval or not is_main_process():
            return
        for position, sample in enumerate(outputs):
            if self._drawn >= self.max_videos:
                return
            try:
                frames = sample_frames(sample, data_batch, position)
                self._draw_sample(runner, frames, sample, self._folder(runner, folder))
                self._drawn += 1
            except (DataFileError, OSError, ValueError) as error:
                print_log(
                    f'Video {sample.get("video_id")!r} is not drawn: {error}',
                    'current',
                    level=logging.WARNING,
                )

    def _draw_sample(
        self,
        runner: Runner,
        frames: Sequence[np.ndarray],
        sample: ReferringDataSample,
        folder: Path,
    ) -> None:
        visualizer = self._own_visualizer(runner)
        name = file_name(str(sample.get('video_id', f'video_{self._drawn:03d}')))
        write_video(
            folder / f'{name}{self.suffix}', visualizer.draw_video(frames, sample), fps=self.fps
        )
        for number, clip in enumerate(visualizer.clip_views(frames, sample)):
            pair = clip.pair
            if pair.grounding_attention is not None or pair.early_features is not None:
                write_image(
                    folder / f'{name}_grounding_{number}.png',
                    attention_sheet(clip, columns=self.columns, style=visualizer.style.small()),
                )
            self._rows.append(clip.select(spread(len(frames), self.columns)))

    def _write_sheet(self, runner: Runner, folder: str) -> None:
        if not self._rows:
            return
        chosen = balanced([bool(row.pair.is_negative) for row in self._rows], self.sheet_rows)
        sheet = contact_sheet(
            [self._rows[i] for i in chosen],
            columns=self.columns,
            style=self._own_visualizer(runner).style.small(),
        )
        write_image(self._folder(runner, folder) / 'contact_sheet.png', sheet)
        runner.visualizer.add_image('contact_sheet', sheet, step=runner.iter)
        self._reset()

    def _folder(self, runner: Runner, name: str) -> Path:
        return Path(self.out_dir or Path(runner.work_dir, 'vis')) / name

    def _own_visualizer(self, runner: Runner) -> ReferringVisualizer:
        if self._visualizer is None:
            is_ours = isinstance(runner.visualizer, ReferringVisualizer)
            self._visualizer = runner.visualizer if is_ours else ReferringVisualizer()
        return self._visualizer


def sample_frames(
    sample: ReferringDataSample, data_batch: dict | None, position: int
) -> Sequence[np.ndarray]:
    """The frames of a sample: its files, else (video files) the inputs before the preprocessor.

    Args:
        sample: with ``frame_paths`` in its metainfo, or without.
        data_batch: of the loader; ``inputs`` is a list of (T, 3, H, W) uint8 tensors.
        position: of the sample in the batch.

    Returns:
        A sequence of T RGB frames (H, W, 3) uint8.

    Raises:
        ValueError: there are neither files nor uint8 inputs.
    """
    paths = sample.get('frame_paths')
    # frames of a video file have no files of their own
    if paths and Path(paths[0]).is_file():
        return ImageFrames(paths)
    inputs = (data_batch or {}).get('inputs')
    clip = inputs[position] if inputs is not None else None
    if not isinstance(clip, torch.Tensor) or clip.dtype != torch.uint8:
        raise ValueError(
            f'its frames are no files ({paths and paths[0]}), and the batch has no uint8 inputs'
        )
    return clip.permute(0, 2, 3, 1).cpu().numpy()


def file_name(text: str) -> str:
    """``text`` with what file systems dislike replaced by ``_``."""
    return re.sub(r'[^\w.-]+', '_', text) or '_'
