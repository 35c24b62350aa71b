"""Runs are compared on the pairs that they share, and differences in the data are named."""

from dataclasses import replace
from pathlib import Path

import pytest

from r2vos_mm.evaluation.metrics.pair_scores import PairScores
from r2vos_mm.report.dumped_config import config_difference
from r2vos_mm.report.protocol import common_pairs, data_warnings, setting_warnings
from r2vos_mm.report.runs import Run


def pair(name: str, **fields) -> PairScores:
    kept = dict(kind='positive', expression='a dog', is_negative=False, gt_areas=(5, 5))
    numbers = dict(frame_ids=('0', '1'), frame_pixels=100, areas=(5, 5))
    return PairScores(f'{name}/0/p', name, **{**kept, **numbers, **fields})


def run(name: str, *pairs: PairScores, config: dict | None = None, **environment: str) -> Run:
    return Run(name, Path(name), list(pairs), config, environment=environment)


def test_common_pairs():
    first = run('A', pair('a'), pair('b'), pair('c'))
    second = run('B', pair('a'), pair('b', expression='a cat'), pair('d'))
    found, warnings = common_pairs([first, second])
    assert found == [[first.pairs[0]], [second.pairs[0]]]
    assert warnings == [
        'A has 2 pairs that are not the same in all runs (b/0/p, c/0/p). All numbers are of the 1 '
        'common pairs.',
        'B has 2 pairs that are not the same in all runs (b/0/p, d/0/p). All numbers are of the 1 '
        'common pairs.',
    ]
    assert common_pairs([first])[1] == []
    with pytest.raises(ValueError, match='A and C have no pair in common'):
        common_pairs([first, run('C', pair('x'))])


def test_data():
    own = [pair('a'), pair('b'), pair('c')]
    others = [
        replace(own[0], frame_ids=('0', '2')),
        replace(own[1], gt_areas=(5, 6)),
        replace(own[2], areas=(float('nan'), 1)),
    ]
    runs = [run('A', *own), run('B', *others)]
    assert data_warnings(runs, [own, others]) == [
        'B was tested on other frames than A in 1 pairs (a/0/p).',
        'B was scored against another annotation than A in 1 pairs (b/0/p).',
        'B has predictions that were not read, which leaves its metrics unknown, in 1 pairs '
        '(c/0/p).',
    ]
    assert data_warnings(runs[:1], [own]) == []


def test_settings():
    configs = [
        dict(
            model=dict(width=width, test_cfg=dict(gate_threshold=gate)),
            test_evaluator=dict(type='JFRMetric', csv_path=f'{gate}.csv', protocols=[protocol]),
        )
        for width, gate, protocol in ((1, 0.3, 'per_expression'), (2, 0.9, 'davis_unsup'))
    ]
    runs = [
        run(name, pair('a'), config=config, **{'Precision on cpu': precision, 'PyTorch': name})
        for name, config, precision in zip('AB', configs, ('float32', 'bfloat16'))
    ]
    assert setting_warnings(runs, config_difference(configs)) == [
        'The protocols differ. model.test_cfg.gate_threshold: 0.3 / 0.9; test_evaluator.protocols: '
        "['per_expression'] / ['davis_unsup']; Precision on cpu: float32 / bfloat16",
        'B was tested with the protocol davis_unsup; this report averages J and F over all frames '
        'of a pair and then over pairs.',
    ]
    assert setting_warnings(runs[:1], []) == []
