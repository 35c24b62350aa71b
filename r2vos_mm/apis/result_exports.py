"""Give results their methods that export masks to the formats of other software."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from r2vos_mm.utils.files import PathLike
from r2vos_mm.utils.veval_file import VevalFile, write_veval_file

from . import exporters
from .mask_records import MaskRecord, mask_records, write_coco_rle

if TYPE_CHECKING:
    import supervision


class ResultExports:
    """Methods of :class:`~.results.VideoSegmentation` that export its masks after the verdict.

    Masks are decoded one at a time. Files are written atomically, and folders made as needed.
    """

    def records(self) -> list[MaskRecord]:
        """Return run-length codes, scores and verdict of each expression."""
        return mask_records(
            self.rows(),
            video=self.video,
            texts=self.texts,
            frames=self.frame_names,
            size=self.masks.shape[-2:],
            found=self.found,
            consensus=self.consensus if self.judged else None,
            scores=self.scores,
        )

    def to_coco_rle(self, path: PathLike | None = None) -> list[dict[str, Any]]:
        """Return one dict per expression, see :mod:`~.mask_records`; write them to ``path``.

        The file has JSON Lines for the suffix ``.jsonl``, else JSON.
        """
        records = self.records()
        if path is not None:
            write_coco_rle(path, records)
        return [record.as_dict() for record in records]

    def to_youtube_vis(self, path: PathLike | None = None) -> dict[str, Any]:
        """Return, and write to ``path``, YouTube-VIS JSON: one track per expression found."""
        return _written(exporters.youtube_vis(self.records()), path)

    def to_veval(self, path: PathLike | None = None) -> dict[str, Any]:
        """Return, and write to ``path``, SA-Co/VEval JSON: also the expressions not found."""
        return _written(exporters.veval(self.records()), path)

    def to_labels(self, path: PathLike | None = None) -> np.ndarray:
        """Return (T, H0, W0): p + 1 where expression p has its mask, see :func:`.label_maps`.

        A ``.npy`` file at ``path`` is written frame by frame; the result is read from it on access.
        """
        shape, kind = self.masks.shape[1:], exporters.label_type(len(self.texts))
        labels = exporters.label_maps(self.rows(), num_frames=shape[0], scores=self.scores)
        if path is None:
            return np.fromiter(labels, dtype=np.dtype((kind, shape[1:])), count=shape[0])
        exporters.save_labels(path, labels, shape=shape, dtype=kind)
        return np.load(path, mmap_mode='r')

    def to_supervision(self) -> Iterator[supervision.Detections]:
        """Yield the ``Detections`` of each frame, see :func:`.detections`.

        Raises:
            UserError: supervision is not installed.
        """
        return exporters.detections(self.rows(), texts=self.texts, scores=self.scores)

    def save_cutouts(self, folder: PathLike) -> list[Path]:
        """Write ``<n>_<expression>/<frame>.png`` (RGBA) of the expressions that are found.

        Returns:
            The folder of each.

        Raises:
            ValueError: the frames cannot be read again.
        """
        return exporters.save_cutouts(
            folder,
            self.readable_source(),
            self.rows(),
            texts=self.texts,
            frame_names=self.frame_names,
            found=self.found,
        )

    def rows(self) -> list[Any]:
        """Return the masks of each expression, which are decoded one at a time."""
        return [self.frame_masks(p) for p in range(len(self.texts))]


def _written(content: VevalFile, path: PathLike | None) -> dict[str, Any]:
    if path is not None:
        write_veval_file(path, content)
    return content.content()
