"""Write the masks and verdicts of a stream as its parts arrive."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from r2vos_mm.utils.files import PathLike, write_json

from ..results.mask_records import JsonLinesWriter
from .stream import StreamPart

KINDS = ('masks', 'jsonl', 'verdict')


class StreamWriter:
    """Write parts of a stream into a folder.

    * ``masks/<n>_<expression>/<frame>.png``: 255 = object, after the verdict so far;
    * ``masks.jsonl``: one line per part and expression with run-length codes, verdict and scores,
      which :func:`.read_coco_rle` joins;
    * ``verdict.json``: consensus, verdict and the ranges of frames in which each object is found,
      of all frames so far.

    Every PNG and ``verdict.json`` is complete or absent, and lines are written whole, so that files
    are valid when a stream is interrupted.

    Args:
        folder: made if it does not exist.
        what: kinds of files.

    Raises:
        ValueError: unknown kind.

    Examples:
        >>> with StreamWriter('runs/camera') as writer:  # doctest: +SKIP
        ...     for part in stream_video(model, 0, ['a dog']):
        ...         writer.write(part)
    """

    def __init__(self, folder: PathLike, *, what: Sequence[str] = KINDS) -> None:
        unknown = sorted(set(what) - set(KINDS))
        if unknown:
            raise ValueError(f'{unknown[0]!r} is unknown: a stream writes {", ".join(KINDS)}')
        self.folder, self.what = Path(folder), what
        self.folder.mkdir(parents=True, exist_ok=True)
        is_wanted = 'jsonl' in what
        self._lines = JsonLinesWriter(self.folder / 'masks.jsonl') if is_wanted else None

    def __enter__(self) -> StreamWriter:
        return self

    def __exit__(self, *error: object) -> None:
        if self._lines is not None:
            self._lines.__exit__(*error)

    def write(self, part: StreamPart) -> None:
        """Write what belongs to one part.

        Raises:
            DiskFullError: the disk is full; the message names the file.
        """
        if 'masks' in self.what:
            part.save(self.folder, what=['masks'])
        if self._lines is not None:
            self._lines.write(part.records())
        if 'verdict' in self.what:
            write_json(self.folder / 'verdict.json', verdict_record(part))


def verdict_record(part: StreamPart) -> dict[str, Any]:
    """Return the content of ``verdict.json``."""
    return dict(
        video=part.video,
        frames_seen=part.frames_seen,
        frames_dropped=part.frames_dropped,
        windows_seen=part.windows_seen,
        gate_threshold=part.gate_threshold,
        expressions=[
            dict(
                expression=text,
                found=bool(part.found[p]),
                consensus=round(float(part.consensus[p]), 4) if part.judged else None,
                windows_found=[list(frames) for frames in part.windows_found[p]],
            )
            for p, text in enumerate(part.texts)
        ],
    )
