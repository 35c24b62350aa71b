"""Write the scores of pairs and objects as CSV, and read those of pairs back.

A CSV holds everything that the metric keeps, so that any value can be computed again from it.
"""

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from r2vos_mm.utils.files import atomic_path

from ..functional.mean_ap import MaskCandidates
from .pair_scores import ObjectScores, PairScores

_GATES = ('', 'ungated_')


def _many(parse: Callable[[str], Any], separator: str = ';') -> Callable[[str], tuple]:
    """Return a parser of cells with several values; candidates of a frame are separated by ','."""
    return lambda text: tuple(map(parse, text.split(separator)))


def _pixels(text: str) -> int | float:
    """Return a number of pixels; NaN for a prediction that was not read."""
    return float(text) if text == 'nan' else int(text)


# Column: field of PairScores, parser of a cell.
_FIELDS = {
    'pair_id': ('pair_id', str),
    'video': ('video', str),
    'kind': ('kind', str),
    'sentence': ('expression', str),
    'consensus': ('consensus', float),
    'score': ('score', float),
    'frame_pixels': ('frame_pixels', int),
    'sentence_type': ('sentence_type', int),
    'frame_ids': ('frame_ids', _many(str)),
    'gt_area_frames': ('gt_areas', _many(int)),
    'foreground_area_frames': ('foreground_areas', _many(int)),
    'text_type': ('text_type', str),
    'box_IoU_frames': ('box_ious', _many(float)),
    'mask_box_IoU_frames': ('mask_box_ious', _many(float)),
}
_MASK_FIELDS = {
    'area_frames': ('areas', _many(_pixels)),
    'intersection_frames': ('intersections', _many(_pixels)),
    'J_frames': ('region', _many(float)),
    'F_frames': ('contour', _many(float)),
}
_CANDIDATE_FIELDS = {
    'candidate_IoU_frames': ('ious', _many(_many(float, ','))),
    'candidate_score_frames': ('scores', _many(_many(float, ','))),
    'candidate_area_frames': ('areas', _many(_many(int, ','))),
}
_NEW_COLUMNS = ('text_type', 'box_IoU_frames', 'mask_box_IoU_frames')  # former versions lack them
CSV_COLUMNS = (
    *('pair_id', 'video', 'kind', 'sentence', 'label', 'frames', 'consensus', 'gt_area'),
    *(prefix + name for prefix in _GATES for name in ('area', 'area_fraction', 'J', 'F')),
    *('score', 'frame_pixels', 'frame_ids', 'gt_area_frames'),
    *(prefix + name for prefix in _GATES for name in _MASK_FIELDS),
    *('sentence_type', 'foreground_area_frames', *_CANDIDATE_FIELDS, *_NEW_COLUMNS),
)


def pair_record(pair: PairScores) -> dict[str, Any]:
    """Return the columns of one pair; None for unknown values, tuples for values per frame."""
    record = {column: getattr(pair, field) for column, (field, _) in _FIELDS.items()}
    record['label'], record['frames'] = int(not pair.is_negative), len(pair.frame_ids)
    record['gt_area'] = pair.gt_area
    for prefix, scores in zip(_GATES, (pair, pair.before_gate or pair)):
        means = {'J': _mean(scores.region), 'F': _mean(scores.contour)}
        values = {'area': scores.area, 'area_fraction': scores.fraction, **means}
        values |= {column: getattr(scores, field) for column, (field, _) in _MASK_FIELDS.items()}
        record |= {prefix + name: value for name, value in values.items()}
    for column, (field, _) in _CANDIDATE_FIELDS.items():
        record[column] = pair.candidates and [getattr(frame, field) for frame in pair.candidates]
    return {name: record[name] for name in CSV_COLUMNS}


def object_record(scores: ObjectScores) -> dict[str, Any]:
    """Return the columns of one object; tuples for values per frame."""
    record: dict[str, Any] = {'object': scores.pair_id, 'video': scores.video}
    record |= {'annotator': scores.expression_set, 'obj_id': scores.obj_id}
    record['frame_ids'] = scores.frame_ids
    for prefix, entry in zip(_GATES, (scores, scores.before_gate or scores)):
        for name, values in ((f'{prefix}J', entry.region), (f'{prefix}F', entry.contour)):
            record |= {name: _mean(values), f'{name}_frames': values}
    return record


def write_pairs(path: Path, pairs: Sequence[PairScores]) -> None:
    """Write one line per pair, atomically.

    J and F are in [0, 1], values per frame are joined by ``;``, unknown values are empty.
    """
    with atomic_path(path) as temporary:
        _write(temporary, CSV_COLUMNS, map(pair_record, pairs))


