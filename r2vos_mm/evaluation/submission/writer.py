"""Write a submission: PNGs while videos are tested, the zip at the end."""

from __future__ import annotations

import os
import zipfile
from collections import defaultdict
from pathlib import Path

import numpy as np

from r2vos_mm.utils.files import atomic_path
from r2vos_mm.utils.masks_io import write_label_png
from r2vos_mm.utils.ref_davis17 import object_of

from ..metrics.eval_sample import EvalSample
from ..metrics.object_scores import one_owner
from .layouts import Layout, layout_named, scored_expressions
from .validator import SubmissionReport, check_submission

PARTS_SUFFIX = '.parts'
_EPOCH = (1980, 1, 1, 0, 0, 0)  # one date for all files: equal masks give equal zips


class SubmissionWriter:
    """Turns data samples into the zip that a server accepts.

    PNGs are collected in the folder ``<path>.parts``, which remains when the zip is complete. Every
    file is written atomically, and several processes may write at the same time. After an
    interruption the finished parts remain; a video that is written again replaces its files.

    Args:
        layout: ``'ref_youtube_vos'``, ``'mevis'`` or ``'ref_davis17'``.
        path: the zip.
        expressions: ``meta_expressions.json`` of the scored split.
        videos: see :func:`scored_expressions`.
        masks: ``'gated'`` or ``'ungated'``, the masks to submit.

    Raises:
        FileNotFoundError, ValueError: The expressions cannot be read, or an option is unknown.
    """

    def __init__(
        self,
        *,
        layout: str,
        path: str | os.PathLike[str],
        expressions: str | os.PathLike[str],
        videos: str | os.PathLike[str] | None = None,
        masks: str = 'gated',
    ) -> None:
        if masks not in ('gated', 'ungated'):
            raise ValueError(f"masks must be 'gated' or 'ungated', got {masks!r}")
        self.layout = layout_named(layout)
        self.path = Path(path)
        self.parts = self.path.with_name(self.path.name + PARTS_SUFFIX)
        self.expressions = scored_expressions(
            Path(expressions), None if videos is None else Path(videos)
        )
        self.use_gated = masks == 'gated'

    def write(self, sample: EvalSample) -> None:
        """Write the PNGs of one video; videos and expressions that are not scored are skipped.

        Raises:
            ValueError: The sample has no expression ids.
        """
        entry = self.expressions.get(sample.video)
        if entry is None:
            return
        if sample.exp_ids is None:
            raise ValueError(
                f'video {sample.video!r} has no gt_pairs.exp_ids, which name the files'
            )
        masks = sample.gated if self.use_gated else sample.ungated
        images = defaultdict(list)
        for index, exp_id in enumerate(sample.exp_ids):
            if exp_id in entry['expressions'] and not sample.is_negative[index]:
                images[self.layout.file(sample.video, exp_id, '')].append(index)
        for chosen in images.values():
            self._write_frames(sample, masks, chosen)

    def finish(self) -> SubmissionReport:
        """Write the zip from all expected parts and check it.

        Raises:
            ValueError: Files are missing or broken; the zip is not written, the parts remain.
        """
        with atomic_path(self.path) as temporary:
            with zipfile.ZipFile(temporary, 'w', zipfile.ZIP_STORED) as archive:
                for name in sorted(self.layout.expected_files(self.expressions)):
                    part = self.parts / name
                    if part.is_file():
                        archive.writestr(zipfile.ZipInfo(name, _EPOCH), part.read_bytes())
            report = check_submission(temporary, self.layout, self.expressions)
            if not report.is_valid:
                raise ValueError(f'{self.path} was not written: {report}; parts: {self.parts}')
        return report

    def _write_frames(self, sample: EvalSample, masks: np.ndarray, chosen: list[int]) -> None:
        """Write the PNGs of T frames from the chosen masks (P, T, H, W)."""
        is_map = self.layout.is_map
        labels = np.zeros(masks.shape[1:], dtype=np.uint8)
        for index, mask in zip(
            chosen, one_owner(sample, masks, chosen) if is_map else masks[chosen]
        ):
            labels[mask] = object_of(sample.exp_ids[index]) if is_map else 255
        for frame, image in zip(sample.frame_ids, labels):
            name = self.layout.file(sample.video, sample.exp_ids[chosen[0]], frame)
            write_label_png(image, self.parts / name, palette=is_map)


def remaining_expressions(
    path: Path, layout: Layout, expressions: dict[str, dict]
) -> dict[str, dict]:
    """Return the videos of ``expressions`` of which a part is missing beside the zip ``path``."""
    parts = path.with_name(path.name + PARTS_SUFFIX)
    return {
        video: entry
        for video, entry in expressions.items()
        if not all((parts / name).is_file() for name in layout.expected_files({video: entry}))
    }
