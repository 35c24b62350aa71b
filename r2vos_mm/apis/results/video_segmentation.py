"""Hold masks, scores and verdicts of one video, and write them to files."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from r2vos_mm.utils.files import PathLike, write_json
from r2vos_mm.utils.formats.veval import VevalFile, write_veval_file

from . import exporters
from .compressed_masks import CompressedMasks, FrameMasks
from .mask_records import MaskRecord, mask_records, row_of, write_coco_rle

if TYPE_CHECKING:
    import supervision
    from rich.table import Table

    from r2vos_mm.datasets.io.frames import FrameSource
    from r2vos_mm.visualization import PairView, Style

DEFAULT_FPS = 6.0  # of drawn videos whose frame rate is unknown


Range = tuple[int, int]  # numbers of the first frame and of that after the last


@dataclass(frozen=True, eq=False, repr=False)
class VideoSegmentation:
    """Masks, scores and verdicts of P expressions in a video of T frames.

    Methods that export masks take those after the verdict, decoded one at a time. Files are written
    atomically, and folders made as needed.

    Attributes:
        video: name of the video.
        frame_names: T names.
        texts: P expressions as the model reads them (lower case, single spaces).
        ungated_masks: (P, T, H0, W0) bool, masks before the verdict: an array, or a
            :class:`.CompressedMasks`, which is indexed like one.
        scores: (P, T) float32 in [0, 1] of the chosen query.
        boxes: (P, T, 4) float32, x1, y1, x2, y2 in pixels of the video.
        consensus: (P,) float32, probability that the expression belongs to the video; 1 for models
            without a verdict.
        judged: whether the model gives verdicts.
        gate_threshold: consensus below it means 'not in the video'.
        fps: frames per second of the video, None if unknown.
        speed: seconds for ``decode``, ``preprocess``, ``model`` and ``postprocess``.
        source: the frames, to draw them; None if they cannot be read again.
        windows: (start, stop) of the W windows of frames that passed through the model together.
        window_consensus: (P, W) float32, consensus of each window alone.
        queries: (P,) chosen query of each expression, None if unknown.
    """

    video: str
    frame_names: list[str]
    texts: list[str]
    ungated_masks: np.ndarray | CompressedMasks
    scores: np.ndarray
    boxes: np.ndarray
    consensus: np.ndarray
    judged: bool
    gate_threshold: float
    fps: float | None = None
    speed: dict[str, float] = field(default_factory=dict)
    source: FrameSource | None = None
    windows: list[Range] = field(default_factory=list)
    window_consensus: np.ndarray | None = None
    queries: np.ndarray | None = None

    @property
    def sentences(self) -> list[str]:
        """Former name of ``texts``."""
        return self.texts

    @property
    def found(self) -> np.ndarray:
        """Verdicts (P,) bool: whether the object is in the video."""
        return self.consensus >= self.gate_threshold

    @property
    def windows_found(self) -> list[list[Range]]:
        """For each expression the ranges (start, stop) of frames whose windows alone contain it.

        They show an object that is visible in a part of a long video only, regardless of the
        verdict on the whole video. Consecutive windows are joined.
        """
        if self.window_consensus is None:
            return [[] for _ in self.texts]
        found = self.window_consensus >= self.gate_threshold
        return [joined_ranges(self.windows, row) for row in found]

    @cached_property
    def masks(self) -> np.ndarray | CompressedMasks:
        """Masks (P, T, H0, W0) bool, empty if the verdict is 'not in the video'."""
        if self.found.all():
            return self.ungated_masks
        if isinstance(self.ungated_masks, np.ndarray):
            return self.ungated_masks & self.found[:, None, None, None]
        return self.ungated_masks.where(self.found)

    def __len__(self) -> int:
        """Return the number of expressions."""
        return len(self.texts)

    def __repr__(self) -> str:
        height, width = self.masks.shape[-2:]
        verdicts = ', '.join(f'{text!r}: {_verdict(self, p)}' for p, text in enumerate(self.texts))
        size = f'{len(self.frame_names)} frames of {width}x{height}'
        return f'{type(self).__name__}({self.video!r}, {size}, {verdicts})'

    def frame_masks(self, p: int, *, ungated: bool = False) -> np.ndarray | FrameMasks:
        """Return the T masks (H0, W0) of expression ``p``, one decoded at a time."""
        return row_of(self.ungated_masks if ungated else self.masks, p)

    def with_threshold(self, threshold: float) -> VideoSegmentation:
        """Return the result at another threshold of the verdict; nothing is computed again."""
        return replace(self, gate_threshold=float(threshold))

    def views(self) -> list[PairView]:
        """Return the P expressions as the functions of :mod:`r2vos_mm.visualization` draw them."""
        from r2vos_mm.visualization import PairView

        height, width = self.masks.shape[-2:]
        boxes = self.boxes / np.float32([width, height, width, height])
        return [
            PairView(
                text,
                masks=self.frame_masks(p),
                rejected_masks=self.frame_masks(p, ungated=True),
                boxes=boxes[p],
                scores=self.scores[p],
                threshold=self.gate_threshold,
                consensus=float(self.consensus[p]) if self.judged else None,
            )
            for p, text in enumerate(self.texts)
        ]

    def plot(self, *, style: Style | None = None) -> Iterator[np.ndarray]:
        """Yield T images (h, w, 3) uint8 RGB: each frame with one cell per expression.

        Raises:
            ValueError: the frames cannot be read again.
        """
        from r2vos_mm.visualization import Style, video_grid

        return video_grid(
            self.readable_source(),
            self.views(),
            title=self.video,
            frame_ids=self.frame_names,
            style=style or Style(),
        )

    def readable_source(self) -> FrameSource:
        """Return the frames.

        Raises:
            ValueError: they cannot be read again.
        """
        if self.source is None:
            raise ValueError(
                f'the frames of {self.video!r} cannot be read again: draw with '
                'r2vos_mm.visualization.video_grid(frames, result.views()), cut out with '
                'r2vos_mm.apis.results.exporters.save_cutouts(folder, frames, result.masks, ...)'
            )
        return self.source

    def save(
        self,
        folder: str | Path,
        *,
        what: Sequence[str] = ('masks', 'json'),
        fps: float | None = None,
        style: Style | None = None,
    ) -> list[Path]:
        """Write files into a folder.

        Args:
            folder: made if it does not exist.
            what: any of ``masks`` (``masks/<n>_<expression>/<frame>.png``, 255 = object, empty if
                the verdict is no), ``json`` (``result.json``: everything but the masks),
                ``overlay`` (``overlay.mp4``), ``coco_rle`` (``masks.json``), ``jsonl``
                (``masks.jsonl``), ``youtube_vis`` and ``veval`` (``<name>.json``), ``cutouts`` (a
                folder), ``zip`` (``masks.zip``) and ``labels`` (``labels.npy``).
            fps: frames per second of the overlay; None takes the video's, or 6.
            style: colours, sizes and fonts of the overlay.

        Returns:
            What was written: a folder or a file each.

        Raises:
            ValueError: unknown name in ``what``.
        """
        check_names(what)
        Path(folder).mkdir(parents=True, exist_ok=True)
        prefix = 'masks/' if 'masks' in what else None
        options = dict(json=dict(mask_prefix=prefix), overlay=dict(fps=fps, style=style))
        paths = []
        for name in dict.fromkeys(what):
            file, write = _WRITERS[name]
            paths.append(Path(folder, file))
            write(self, paths[-1], **options.get(name, {}))
        return paths

    def records(self) -> list[MaskRecord]:
        """Return run-length codes, scores and verdict of each expression."""
        return mask_records(
            self.masks,
            video=self.video,
            texts=self.texts,
            frames=self.frame_names,
            size=self.masks.shape[-2:],
            found=self.found,
            consensus=self.consensus if self.judged else None,
            scores=self.scores,
        )

    def to_coco_rle(self, path: PathLike | None = None) -> list[dict[str, Any]]:
        """Return one dict per expression, see :mod:`.mask_records`; write them to ``path``.

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
        labels = exporters.label_maps(self.masks, num_frames=shape[0], scores=self.scores)
        if path is None:
            return np.fromiter(labels, dtype=np.dtype((kind, shape[1:])), count=shape[0])
        exporters.save_labels(path, labels, shape=shape, dtype=kind)
        return np.load(path, mmap_mode='r')

    def to_supervision(self) -> Iterator[supervision.Detections]:
        """Yield the ``Detections`` of each frame, see :func:`.detections`.

        Raises:
            MissingExtraError: supervision is not installed.
        """
        return exporters.detections(self.masks, texts=self.texts, scores=self.scores)

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
            self.masks,
            texts=self.texts,
            frame_names=self.frame_names,
            found=self.found,
        )

    def save_zip(self, path: str | Path) -> Path:
        """Write a zip of ``<n>_<expression>/<frame>.png`` (255 = object) and ``result.json``."""
        return exporters.save_zip(
            path,
            self.masks,
            texts=self.texts,
            frame_names=self.frame_names,
            summary=as_record(self, ''),
        )

    def summary(self, *, width: int = 120) -> str:
        """Return a text table with a row per expression."""
        from rich.console import Console

        file = io.StringIO()
        Console(file=file, width=width).print(summary_table(self))
        return file.getvalue().rstrip('\n')


