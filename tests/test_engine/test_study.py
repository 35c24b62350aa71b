"""Arithmetic and layout of a study's tables."""

import dataclasses
from pathlib import Path

import pytest

from r2vos_mm.engine.study import (
    Report,
    Result,
    Row,
    Run,
    RunFolder,
    Statistic,
    Study,
    Table,
    figure_of,
    lines_of,
)
from r2vos_mm.engine.study.plan import changed_keys
from r2vos_mm.engine.study.report import format_cell

OURS = Row('Ours', Path('ours.py'))
THEIRS = Row('Theirs', Path('theirs.py'))
TABLE = Table('t', 'Methods', ('J', 'R', 'AUROC'), ('off', 'on'), (OURS, THEIRS))
STUDY = Study(Path('study.py'), 'A study', (TABLE,), (0, 1), 2, ())


def result(name: str, seed: int, j: float, auroc: float | None) -> Result:
    """A run with J of ``j`` before and of ``j - 1`` after the gate."""
    metrics = {'J': j - 1, 'ungated/J': j, 'J&F': j, 'ungated/J&F': j, 'R': 60.0, 'ungated/R': 40.0}
    return Result(
        name=name, seed=seed, processes=2, config_sha256='ab' * 32, commit='c' * 40 + '-dirty',
        versions={'device': '2 CPU cores', 'torch': '2'}, train_minutes=1.5, max_iters=100,
        clips_per_iter=8, metrics={**metrics, 'AUROC': auroc})  # fmt: skip


RESULTS = (
    result('ours', 0, 50.0, 0.7), result('ours', 1, 53.0, 0.8), result('ours', 2, 56.0, 0.9),
    result('theirs', 0, 30.0, None), result('theirs', 1, 34.0, None))  # fmt: skip


def test_mean_and_sample_standard_deviation():
    off, on, *_ = lines_of(TABLE, RESULTS)
    # (50 + 53 + 56) / 3 = 53; sqrt((9 + 0 + 9) / 2) = 3
    assert (off.cells['J'].mean, off.cells['J'].std, off.cells['J'].n) == (53, 3, 3)
    assert on.cells['J'].mean == 52
    assert off.cells['AUROC'].mean == on.cells['AUROC'].mean == pytest.approx(0.8)
    assert Statistic({0: 5.0}).std is None
    assert format_cell('J', Statistic({0: 40.0, 1: 42.0})) == '41.0 ± 1.4'  # sqrt(2)
    assert format_cell('AUROC', Statistic({7: 0.5})) == '0.500'


def test_a_model_without_verdict_has_no_gated_numbers():
    *_, off, on = lines_of(TABLE, RESULTS)
    # (30 + 34) / 2 = 32, sqrt((4 + 4) / 1) = 2.83
    assert format_cell('J', off.cells['J']) == '32.0 ± 2.8'
    assert off.cells['AUROC'] is None
    assert set(on.cells.values()) == {None}


def test_a_figure_that_one_seed_lacks_has_no_mean():
    lacking = dataclasses.replace(RESULTS[1], metrics={**RESULTS[1].metrics, 'ungated/J': None})
    assert lines_of(TABLE, [RESULTS[0], lacking])[0].cells['J'] is None


@pytest.mark.parametrize(('gate', 'expected'), [('off', 40.0), ('on', 60.0)])
def test_gate_chooses_the_key(gate: str, expected: float):
    assert figure_of(RESULTS[0].metrics, 'R', gate) == expected
    assert figure_of(RESULTS[0].metrics, 'no such figure', gate) is None


def test_report_states_seeds_commits_and_what_is_missing(tmp_path: Path):
    report = Report(STUDY, 'python run_study.py', RESULTS, ('theirs, seed 2',))
    text = report.as_markdown()
    assert '| Ours | off | 53.0 ± 3.0 | 40.0 ± 0.0 | 0.800 ± 0.100 | 3 |' in text
    assert '| Theirs | on | – | – | – | 2 |' in text
    assert '**Not finished**: theirs, seed 2.' in text
    assert '5 runs, each 100 iterations of 8 clips in 2 processes, on 2 CPU cores (torch 2)' in text
    assert '| ours | 1 | abababababab | cccccccccccc with changes | 1.5 min |' in text
    written = report.write(tmp_path)
    assert [path.name for path in written] == ['study.json', 'study.md', 'study.png']
    assert all(path.stat().st_size for path in written)


def test_changed_settings_are_named():
    old = {'model': {'a': 1, 'b': {'c': [1, 2]}}, 'seed': 0}
    new = {'model': {'a': 1, 'b': {'c': [1, 3]}, 'd': None}, 'seed': 0}
    assert list(changed_keys(old, new)) == ['model.b.c', 'model.d']


def test_the_end_of_a_log_is_that_of_the_last_start(tmp_path: Path):
    settings = {'config': {'train_cfg': {'max_iters': 4}}}
    folder = RunFolder(Run('ours', Path('ours.py'), 0, 1, tmp_path, (), settings))
    failed = 'E11 api.py:1] failed (exitcode: 1)\nits traceback\n'
    folder.log('train').write_text(
        f'==== start: one\nfirst cause\n{failed}==== start: two\na\nb\nsecond cause\n{failed}'
    )
    assert folder.tail('train', 2).splitlines()[:2] == ['b', 'second cause']


def test_share_of_a_training_follows_its_log(tmp_path: Path):
    settings = {'config': {'train_cfg': {'max_iters': 4}}}
    folder = RunFolder(Run('ours', Path('ours.py'), 0, 1, tmp_path, (), settings))
    assert folder.train_share == 0
    log = tmp_path / 'train' / '1' / 'vis_data' / 'scalars.json'
    log.parent.mkdir(parents=True)
    log.write_text('{"loss": 1.0, "step": 1}\n{"loss": 1.0, "step": 3}\n')
    assert folder.train_share == 3 / 4
    log.write_text('{"loss": 1.0, "st')
    assert folder.train_share == 0
    folder.note(train_seconds=90, trained=True)
    assert not folder.is_trained  # its checkpoint is gone
    (tmp_path / 'train' / 'iter_4.pth').touch()
    (tmp_path / 'train' / 'last_checkpoint').write_text('/moved/from/iter_4.pth')
    assert folder.is_trained
    assert folder.train_share == 1
    assert folder.result is None
