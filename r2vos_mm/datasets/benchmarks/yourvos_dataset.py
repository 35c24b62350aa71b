"""Load YoURVOS: untrimmed videos that show the object of an expression only in some spans."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from r2vos_mm.registry import DATASETS
from r2vos_mm.utils.data_issues import ProblemList
from r2vos_mm.utils.files import read_text

from ..io.annotations import LayoutReader
from .r2vos_dataset import R2VOSDataset

Spans = Mapping[str, Sequence[tuple[int, int]]]
_ROW = re.compile(r'([^,]+),([^,:]+):((?:\d+,\d+;?)*)')


class _SpanReader(LayoutReader):
    """Read the layout of Refer-YouTube-VOS, where frames outside all spans need no mask."""

    def __init__(self, *, spans: Spans, **options: Any) -> None:
        super().__init__(**options)
        self.spans = spans

    def needs_mask(self, video_id: str, frame: str) -> bool:
        """See the base class."""
        if video_id not in self.spans or not frame.isdecimal():
            return True
        return any(start <= int(frame) <= end for start, end in self.spans[video_id])


@DATASETS.register_module()
class YoURVOSDataset(R2VOSDataset):
    """Videos and expressions of YoURVOS, in the layout of Refer-YouTube-VOS, and their spans.

    ::

        <data_root>/<spans_file>      <video>,<expression>:<first>,<last>;<first>,<last>;...

    The numbers are names of frames, every fifth of the video. A frame without a mask that is in no
    span of its video shows none of the objects; without the file, all frames need a mask.

    Args:
        spans_file: times of the objects, relative to ``data_root``.
        **kwargs: see :class:`R2VOSDataset`.
    """

    METAINFO = dict(dataset_name='yourvos')
    MASKS_ARE_OPTIONAL = True

    def __init__(self, *, spans_file: str = 'spans.txt', **kwargs: Any) -> None:
        self.spans_file = spans_file
        super().__init__(**kwargs)

    def make_reader(self, **options: Any) -> LayoutReader:
        """See the base class."""
        path = self.root / self.spans_file
        return _SpanReader(spans=read_spans(path) if path.is_file() else {}, **options)


def read_spans(path: Path) -> dict[str, list[tuple[int, int]]]:
    """Return the spans of all expressions of each video; rows of another form are reported.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: no row has the expected form.
    """
    spans: dict[str, list[tuple[int, int]]] = {}
    problems = ProblemList(str(path))
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        match = _ROW.fullmatch(line.strip())
        if match is not None:
            pairs = (pair.split(',') for pair in match[3].split(';') if pair)
            spans.setdefault(match[1], []).extend((int(a), int(b)) for a, b in pairs)
        elif line.strip():
            form = '<video>,<expression>:<first>,<last>;...'
            problems.add(f'line {number}', f'{line[:60]!r} is not {form}', 'line skipped')
    problems.report()
    if not spans:
        raise ValueError(f'{path} has no line <video>,<expression>:<first>,<last>;...')
    return spans
