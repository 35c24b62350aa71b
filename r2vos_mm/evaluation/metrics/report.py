"""The figures as a table of text and as JSON."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from r2vos_mm.version import __version__

from .figures import GATES, Figure, ScoredSet, as_dictionary
from .protocols import protocol_named
from .row_files import object_record, pair_record

_GATE_TITLES = {'gated': 'gate on', 'ungated': 'gate off'}
_NO_GATE_TITLES = {'gated': ''}
_SHARED = ('R', 'R_frac', 'R_pair')  # the same whatever the protocol
_ROBUSTNESS = (*_SHARED, 'J&F&R', 'area_ratio')


def format_table(scored: ScoredSet, figures: Sequence[Figure]) -> str:
    """The figures as lines of text, with what they were measured on."""
    values = as_dictionary(figures)
    lines = []
    if 'quality' in scored.groups:
        for index, name in enumerate(scored.protocols):
            lines += _protocol_lines(scored, name, f'{name}/' if index else '', values)
    if scored.negatives and {'robustness', 'verdict'} & set(scored.groups):
        lines += _kind_lines(scored, values)
    for group in ('gate', 'no_target', 'presence', 'visa'):
        shown = [figure for figure in figures if figure.group == group]
        if shown:
            lines.append(f'{group}, {shown[0].protocol}:')
            lines += [f'  {figure.key:32}{figure.value:>10.4f}' for figure in shown]
    return '\n'.join(lines)


def _protocol_lines(
    scored: ScoredSet, name: str, prefix: str, values: dict[str, float]
) -> list[str]:
    """Head and one line per gate of one protocol."""
    protocol, quality = protocol_named(name), scored.quality(name, 'gated')
    num_negative = len(scored.negatives)
    lines = [
        f'protocol {name} ({protocol.summary}): {len(scored.pairs)} pairs '
        f'({len(scored.pairs) - num_negative} positive, {num_negative} negative) of '
        f'{scored.num_videos} videos; scored {quality.num_samples} samples, '
        f'{quality.num_frames} frames'
        + (f'; {quality.left_out} pairs without a frame to score' if quality.left_out else '')
    ]
    keys = {
        column: column if column in _SHARED else prefix + column
        for column in (*protocol.headline, *_ROBUSTNESS)
    }
    keys = {column: key for column, key in keys.items() if key in values}
    lines.append(f'{"":9}' + ''.join(f'{column:>11}' for column in keys))
    for gate, title in (_GATE_TITLES if scored.has_verdict else _NO_GATE_TITLES).items():
        lines.append(
            f'{title:9}'
            + ''.join(
                f'{values[GATES[gate] + key]:>11.{2 if column == "area_ratio" else 1}f}'
                for column, key in keys.items()
            )
        )
    return lines


def _kind_lines(scored: ScoredSet, values: dict[str, float]) -> list[str]:
    """AUROC and R per kind of negative pairs."""
    lines = [f'{"negatives":16}{"pairs":>7}{"AUROC":>8}{"R":>8}{"R gate off":>12}']
    counts = Counter(row.kind for row in scored.negatives)
    nan = float('nan')
    for kind, pairs in [('all', len(scored.negatives)), *sorted(counts.items())]:
        suffix = '' if kind == 'all' else f'/{kind}'
        lines.append(
            f'{kind:16}{pairs:>7}{values.get("AUROC" + suffix, nan):>8.4f}'
            f'{values.get("R" + suffix, nan):>8.1f}{values.get("ungated/R" + suffix, nan):>12.1f}'
        )
    return lines


def write_report(
    path: Path, scored: ScoredSet, figures: Sequence[Figure], *, bound_th: float
) -> None:
    """Write figures with their protocols and all rows as JSON, whole or not at all.

    NaN is written as null. ``scored_pairs_sha256`` is the SHA-256 of the lines ``<pair id>\\t
    <video>\\t<sentence>\\n`` in the order of pair ids: two reports with the same one are on the
    same pairs. (A pairs file has a ``pairs_sha256`` of its own, over the sentences as it has them.)
    """
    identity = ''.join(f'{row.pair_id}\t{row.video}\t{row.sentence}\n' for row in scored.pairs)
    content = {
        'format': 'r2vos-report/1',
        'version': __version__,
        'masks': 'bool, size of the annotation',
        'bound_th': bound_th,
        'protocols': {name: _measured_on(scored, name) for name in scored.protocols},
        'n_pairs': len(scored.pairs),
        'n_negative': len(scored.negatives),
        'n_videos': scored.num_videos,
        'scored_pairs_sha256': hashlib.sha256(identity.encode()).hexdigest(),
        'figures': [{**vars(figure), 'value': _number(figure.value)} for figure in figures],
        'rows': [pair_record(row) for row in scored.pairs],
        'objects': [object_record(row) for row in scored.objects],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.name}.{os.getpid()}')
    temporary.write_text(json.dumps(content, indent=1) + '\n', encoding='utf-8')
    os.replace(temporary, path)


def _measured_on(scored: ScoredSet, name: str) -> dict[str, Any]:
    """What a protocol is and how much was scored by it, with the gate on."""
    quality = scored.quality(name, 'gated')
    return {
        'summary': protocol_named(name).summary,
        'n_samples': quality.num_samples,
        'n_frames': quality.num_frames,
        'n_left_out': quality.left_out,
    }


def _number(value: Any) -> float | None:
    """A number for JSON, which knows no NaN."""
    return float(value) if np.isfinite(value) else None
