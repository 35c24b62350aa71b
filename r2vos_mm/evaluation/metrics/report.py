"""The figures as a table of text, and the pairs as a CSV file."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import Any, Sequence

import numpy as np

from r2vos_mm.evaluation.metrics.pair_rows import PairRow

PROTOCOL = 'per_expression'
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
)


def format_table(rows: Sequence[PairRow], figures: dict[str, float]) -> str:
    """The figures as lines of text, with what they were measured on."""
    scored = [row for row in rows if row.gt_area is not None]
    num_negative = sum(row.is_negative for row in rows)
    num_videos, num_frames = len({row.video for row in rows}), sum(row.num_frames for row in scored)
    lines = [
        f'protocol {PROTOCOL}: {len(rows)} pairs ({len(rows) - num_negative} positive, '
        f'{num_negative} negative) of {num_videos} videos; J and F on {len(scored)} pairs, '
        f'{num_frames} frames'
    ]
    names = ('J', 'F', 'J&F', 'R', 'R_frac', 'R_pair', 'J&F&R', 'area_ratio')
    lines.append(f'{"":9}' + ''.join(f'{name:>11}' for name in names))
    for gate, prefix in (('gate on', ''), ('gate off', 'ungated/')):
        cells = (
            f'{figures[prefix + name]:>11.{2 if name == "area_ratio" else 1}f}' for name in names
        )
        lines.append(f'{gate:9}' + ''.join(cells))
    lines.append(f'{"negatives":16}{"pairs":>7}{"AUROC":>8}{"R":>8}{"R gate off":>12}')
    counts = Counter(row.kind for row in rows if row.is_negative)
    for kind, pairs in [('all', num_negative), *sorted(counts.items())]:
        suffix = '' if kind == 'all' else f'/{kind}'
        lines.append(
            f'{kind:16}{pairs:>7}{figures["AUROC" + suffix]:>8.4f}{figures["R" + suffix]:>8.1f}'
            f'{figures["ungated/R" + suffix]:>12.1f}'
        )
    return '\n'.join(lines)


def write_csv(path: Path, rows: Sequence[PairRow]) -> None:
    """Write one line per pair for other aggregates; J and F in [0, 1], empty where unknown."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open('w', newline='', encoding='utf-8') as file:
        writer = csv.DictWriter(file, CSV_COLUMNS)
        writer.writeheader()
        writer.writerows(_csv_line(row) for row in rows)


def _csv_line(row: PairRow) -> dict[str, Any]:
    """The columns of one pair."""
    line: dict[str, Any] = {
        'pair_id': row.pair_id,
        'video': row.video,
        'kind': row.kind,
        'sentence': row.sentence,
        'label': int(not row.is_negative),
        'frames': row.num_frames,
        'consensus': '' if row.consensus is None else row.consensus,
        'gt_area': '' if row.gt_area is None else row.gt_area,
    }
    for prefix, result in (('', row.gated), ('ungated_', row.ungated)):
        line[f'{prefix}area'] = result.area
        line[f'{prefix}area_fraction'] = result.area / row.num_pixels
        line[f'{prefix}J'] = '' if result.region is None else float(np.mean(result.region))
        line[f'{prefix}F'] = '' if result.contour is None else float(np.mean(result.contour))
    return line
