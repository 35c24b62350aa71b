"""Find the pairs that runs share, and differences of protocol that make numbers incomparable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from r2vos_mm.evaluation.metrics.pair_scores import PairScores
from r2vos_mm.utils.data_issues import shown

from .dumped_config import DifferentSetting
from .runs import Run

# Settings of a test that change what its numbers mean, or which masks a model gives.
_PROTOCOL = ('model.test_cfg', 'test_evaluator', 'test_dataloader.dataset')


def common_pairs(runs: Sequence[Run]) -> tuple[list[list[PairScores]], list[str]]:
    """Return the pairs that all runs have, one list per run in the same order, and warnings.

    Pairs are the same if id, video, expression and kind are; frames and annotation may differ,
    which :func:`data_warnings` reports.

    Raises:
        ValueError: the runs have no pair in common.
    """
    found = [{_key(pair): pair for pair in run.pairs} for run in runs]
    keys = sorted(set(found[0]).intersection(*found[1:]))
    if not keys:
        names = ' and '.join(run.name for run in runs)
        raise ValueError(f'{names} have no pair in common: test them on the same data')
    warnings = []
    for run, pairs in zip(runs, found):
        others = sorted(key[0] for key in set(pairs) - set(keys))
        if others:
            warnings.append(
                f'{run.name} has {len(others)} pairs that are not the same in all runs '
                f'({shown(others)}). All numbers are of the {len(keys)} common pairs.'
            )
    return [[pairs[key] for key in keys] for pairs in found], warnings


def _key(pair: PairScores) -> tuple[Any, ...]:
    return pair.pair_id, pair.video, pair.expression, pair.kind, pair.is_negative


def data_warnings(runs: Sequence[Run], pairs: Sequence[Sequence[PairScores]]) -> list[str]:
    """Return what differs in the data of common pairs, and which predictions were not read."""
    warnings = []
    for run, own in zip(runs, pairs):
        both = list(zip(pairs[0], own))
        frames = [b.pair_id for a, b in both if a.frame_ids != b.frame_ids]
        truth = [
            b.pair_id
            for a, b in both
            if a.frame_ids == b.frame_ids
            and (a.gt_areas, a.frame_pixels) != (b.gt_areas, b.frame_pixels)
        ]
        unread = [pair.pair_id for pair in own if not pair.is_read]
        against = f'than {runs[0].name} in'
        for what, names in (
            (f'was tested on other frames {against}', frames),
            (f'was scored against another annotation {against}', truth),
            ('has predictions that were not read, which leaves its metrics unknown, in', unread),
        ):
            if names:
                warnings.append(f'{run.name} {what} {len(names)} pairs ({shown(names)}).')
    return warnings


def setting_warnings(runs: Sequence[Run], differences: Sequence[DifferentSetting]) -> list[str]:
    """Return settings of the test, and precisions, that differ between runs."""
    settings = [
        (entry.path, entry.values)
        for entry in differences
        if entry.values and entry.path.startswith(_PROTOCOL)
    ]
    names = sorted({name for run in runs for name in run.environment if 'Precision' in name})
    values = [(name, tuple(run.environment.get(name) for run in runs)) for name in names]
    settings += [(name, of_runs) for name, of_runs in values if len({*of_runs}) > 1]
    lines = [f'{path}: {" / ".join(_short(value) for value in of)}' for path, of in settings]
    warnings = ['The protocols differ. ' + '; '.join(lines)] if lines else []
    first = {run.name: (run.metric.get('protocols') or [''])[0] for run in runs}
    others = sorted(name for name, value in first.items() if value not in ('', 'per_expression'))
    if others:
        warnings.append(
            f'{shown(others)} was tested with the protocol {first[others[0]]}; this report '
            'averages J and F over all frames of a pair and then over pairs.'
        )
    return warnings


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f'{text[:59]}…'
