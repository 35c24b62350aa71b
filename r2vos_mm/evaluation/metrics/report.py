"""Show metric values as a table of text and write them as JSON."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from r2vos_mm.utils.files import write_json
from r2vos_mm.utils.logging import log
from r2vos_mm.version import __version__

from .metric_values import ANSWER_THRESHOLD, GATES, EvalSet, MetricValue, as_dictionary
from .pair_scores import PairScores
from .protocols import protocol_named
from .scores_csv import object_record, pair_record, write_objects, write_pairs


def format_table(eval_set: EvalSet, values: Sequence[MetricValue]) -> str:
    """Return the values as lines of text, with the number of samples they were measured on."""
    known = as_dictionary(values)
    lines = []
    for index, name in enumerate(eval_set.protocols if 'quality' in eval_set.groups else ()):
        lines += _gate_lines(eval_set, name, f'{name}/' if index else '', known)
    if eval_set.negatives and {'robustness', 'verdict'} & set(eval_set.groups):
        lines += _kind_lines(eval_set, known)
    if eval_set.negatives and 'cgf1' in eval_set.groups:
        lines += _answer_lines(eval_set, known)
    for group in ('gate', 'no_target', 'boxes', 'presence', 'visa'):
        shown = [entry for entry in values if entry.group == group]
        if shown:
            lines.append(f'{group}, {shown[0].protocol}:')
            lines += [f'  {entry.key:32}{entry.value:>10.4f}' for entry in shown]
    return '\n'.join(lines)


def _gate_lines(eval_set: EvalSet, name: str, prefix: str, known: dict[str, float]) -> list[str]:
    """Return the head of one protocol and one line per gate."""
    protocol, counts = protocol_named(name), _counts(eval_set, name)
    head = (
        f'protocol {name} ({protocol.summary}): {len(eval_set.pairs)} pairs '
        f'({len(eval_set.positives)} positive, {len(eval_set.negatives)} negative) of '
        f'{eval_set.num_videos} videos; scored {counts["n_samples"]} samples, '
        f'{counts["n_frames"]} frames'
    )
    if counts['n_left_out']:
        head += f'; {counts["n_left_out"]} pairs without a frame to score'
    shared = ('R', 'R_frac', 'R_pair')  # the same for every protocol
    columns = (*protocol.headline, *shared, 'J&F&R', 'cgF1', 'area_ratio')
    keys = {c: c if c in (*shared, 'cgF1') else prefix + c for c in columns}
    keys = {column: key for column, key in keys.items() if key in known}
    lines = [head, f'{"":9}' + ''.join(f'{column:>11}' for column in keys)]
    digits = {column: 2 if column == 'area_ratio' else 1 for column in keys}
    has_verdict = any(pair.consensus is not None for pair in eval_set.pairs)
    for prefix, state in GATES.items() if has_verdict else [('', '')]:
        cells = (f'{known[prefix + key]:>11.{digits[column]}f}' for column, key in keys.items())
        lines.append(f'{state and f"gate {state}":9}' + ''.join(cells))
    return lines


def _kind_lines(eval_set: EvalSet, known: dict[str, float]) -> list[str]:
    """Return AUROC and R per kind of negative pairs."""
    lines = [f'{"negatives":16}{"pairs":>7}{"AUROC":>8}{"R":>8}{"R gate off":>12}']
    columns = {'AUROC': '>8.4f', 'R': '>8.1f', 'ungated/R': '>12.1f'}
    for suffix, pairs in eval_set.kinds.items():
        cells = (f'{known.get(key + suffix, np.nan):{form}}' for key, form in columns.items())
        lines.append(f'{suffix[1:] or "all":16}{len(pairs):>7}' + ''.join(cells))
    return lines


def _answer_lines(eval_set: EvalSet, known: dict[str, float]) -> list[str]:
    """Return the presence scores of SAM 3, one line for each rule of what counts as answered."""
    names = ('IL_MCC', 'IL_FPR', 'pmF1', 'cgF1', 'cgF1@0.5', 'cgF1@0.75')
    rules = {'mask': ''}
    if any(pair.consensus is not None for pair in eval_set.pairs):
        rules = {f'gate {state}': prefix for prefix, state in GATES.items()}
        rules[f'consensus>={ANSWER_THRESHOLD}'] = f'consensus{ANSWER_THRESHOLD}/'
    lines = [f'{"answered if":16}' + ''.join(f'{name:>11}' for name in names)]
    for rule, prefix in rules.items():
        cells = (f'{known[prefix + n]:>11.{3 if n == "IL_MCC" else 1}f}' for n in names)
        lines.append(f'{rule:16}' + ''.join(cells))
    return lines


def write_results(
    eval_set: EvalSet,
    values: Sequence[MetricValue],
    csv_path: Path | None,
    json_path: Path | None,
    *,
    bound_th: float,
    part: Mapping[str, Any] | None = None,
) -> None:
    """Write the scores of pairs and objects as CSV, and a report as JSON, where paths are given.

    The report has the values with their protocols and all scores; NaN is written as null. ``part``
    describes the part of a data set that was scored; see :mod:`r2vos_mm.apis.scoring.merge`.
    """
    if csv_path is not None:
        write_pairs(csv_path, eval_set.pairs)
        log(f'Scores per pair: {csv_path}')
        if eval_set.objects:
            write_objects(csv_path.with_suffix('.objects.csv'), eval_set.objects)
    if json_path is not None:
        content = _report(eval_set, values, {} if part is None else {'part': part}, bound_th)
        write_json(json_path, _without_nan(content))
        log(f'Metric values with their protocols: {json_path}')


def _report(
    eval_set: EvalSet, values: Sequence[MetricValue], part: Mapping[str, Any], bound_th: float
) -> dict[str, Any]:
    figures = [entry._asdict() | {'value': float(entry.value)} for entry in values]
    summaries = {name: {'summary': protocol_named(name).summary} for name in eval_set.protocols}
    return {
        'format': 'r2vos-report/1',
        'version': __version__,
        **part,
        'masks': 'bool, size of the annotation',
        'bound_th': bound_th,
        'protocols': {n: summaries[n] | _counts(eval_set, n) for n in eval_set.protocols},
        'n_pairs': len(eval_set.pairs),
        'n_negative': len(eval_set.negatives),
        'n_videos': eval_set.num_videos,
        'scored_pairs_sha256': scored_pairs_sha256(eval_set.pairs),
        'figures': figures,
        'rows': [pair_record(pair) for pair in eval_set.pairs],
        'objects': [object_record(entry) for entry in eval_set.objects],
    }


def scored_pairs_sha256(pairs: Sequence[PairScores]) -> str:
    """Return the SHA-256 of lines ``<pair id>\\t<video>\\t<expression>\\n`` of sorted pairs.

    Two reports with the same one are on the same pairs. (A pairs file has its own
    ``pairs_sha256``, over expressions as written there.)
    """
    identity = ''.join(f'{p.pair_id}\t{p.video}\t{p.expression}\n' for p in pairs)
    return hashlib.sha256(identity.encode()).hexdigest()


def _without_nan(content: Any) -> Any:
    """Return the content with None instead of NaN and infinity, which JSON does not have."""
    if isinstance(content, dict):
        return {name: _without_nan(value) for name, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_without_nan(value) for value in content]
    return None if isinstance(content, float) and not np.isfinite(content) else content


def _counts(eval_set: EvalSet, name: str) -> dict[str, int]:
    """Return how much was scored by a protocol with the gate on."""
    samples = eval_set.samples(name)
    with_sample = {row.pair_id for row, _ in samples}
    pairs = () if name == 'davis_unsup' else eval_set.annotated
    return {
        'n_samples': len(samples),
        'n_frames': sum(len(frames) for _, frames in samples),
        'n_left_out': sum(pair.pair_id not in with_sample for pair in pairs),
    }
