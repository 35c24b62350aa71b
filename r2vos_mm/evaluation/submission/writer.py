"""Writes a submission: PNGs while videos are done, the zip at the end."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from ..functional import resolve_overlaps
from ..metrics.scored_sample import ScoredSample
from .layouts import (
    Layout,
    annotator_of,
    davis_palette,
    layout_named,
    object_of,
    scored_expressions,
)
from .validator import SubmissionReport, check_submission

PARTS_SUFFIX = '.parts'
_EPOCH = (1980, 1, 1, 0, 0, 0)  # one date for all files: equal masks give equal zips


class SubmissionWriter:
    """Turns data samples into the zip that a server takes.

    PNGs are gathered in the folder ``<path>.parts``. Every file appears whole or not at all, there
    and the zip, and several processes may write at the same time. What was there before a kill
    stays; a video that is written again replaces its files. The folder remains when the zip is
    done.

    Args:
        layout: ``'ref_youtube_vos'``, ``'mevis'`` or ``'ref_davis17'``.
        path: the zip.
        expressions: ``meta_expressions.json`` of the scored split.
        videos: see :func:`scored_expressions`.
        masks: ``'gated'`` or ``'ungated'``, which masks to hand in.

    Raises:
        FileNotFoundError, ValueError: the expressions cannot be read, or an option is unknown.
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
            raise ValueError(f"masks is 'gated' or 'ungated', got {masks!r}")
        self.layout = layout_named(layout)
        self.path = Path(path)
        self.parts = self.path.with_name(self.path.name + PARTS_SUFFIX)
        self.expressions = scored_expressions(
            Path(expressions), None if videos is None else Path(videos)
        )
        self.masks = masks

    def write(self, sample: ScoredSample) -> None:
        """Write the PNGs of one video; a video or sentence that is not scored is passed over.

        Raises:
            ValueError: the sample has no expression ids.
        """
        entry = self.expressions.get(sample.video)
        if entry is None:
            return
        if sample.exp_ids is None:
            raise ValueError(
                f'video {sample.video!r} has no gt_pairs.exp_ids, which name the files'
            )
        listed = [
            index
            for index, exp_id in enumerate(sample.exp_ids)
            if exp_id in entry['expressions'] and not sample.is_negative[index]
        ]
        if self.layout.per_annotator:
            self._write_maps(sample, listed)
            return
        masks = getattr(sample, self.masks)
        for index in listed:
            for frame, mask in zip(sample.frame_ids, masks[index]):
                name = self.layout.file(sample.video, sample.exp_ids[index], frame)
                self._save(name, Image.fromarray(mask.astype(np.uint8) * 255))

    def finish(self) -> SubmissionReport:
        """Write the zip from all expected parts and check it.

        Raises:
            ValueError: files are missing or broken. What was written stays in the folder of parts,
                and there is no zip.
        """
        names = sorted(self.layout.expected_files(self.expressions))
        temporary = self.path.with_name(f'.{self.path.name}.{os.getpid()}')
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with zipfile.ZipFile(temporary, 'w', zipfile.ZIP_STORED) as archive:
                for name in names:
                    part = self.parts / name
                    if part.is_file():
                        archive.writestr(zipfile.ZipInfo(name, _EPOCH), part.read_bytes())
            report = check_submission(temporary, self.layout, self.expressions)
            if not report.is_valid:
                raise ValueError(f'{self.path} was not written: {report}; parts: {self.parts}')
            os.replace(temporary, self.path)
        finally:
            temporary.unlink(missing_ok=True)
        return report

    def _write_maps(self, sample: ScoredSample, listed: list[int]) -> None:
        """Write one map of objects per annotator and frame; each pixel has one owner.

        Which of several masks owns a pixel is decided by their scores in that frame.
        """
        masks = getattr(sample, self.masks)
        for annotator in sorted({annotator_of(sample.exp_ids[index]) for index in listed}):
            chosen = [i for i in listed if annotator_of(sample.exp_ids[i]) == annotator]
            scores = np.zeros((len(chosen), len(sample.frame_ids)))
            if sample.scores is not None:
                scores = np.reshape(sample.scores[chosen], (len(chosen), -1)) + scores
            owned = resolve_overlaps(masks[chosen], scores)
            for position, frame in enumerate(sample.frame_ids):
                ids = np.zeros(owned.shape[2:], dtype=np.uint8)
                for index, mask in zip(chosen, owned[:, position]):
                    ids[mask] = object_of(sample.exp_ids[index])
                image = Image.fromarray(ids)
                image.putpalette(davis_palette())
                self._save(self.layout.file(sample.video, sample.exp_ids[chosen[0]], frame), image)

    def _save(self, name: str, image: Image.Image) -> None:
        """Write a part whole or not at all."""
        path = self.parts / name
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f'.{path.name}.{os.getpid()}')
        image.save(temporary, format='PNG')
        os.replace(temporary, path)


def remaining_expressions(
    path: Path, layout: Layout, expressions: dict[str, dict]
) -> dict[str, dict]:
    """The videos of ``expressions`` of which a part is missing beside the zip ``path``.

    Parts appear whole or not at all, so a video is done when all its files are there.
    """
    parts = path.with_name(path.name + PARTS_SUFFIX)
    return {
        video: entry
        for video, entry in expressions.items()
        if not all((parts / name).is_file() for name in layout.expected_files({video: entry}))
    }