def _written(content: VevalFile, path: PathLike | None) -> dict[str, Any]:
    if path is not None:
        write_veval_file(path, content)
    return content.content()


def joined_ranges(windows: Sequence[Range], found: Sequence[bool]) -> list[Range]:
    """Return the windows that are found, those that follow each other as one.

    >>> joined_ranges([(0, 4), (4, 8), (8, 12), (12, 14)], [True, True, False, True])
    [(0, 8), (12, 14)]
    """
    ranges: list[Range] = []
    for (start, stop), is_found in zip(windows, found, strict=True):
        if is_found and ranges and ranges[-1][1] == start:
            ranges[-1] = (ranges[-1][0], stop)
        elif is_found:
            ranges.append((start, stop))
    return ranges


def check_names(what: Sequence[str]) -> None:
    """Raise ValueError for a name that :meth:`VideoSegmentation.save` does not know."""
    unknown = sorted(set(what) - set(_WRITERS))
    if unknown:
        raise ValueError(f'save {unknown[0]!r} is unknown: there are {", ".join(_WRITERS)}')


def _verdict(result: VideoSegmentation, p: int) -> str:
    if not result.judged:
        return 'no verdict'
    return f'{"" if result.found[p] else "not "}in the video ({result.consensus[p]:.2f})'


