"""Write and read masks of expressions as COCO run-length codes, in JSON and JSON Lines.

One record per expression::

    {"video": "dog", "expression": "a red car", "index": 1, "score": 0.12, "consensus": 0.03,
     "found": false, "size": [480, 854], "frames": ["00000", "00001"], "first_frame": 0,
     "scores": [0.12, 0.12], "segmentations": [null, null]}

``segmentations`` has one run-length code per frame, null where nothing is segmented. A JSON file is
a list of records. JSON Lines have one record per line; those of a stream have the frames of one
part each, and :func:`read_coco_rle` joins them.

Everything here runs without torch.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from r2vos_mm.utils.files import PathLike, atomic_path, read_json, read_text
from r2vos_mm.utils.formats.expressions import is_text
from r2vos_mm.utils.logging import warn
from r2vos_mm.utils.masks_io import decode_rle, encode_rle

Rle = dict[str, Any]


@dataclass(frozen=True)
class MaskRecord:
    """Masks, score and verdict of one expression in T frames; ``record[t]`` decodes a mask.

    Attributes:
        video: name of the video.
        expression: the expression.
        segmentations: T run-length codes, None where nothing is segmented.
        size: (H, W) of the masks.
        frames: T names of the frames.
        score: mean score of the chosen query in [0, 1]; None if unknown.
        consensus: probability that the expression belongs to the video; None without a verdict.
        found: the verdict; True for models without one.
        scores: T scores; empty if unknown.
        index: position among the expressions of one call.
        first_frame: number of frames before these, in other parts of a stream.
    """

    video: str
    expression: str
    segmentations: list[Rle | None]
    size: tuple[int, int]
    frames: list[str]
    score: float | None = None
    consensus: float | None = None
    found: bool = True
    scores: list[float | None] = field(default_factory=list)
    index: int = 0
    first_frame: int = 0

    def __len__(self) -> int:
        return len(self.segmentations)

    def __getitem__(self, index: int) -> np.ndarray:
        """Return the mask (H, W) bool of frame ``index``."""
        code = self.segmentations[index]
        if code is None:
            return np.zeros(self.size, bool)
        where = f'{self.video}: {self.expression!r}, frame {self.frames[index]}'
        return decode_rle(code, where, self.size)

    def rle(self, index: int) -> Rle:
        """Return the run-length code of frame ``index``, that of an empty mask for None."""
        return self.segmentations[index] or encode_rle(np.zeros(self.size, bool))

    def as_dict(self) -> dict[str, Any]:
        """Return the content of the record in JSON."""
        return {name: getattr(self, name) for name in _ORDER} | dict(size=list(self.size))

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> MaskRecord:
        """Return the record of :meth:`as_dict`; unknown keys are ignored.

        Raises:
            ValueError: a key is missing or has another form; the message names it.
        """
        problem = _problem(content)
        if problem:
            raise ValueError(problem)
        known = {name: content[name] for name in _ORDER if name in content}
        return cls(**known | dict(size=tuple(content['size'])))


_HEAD = ('video', 'expression', 'index', 'score', 'consensus', 'found')
_ORDER = (*_HEAD, 'size', 'frames', 'first_frame', 'scores', 'segmentations')
_NEEDED = ('video', 'expression', 'found', 'size', 'frames', 'segmentations')


def _problem(content: Any) -> str | None:
    """Return what keeps a record from being read."""
    if not isinstance(content, Mapping):
        return 'is not a dict'
    missing = [name for name in _NEEDED if name not in content]
    if missing:
        return f"has no '{missing[0]}'"
    if not is_text(content['expression']) or not isinstance(content['video'], str):
        return "has no text 'expression' or 'video'"
    size, codes, frames = content['size'], content['segmentations'], content['frames']
    if not _is_list_of(size, int) or len(size) != 2:
        return f'has size {size!r}, not [height, width]'
    if not all(isinstance(content.get(name, 0), int) for name in ('index', 'first_frame')):
        return "has an 'index' or 'first_frame' that is not a number"
    if not _is_list_of(frames, str) or not isinstance(codes, list) or len(codes) != len(frames):
        return "needs lists 'segmentations' and 'frames' of one length"
    return None


def _is_list_of(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)


def mask_records(
    masks: Any,
    *,
    video: str,
    texts: Sequence[str],
    frames: Sequence[str],
    size: tuple[int, int],
    found: Sequence[bool] | np.ndarray | None = None,
    consensus: Sequence[float] | np.ndarray | None = None,
    scores: np.ndarray | None = None,
    first_frame: int = 0,
) -> list[MaskRecord]:
    """Return the records of P expressions in T frames; one mask at a time is in memory.

    Args:
        masks: masks (H, W) bool by ``masks[p][t]``, see :func:`row_of`.
        video: name of the video.
        texts: P expressions.
        frames: T names of frames.
        size: (H, W).
        found: P verdicts; None for models without verdicts. Masks of those that are not found are
            not read.
        consensus: P probabilities; None for models without verdicts.
        scores: (P, T) scores; None if unknown.
        first_frame: number of frames before these, for parts of a stream.
    """
    records = []
    for p, text in enumerate(texts):
        is_found = found is None or bool(found[p])
        own = [] if scores is None else [_number(score) for score in scores[p]]
        records.append(
            MaskRecord(
                video=video,
                expression=text,
                segmentations=_codes(masks, p, len(frames)) if is_found else [None] * len(frames),
                size=(int(size[0]), int(size[1])),
                frames=list(frames),
                score=_mean(own),
                consensus=None if consensus is None else _number(consensus[p]),
                found=is_found,
                scores=own,
                index=p,
                first_frame=first_frame,
            )
        )
    return records


def row_of(masks: Any, p: int) -> Any:
    """Return the T masks of expression ``p``, by ``row[t]``.

    ``masks`` is an array (P, T, H, W), a sequence of P sequences of masks (H, W), or compressed
    masks with a method ``row(p)``. Rows may have a method ``rle(t)``, which is then used.
    """
    return getattr(masks, 'row', masks.__getitem__)(p)


def _codes(masks: Any, p: int, length: int) -> list[Rle | None]:
    row = row_of(masks, p)
    code_of = getattr(row, 'rle', None) or (lambda t: encode_rle(row[t]))
    codes = (code_of(t) for t in range(length))
    return [code if coco_mask.area(code) else None for code in codes]


def _number(value: Any) -> float | None:
    """Return a number, None for NaN and infinity, which JSON does not have."""
    return float(value) if math.isfinite(value) else None


def _mean(scores: Sequence[float | None]) -> float | None:
    known = [score for score in scores if score is not None]
    return math.fsum(known) / len(known) if known else None


class JsonLinesWriter:
    """Write records as JSON Lines, flushed by each call: a stopped stream leaves whole lines.

    Args:
        path: file to write, with its folders; an old one is replaced; ``-`` is standard output.
    """

    def __init__(self, path: PathLike) -> None:
        self._is_stdout = str(path) == '-'
        if not self._is_stdout:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._file = sys.stdout if self._is_stdout else open(path, 'w', encoding='utf-8')  # noqa: SIM115

    def write(self, records: Iterable[MaskRecord]) -> None:
        """Write records and flush them."""
        for record in records:
            self._file.write(_line(record))
        self._file.flush()

    def __enter__(self) -> JsonLinesWriter:
        return self

    def __exit__(self, *error: object) -> None:
        if not self._is_stdout:
            self._file.close()


def _line(record: MaskRecord) -> str:
    return json.dumps(record.as_dict(), ensure_ascii=False, separators=(',', ':')) + '\n'


def write_coco_rle(path: PathLike, records: Iterable[MaskRecord]) -> None:
    """Write records atomically, as JSON Lines for the suffix ``.jsonl``, else as a JSON list.

    Records are taken one by one, so that those of many videos need not be in memory together.
    """
    is_lines = _is_lines(path)
    with atomic_path(path) as temporary, temporary.open('w', encoding='utf-8') as file:
        if not is_lines:
            file.write('[')
        for number, record in enumerate(records):
            line = _line(record)
            file.write(line if is_lines else f'{"," if number else ""}\n{line.rstrip()}')
        if not is_lines:
            file.write('\n]\n')


def read_coco_rle(path: PathLike) -> list[MaskRecord]:
    """Return the records of a JSON or JSON Lines file, the parts of a stream joined.

    Of the parts of an expression, the last one's verdict and consensus count, and the score is the
    mean over all frames. An incomplete last line, as a stopped process leaves it, is skipped with
    a warning.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: it has another form; the message names the record.
    """
    content = list(_json_lines(path)) if _is_lines(path) else read_json(path)
    if not isinstance(content, list):
        raise ValueError(
            f'{path} is not a file of masks: expected a list of records with {", ".join(_NEEDED)}'
        )
    records = []
    for number, item in enumerate(content):
        try:
            records.append(MaskRecord.from_dict(item))
        except ValueError as error:
            raise ValueError(f'{path}: record {number} {error}') from None
    return joined_parts(records, where=str(path))


def _is_lines(path: PathLike) -> bool:
    return str(path).lower().endswith('.jsonl')


def _json_lines(path: PathLike) -> Iterator[Any]:
    lines = read_text(path).split('\n')
    if lines[-1]:
        warn(f'{path}: line {len(lines)} is incomplete: skipped')
    for number, line in enumerate(lines[:-1], 1):
        try:
            if line:
                yield json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f'{path}: line {number} is not JSON ({error})') from error


def joined_parts(records: Iterable[MaskRecord], *, where: str = 'stream') -> list[MaskRecord]:
    """Join the parts of each expression, which begin with ``first_frame`` 0.

    Raises:
        ValueError: a part is missing; ``where`` is the name for the message.
    """
    joined: list[list[MaskRecord]] = []
    open_parts: dict[tuple[str, int, str], list[MaskRecord]] = {}
    for record in records:
        key = (record.video, record.index, record.expression)
        if record.first_frame == 0:
            open_parts[key] = [record]
            joined.append(open_parts[key])
            continue
        parts = open_parts.get(key, [])
        expected = sum(map(len, parts))
        if not parts or record.first_frame != expected:
            raise ValueError(
                f'{where}: {record.expression!r} in {record.video!r} goes on at frame '
                f'{record.first_frame}, expected {expected}: a part is missing'
            )
        parts.append(record)
    return [_joined(parts) for parts in joined]


def _joined(parts: Sequence[MaskRecord]) -> MaskRecord:
    if len(parts) == 1:
        return parts[0]
    lists = {
        name: [item for part in parts for item in getattr(part, name)]
        for name in ('segmentations', 'frames', 'scores')
    }
    score = _mean(lists['scores']) if lists['scores'] else parts[-1].score
    return replace(parts[-1], **lists, score=score, first_frame=0)
