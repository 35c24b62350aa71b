"""Write the scores of pairs and objects as CSV, and read those of pairs back.

A CSV holds everything that the metric keeps, so that any value can be computed again from it.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from r2vos_mm.utils.files import atomic_path

from ..functional.mean_ap import MaskCandidates
from .object_scores import ObjectScores
from .pair_scores import PairScores

SEPARATOR = ';'
INNER_SEPARATOR = ','  # between the candidates of one frame
# Characters of a cell; the default of 128 KiB is exceeded by a few thousand frames.
_MAX_CELL_SIZE = 1 << 27
# Column: field of PairScores, type of a value. Columns "*_frames" and "frame_ids" hold lists.
_FIELDS = {
    'pair_id': ('pair_id', str),
    'video': ('video', str),
    'kind': ('kind', str),
    'sentence': ('expression', str),
    'consensus': ('consensus', float),
    'score': ('score', float),
    'frame_pixels': ('frame_pixels', int),
    'sentence_type': ('sentence_type', int),
}
_FRAME_FIELDS = {
    'frame_ids': ('frame_ids', str),
    'gt_area_frames': ('gt_areas', int),
    'foreground_area_frames': ('foreground_areas', int),
}
_MASK_FIELDS = {
    'area_frames': ('areas', int),
    'intersection_frames': ('intersections', int),
    'J_frames': ('region', float),
    'F_frames': ('contour', float),
}
_CANDIDATE_FIELDS = {
    'candidate_IoU_frames': ('ious', float),
    'candidate_score_frames': ('scores', float),
    'candidate_area_frames': ('areas', int),
}
_GATES = ('', 'ungated_')
CSV_COLUMNS = (
    *('pair_id', 'video', 'kind', 'sentence', 'label', 'frames', 'consensus', 'gt_area'),
    *(prefix + name for prefix in _GATES for name in ('area', 'area_fraction', 'J', 'F')),
    *('score', 'frame_pixels', 'frame_ids', 'gt_area_frames'),
    *(prefix + name for prefix in _GATES for name in _MASK_FIELDS),
    *('sentence_type', 'foreground_area_frames', *_CANDIDATE_FIELDS),
)


def pair_record(pair: PairScores) -> dict[str, Any]:
    """Return the columns of one pair; None for unknown values, tuples for values per frame."""
    fields = {**_FIELDS, **_FRAME_FIELDS}
    record = {column: getattr(pair, field) for column, (field, _) in fields.items()}
    record['label'], record['frames'] = int(not pair.is_negative), len(pair.frame_ids)
    record['gt_area'] = pair.gt_area
    for prefix, scores in zip(_GATES, (pair, pair.before_gate or pair)):
        record[f'{prefix}area'] = scores.area
        record[f'{prefix}area_fraction'] = scores.fraction
        record[f'{prefix}J'] = _mean(scores.region)
        record[f'{prefix}F'] = _mean(scores.contour)
        for column, (field, _) in _MASK_FIELDS.items():
            record[prefix + column] = getattr(scores, field)
    for column, (field, _) in _CANDIDATE_FIELDS.items():
        frames = pair.candidates
        record[column] = None if frames is None else [getattr(frame, field) for frame in frames]
    return {name: record[name] for name in CSV_COLUMNS}


def write_pairs(path: Path, pairs: Sequence[PairScores]) -> None:
    """Write one line per pair, atomically.

    J and F are in [0, 1], values per frame are joined by ``;``, unknown values are empty.
    """
    with atomic_path(path) as temporary, temporary.open('w', newline='', encoding='utf-8') as file:
        _write_lines(file, CSV_COLUMNS, map(pair_record, pairs), header=True)


def append_pairs(path: Path, pairs: Sequence[PairScores]) -> None:
    """Append pairs to a CSV, which is created if needed; lines written before are never lost."""
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    with path.open('a', newline='', encoding='utf-8') as file:
        _write_lines(file, CSV_COLUMNS, map(pair_record, pairs), header=is_new)


def object_record(scores: ObjectScores) -> dict[str, Any]:
    """Return the columns of one object; lists for values per frame."""
    record: dict[str, Any] = {
        'object': scores.pair_id,
        'video': scores.video,
        'annotator': scores.expression_set,
        'obj_id': scores.obj_id,
        'frame_ids': scores.frame_ids,
    }
    for prefix, entry in zip(_GATES, (scores, scores.before_gate or scores)):
        for name, values in (('J', entry.region), ('F', entry.contour)):
            record[f'{prefix}{name}'] = _mean(values)
            record[f'{prefix}{name}_frames'] = values
    return record


def write_objects(path: Path, objects: Sequence[ObjectScores]) -> None:
    """Write one line per object of the protocol ``davis_unsup`` (at least one), atomically."""
    records = [object_record(entry) for entry in objects]
    with atomic_path(path) as temporary, temporary.open('w', newline='', encoding='utf-8') as file:
        _write_lines(file, tuple(records[0]), records, header=True)


def read_pairs(path: Path) -> list[PairScores]:
    """Return the scores that :func:`write_pairs` wrote, equal to the last digit.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: It is not such a CSV, or a line of it is broken; the message has its number.
    """
    csv.field_size_limit(_MAX_CELL_SIZE)
    with path.open(newline='', encoding='utf-8') as file:
        reader = csv.DictReader(file)
        missing = sorted(set(CSV_COLUMNS) - set(reader.fieldnames or ()))
        if missing:
            raise ValueError(
                f'{path} is not a CSV of pairs, it lacks the columns {", ".join(missing)}: write '
                'it with csv_path of JFRMetric or --csv of evaluate_masks.py'
            )
        pairs = []
        for record in reader:
            try:
                pairs.append(_pair_of(record))
            except (TypeError, ValueError) as error:
                raise ValueError(f'{path}, line {reader.line_num}: {error}') from error
    return pairs


def _pair_of(record: dict[str, str]) -> PairScores:
    """Return the scores in one line of the CSV."""
    if None in record.values():
        raise ValueError('the line is cut off')
    known: dict[str, Any] = {
        field: parse(record[column]) if record[column] or parse is str else None
        for column, (field, parse) in _FIELDS.items()
    }
    gated, ungated = (
        {field: _split(record[prefix + c], parse) for c, (field, parse) in _MASK_FIELDS.items()}
        for prefix in _GATES
    )
    per_frame = {field: _split(record[c], parse) for c, (field, parse) in _FRAME_FIELDS.items()}
    scores = PairScores(
        **known,
        **per_frame,
        **ungated,
        is_negative=record['label'] == '0',
        candidates=_candidates_of(record, per_frame['gt_areas']),
    )
    if not len(scores.frame_ids) == int(record['frames']) == len(gated['areas']):
        raise ValueError(f'pair {scores.pair_id!r} does not have its {record["frames"]} frames')
    return scores if gated == ungated else replace(scores, **gated, before_gate=scores)


def _candidates_of(
    record: dict[str, str], gt_areas: tuple[int, ...] | None
) -> tuple[MaskCandidates, ...] | None:
    """Return the candidates in one line of the CSV, per frame."""
    cells = [(record[column], parse) for column, (_, parse) in _CANDIDATE_FIELDS.items()]
    if not cells[0][0]:
        return None
    per_field = [
        [tuple(map(parse, frame.split(INNER_SEPARATOR))) for frame in cell.split(SEPARATOR)]
        for cell, parse in cells
    ]
    return tuple(map(MaskCandidates, *per_field, gt_areas))


def _split(text: str, parse: Callable[[str], Any]) -> tuple | None:
    """Return the values in a cell, None for an empty one."""
    return tuple(map(parse, text.split(SEPARATOR))) if text else None


def _mean(values: Sequence[float] | None) -> float | None:
    return None if values is None else float(np.mean(values))


def _write_lines(
    file: TextIO, columns: Sequence[str], records: Iterable[dict[str, Any]], *, header: bool
) -> None:
    """Write lines to an open CSV."""
    writer = csv.DictWriter(file, columns)
    if header:
        writer.writeheader()
    writer.writerows({name: _cell(record[name]) for name in columns} for record in records)


def _cell(value: Any) -> Any:
    """Return a value as text of the CSV."""
    if isinstance(value, (tuple, list)):
        return SEPARATOR.join(
            INNER_SEPARATOR.join(map(str, part)) if isinstance(part, tuple) else str(part)
            for part in value
        )
    return '' if value is None else value