def append_pairs(path: Path, pairs: Sequence[PairScores]) -> None:
    """Append pairs to a CSV, which is created if needed; lines written before are never lost."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = () if path.exists() else CSV_COLUMNS
    _write(path, header, map(pair_record, pairs), mode='a')


def write_objects(path: Path, objects: Sequence[ObjectScores]) -> None:
    """Write one line per object of the protocol ``davis_unsup`` (at least one), atomically."""
    records = [object_record(entry) for entry in objects]
    with atomic_path(path) as temporary:
        _write(temporary, records[0], records)


def read_pairs(path: Path) -> list[PairScores]:
    """Return the scores that :func:`write_pairs` wrote, equal to the last digit.

    Raises:
        FileNotFoundError, ValueError: The file does not exist, is something else, or a line is
            broken; the message has its number.
    """
    # Characters of a cell; a few thousand frames exceed the default of 128 KiB.
    csv.field_size_limit(1 << 27)
    with path.open(newline='', encoding='utf-8-sig') as file:
        reader = csv.DictReader(file)
        missing = sorted(set(CSV_COLUMNS) - set(_NEW_COLUMNS) - set(reader.fieldnames or ()))
        if missing:
            what = f'{path} is not a CSV of pairs, it lacks the columns {", ".join(missing)}'
            raise ValueError(f'{what}: take one of JFRMetric(csv_path=...) or --csv')
        pairs: dict[str, PairScores] = {}
        try:
            for pair in map(_pair_of, reader):
                if pairs.setdefault(pair.pair_id, pair) is not pair:
                    raise ValueError(f'pair {pair.pair_id!r} occurs twice')
        except (TypeError, ValueError, csv.Error) as error:
            raise ValueError(f'{path}, line {reader.line_num}: {error}') from error
    return list(pairs.values())


def pair_from_json(record: dict[str, Any]) -> PairScores:
    """Return the scores in a :func:`pair_record` that was stored as JSON, where NaN is null."""
    cells = {name: _cell(_with_nan(value)) for name, value in record.items()}
    return _pair_of({name: '' if cell is None else str(cell) for name, cell in cells.items()})


def object_from_json(record: dict[str, Any]) -> ObjectScores:
    """Return the scores in an :func:`object_record` that was stored as JSON."""
    names = 'video', 'obj_id', 'annotator'
    identity = *(record[name] for name in names), tuple(record['frame_ids'])
    ungated, gated = (
        tuple(tuple(_with_nan(record[f'{prefix}{name}_frames'])) for name in ('J', 'F'))
        for prefix in reversed(_GATES)
    )
    scores = ObjectScores(*identity, *ungated)
    return scores if gated == ungated else ObjectScores(*identity, *gated, before_gate=scores)


def _with_nan(values: Any) -> Any:
    """Return values per frame with NaN instead of None; other values as they are."""
    if not isinstance(values, list):
        return values
    return [float('nan') if value is None else value for value in values]


def _pair_of(record: dict[str, str]) -> PairScores:
    """Return the scores in one line of the CSV."""
    if None in record.values():
        raise ValueError('the line is cut off')

    def read(fields: dict[str, tuple[str, Callable]], prefix: str = '') -> dict[str, Any]:
        cells = [(record.get(prefix + column, ''), *entry) for column, entry in fields.items()]
        return {field: parse(c) if c or parse is str else None for c, field, parse in cells}

    known, candidates = read(_FIELDS), read(_CANDIDATE_FIELDS)
    gated, ungated = (read(_MASK_FIELDS, prefix) for prefix in _GATES)
    if candidates['ious'] is not None:
        known['candidates'] = tuple(map(MaskCandidates, *candidates.values(), known['gt_areas']))
    scores = PairScores(**known, **ungated, is_negative=record['label'] == '0')
    if not len(scores.frame_ids) == int(record['frames']) == len(gated['areas']):
        raise ValueError(f'pair {scores.pair_id!r} does not have its {record["frames"]} frames')
    return scores if gated == ungated else replace(scores, **gated, before_gate=scores)


def _mean(values: Sequence[float] | None) -> float | None:
    return None if values is None else float(np.mean(values))


def _write(path: Path, header: Iterable[str], records: Iterable[dict], *, mode: str = 'w') -> None:
    with path.open(mode, newline='', encoding='utf-8') as file:
        writer = csv.writer(file)
        if header:
            writer.writerow(header)
        writer.writerows(map(_cell, record.values()) for record in records)


def _cell(value: Any) -> Any:
    """Return a value as csv takes it, which writes None as an empty cell."""
    if not isinstance(value, (tuple, list)):
        return value
    return ';'.join(
        ','.join(map(str, p)) if isinstance(p, (tuple, list)) else str(p) for p in value
    )