def as_record(result: VideoSegmentation, mask_prefix: str | None) -> dict[str, Any]:
    """Return the content of ``result.json``: everything but the masks, and their folders.

    ``mask_prefix`` is what stands before the names of the folders; None if there are none.
    """
    folders = exporters.expression_folders(result.texts)
    return dict(
        video=result.video,
        size=list(result.masks.shape[-2:]),
        frames=result.frame_names,
        gate_threshold=result.gate_threshold,
        sentences=[
            dict(
                sentence=text,
                found=bool(result.found[p]),
                consensus=rounded(result.consensus[p]) if result.judged else None,
                windows_found=[list(frames) for frames in result.windows_found[p]],
                score=rounded(result.scores[p].mean()),
                scores=rounded(result.scores[p]),
                boxes=rounded(result.boxes[p], 2),
                masks=None if mask_prefix is None else f'{mask_prefix}{folders[p]}',
            )
            for p, text in enumerate(result.texts)
        ],
    )


def rounded(values: np.ndarray | np.floating, digits: int = 4) -> float | list:
    """Return numbers in a form for JSON."""
    return np.asarray(values, np.float64).round(digits).tolist()


def summary_table(result: VideoSegmentation) -> Table:
    """Return one row per expression: verdict, consensus, mean score, frames with a mask."""
    from rich.table import Table
    from rich.text import Text

    table = Table('sentence', 'verdict', 'consensus', 'score', 'frames with mask')
    for p, text in enumerate(result.texts):
        verdict = 'in the video' if result.found[p] else 'not in the video'
        frames = sum(bool(mask.any()) for mask in result.frame_masks(p))
        table.add_row(
            Text(text),  # brackets in it are not markup
            verdict if result.judged else '-',
            f'{result.consensus[p]:.2f}' if result.judged else '-',
            f'{result.scores[p].mean():.2f}',
            f'{frames} of {len(result.frame_names)}',
        )
    return table


def _save_masks(result: VideoSegmentation, folder: Path) -> None:
    exporters.save_masks(folder, result.masks, texts=result.texts, frame_names=result.frame_names)


def _save_json(result: VideoSegmentation, path: Path, *, mask_prefix: str | None) -> None:
    write_json(path, as_record(result, mask_prefix), indent=None)


def _save_overlay(
    result: VideoSegmentation, path: Path, *, fps: float | None, style: Style | None
) -> None:
    from r2vos_mm.visualization import write_video

    write_video(path, result.plot(style=style), fps=fps or result.fps or DEFAULT_FPS)


# Names of files and folders, and what writes them.
_WRITERS: dict[str, tuple[str, Callable[..., object]]] = dict(
    masks=('masks', _save_masks),
    json=('result.json', _save_json),
    overlay=('overlay.mp4', _save_overlay),
    coco_rle=('masks.json', VideoSegmentation.to_coco_rle),
    jsonl=('masks.jsonl', VideoSegmentation.to_coco_rle),
    youtube_vis=('youtube_vis.json', VideoSegmentation.to_youtube_vis),
    veval=('veval.json', VideoSegmentation.to_veval),
    cutouts=('cutouts', VideoSegmentation.save_cutouts),
    zip=('masks.zip', VideoSegmentation.save_zip),
    labels=('labels.npy', VideoSegmentation.to_labels),
)
KINDS = tuple(_WRITERS)
