"""Rows of pairs as CSV: written whole, read back to the same rows, so that all can be redone."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from ..functional import ScoredMasks
from .object_rows import ObjectRow
from .pair_rows import MaskResult, PairRow

SEPARATOR = ';'
INNER_SEPARATOR = ','  # of the candidates of one frame
# Of a cell; the default of 128 KiB ends at a few thousand frames.
_LONGEST_CELL = 1 << 27
_GATES = {'': 'gated', 'ungated_': 'ungated'}
_FRAME_FIELDS = {
    'area': ('areas', int),
    'intersection': ('intersections', int),
    'J': ('region', float),
    'F': ('contour', float),
}
_CANDIDATE_FIELDS = {'IoU': ('ious', float), 'score': ('scores', float), 'area': ('areas', int)}
CSV_COLUMNS = (
    'pair_id',
    'video',
    'kind',
    'sentence',
    'label',
    'frames',
    'consensus',
    'gt_area',
    'area',
    'area_fraction',
    'J',
    'F',
    'ungated_area',
    'ungated_area_fraction',
    'ungated_J',
    'ungated_F',
    'score',
    'frame_pixels',
    'frame_ids',
    'gt_area_frames',
    *(f'{prefix}{name}_frames' for prefix in _GATES for name in _FRAME_FIELDS),
    'sentence_type',
    'foreground_area_frames',
    *(f'candidate_{name}_frames' for name in _CANDIDATE_FIELDS),
)


def pair_record(row: PairRow) -> dict[str, Any]:
    """The columns of one pair; None where unknown, lists for what is known per frame."""
    record: dict[str, Any] = {
        'pair_id': row.pair_id,
        'video': row.video,
        'kind': row.kind,
        'sentence': row.sentence,
        'label': int(not row.is_negative),
        'frames': row.num_frames,
        'consensus': row.consensus,
        'gt_area': row.gt_area,
        'score': row.score,
        'frame_pixels': row.frame_pixels,
        'frame_ids': list(row.frame_ids),
        'gt_area_frames': None if row.gt_areas is None else list(row.gt_areas),
    }
    for prefix, gate in _GATES.items():
        result: MaskResult = getattr(row, gate)
        record[f'{prefix}area'] = result.area
        record[f'{prefix}area_fraction'] = result.area / row.num_pixels
        record[f'{prefix}J'] = _mean(result.region)
        record[f'{prefix}F'] = _mean(result.contour)
        for name, (field, _) in _FRAME_FIELDS.items():
            values = getattr(result, field)
            record[f'{prefix}{name}_frames'] = None if values is None else list(values)
    record['sentence_type'] = row.sentence_type
    areas = row.foreground_areas
    record['foreground_area_frames'] = None if areas is None else list(areas)
    for name, (field, _) in _CANDIDATE_FIELDS.items():
        record[f'candidate_{name}_frames'] = (
            None
            if row.candidates is None
            else [list(getattr(frame, field)) for frame in row.candidates]
        )
    return {name: record[name] for name in CSV_COLUMNS}


def write_pairs(path: Path, rows: Sequence[PairRow]) -> None:
    """Write one line per pair; J and F in [0, 1], values per frame joined by ``;``, unknown ''."""
    _write_csv(path, CSV_COLUMNS, [pair_record(row) for row in rows])


def append_pairs(path: Path, rows: Sequence[PairRow]) -> None:
    """Add rows to a CSV of pairs, which begins with the first of them; a kill loses no line."""
    is_new = not path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open('a', newline='', encoding='utf-8') as file:
        _write_lines(file, CSV_COLUMNS, [pair_record(row) for row in rows], header=is_new)


def object_record(row: ObjectRow) -> dict[str, Any]:
    """The columns of one object; lists for what is known per frame."""
    record: dict[str, Any] = {
        'object': row.pair_id,
        'video': row.video,
        'annotator': row.annotator,
        'obj_id': row.obj_id,
        'frame_ids': list(row.frame_ids),
    }
    for prefix, gate in _GATES.items():
        for name, field in (('J', 'region'), ('F', 'contour')):
            values = getattr(getattr(row, gate), field)
            record[f'{prefix}{name}'] = _mean(values)
            record[f'{prefix}{name}_frames'] = list(values)
    return record


def write_objects(path: Path, rows: Sequence[ObjectRow]) -> None:
    """Write one line per video, annotator and object of the protocol ``davis_unsup``.

    Args:
        path: the file.
        rows: at least one.
    """
    records = [object_record(row) for row in rows]
    _write_csv(path, tuple(records[0]), records)


def read_pairs(path: Path) -> list[PairRow]:
    """The rows that :func:`write_pairs` wrote, equal to the last digit.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no such CSV, or a line of it is broken; the message has its number.
    """
    csv.field_size_limit(_LONGEST_CELL)
    with path.open(newline='', encoding='utf-8') as file:
        reader = csv.DictReader(file)
        missing = sorted(set(CSV_COLUMNS) - set(reader.fieldnames or ()))
        if missing:
            raise ValueError(
                f'{path} is not a CSV of pairs, it lacks the columns {", ".join(missing)}: write '
                'it with csv_path of JFRMetric or --csv of evaluate_masks.py'
            )
        rows = []
        for record in reader:
            try:
                rows.append(_pair_of(record))
            except (TypeError, ValueError) as error:
                raise ValueError(f'{path}, line {reader.line_num}: {error}') from error
    return rows


def _pair_of(record: dict[str, str]) -> PairRow:
    """The row of one line of the CSV."""
    if None in record.values():
        raise ValueError('the line is cut off')
    results = {
        gate: MaskResult(
            **{
                field: _split(record[f'{prefix}{name}_frames'], kind)
                for name, (field, kind) in _FRAME_FIELDS.items()
            }
        )
        for prefix, gate in _GATES.items()
    }
    row = PairRow(
        pair_id=record['pair_id'],
        video=record['video'],
        kind=record['kind'],
        sentence=record['sentence'],
        is_negative=record['label'] == '0',
        frame_ids=_split(record['frame_ids'], str) or (),
        frame_pixels=int(record['frame_pixels']),
        consensus=float(record['consensus']) if record['consensus'] else None,
        score=float(record['score']) if record['score'] else None,
        gt_areas=_split(record['gt_area_frames'], int),
        foreground_areas=_split(record['foreground_area_frames'], int),
        sentence_type=int(record['sentence_type']) if record['sentence_type'] else None,
        candidates=_candidates_of(record),
        **results,
    )
    if not row.num_frames == int(record['frames']) == len(row.gated.areas):
        raise ValueError(f'pair {row.pair_id!r} does not have its {record["frames"]} frames')
    return row


def _candidates_of(record: dict[str, str]) -> tuple[ScoredMasks, ...] | None:
    """The candidates of one line of the CSV, per frame."""
    cells = [record[f'candidate_{name}_frames'] for name in _CANDIDATE_FIELDS]
    if not cells[0]:
        return None
    frames = zip(*(cell.split(SEPARATOR) for cell in cells))
    gt_areas = _split(record['gt_area_frames'], int)
    kinds = [kind for _, kind in _CANDIDATE_FIELDS.values()]
    return tuple(
        ScoredMasks(
            *(
                tuple(kind(part) for part in text.split(INNER_SEPARATOR))
                for text, kind in zip(texts, kinds)
            ),
            gt_area,
        )
        for texts, gt_area in zip(frames, gt_areas)
    )


def _split(text: str, kind: Callable[[str], Any]) -> tuple | None:
    """Values of a cell, None for an empty one."""
    return tuple(kind(part) for part in text.split(SEPARATOR)) if text else None


def _mean(values: Sequence[float] | None) -> float | None:
    """Mean, None of None."""
    return None if values is None else float(np.mean(values))


def _write_csv(path: Path, columns: Sequence[str], records: Sequence[dict[str, Any]]) -> None:
    """Write a CSV whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.name}.{os.getpid()}')
    with temporary.open('w', newline='', encoding='utf-8') as file:
        _write_lines(file, columns, records, header=True)
    os.replace(temporary, path)


def _write_lines(
    file: TextIO, columns: Sequence[str], records: Sequence[dict[str, Any]], *, header: bool
) -> None:
    """Write lines to an open CSV."""
    writer = csv.DictWriter(file, columns)
    if header:
        writer.writeheader()
    writer.writerows({name: _cell(record[name]) for name in columns} for record in records)


def _cell(value: Any) -> Any:
    """A value as text of the CSV."""
    if isinstance(value, list):
        return SEPARATOR.join(
            INNER_SEPARATOR.join(map(str, part)) if isinstance(part, list) else str(part)
            for part in value
        )
    return '' if value is None else value
