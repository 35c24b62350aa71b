"""What belongs to a run is found in its folder."""

import os
import shutil
from pathlib import Path

import pytest

from r2vos_mm.report import read_run
from r2vos_mm.report.runs import metric_settings


@pytest.fixture
def folder(runs, tmp_path: Path) -> Path:
    shutil.copytree(runs[1], tmp_path / 'run')
    return tmp_path / 'run'


def test_everything_is_found(folder: Path, data: Path):
    run = read_run(folder)
    assert run.name == 'run'
    assert [pair.pair_id for pair in run.pairs] == sorted(pair.pair_id for pair in run.pairs)
    assert run.masks_path == folder / 'masks.pkl'
    assert run.gate_threshold == 0.7
    assert run.environment == {
        'r2vos_mm': '0.1.0',
        'sys.platform': 'linux',
        'PyTorch': '2.13.0+cpu',
        'MMEngine': '0.10.7',
        'Precision on cpu': 'bfloat16 (the CPU has AMX)',
    }
    assert run.hashes['checkpoint'] == str(data / 'pairs.json')
    assert not run.notes
    as_csv = read_run(folder / 'pairs.csv', name='other', masks='x.zip')
    assert (as_csv.name, as_csv.masks_path) == ('other', Path('x.zip'))
    assert as_csv.config == run.config


def test_the_config_is_that_of_the_test_before_the_scores(folder: Path):
    later = folder / '20270101_000000'
    shutil.copytree(folder / '20260101_000000', later)
    config = later / 'vis_data' / 'config.py'
    config.write_text(config.read_text().replace('0.7', '0.1'))
    os.utime(config, (2e9, 2e9))
    assert read_run(folder).gate_threshold == 0.7
    os.utime(folder / 'pairs.csv', (3e9, 3e9))
    assert read_run(folder).gate_threshold == 0.1


def test_what_is_unclear_or_missing_is_noted(folder: Path, data: Path):
    shutil.copy(folder / 'masks.pkl', folder / 'more.pkl')
    run = read_run(folder)
    assert run.masks_path is None
    assert run.notes == ['masks.pkl, more.pkl: choose the masks with --masks']
    os.utime(folder / 'pairs.csv', (1e9, 1e9))
    assert 'was written after the test' in read_run(folder).notes[1]
    (folder / '20260101_000000' / 'vis_data' / 'config.py').write_text('import os')
    run = read_run(folder)
    assert run.config is None
    assert 'config.py is not a config' in run.notes[1]
    assert 'no dumped config was found' in run.notes[2]
    assert 'checkpoint' not in run.hashes


def test_folders_without_one_csv_are_refused(folder: Path, tmp_path: Path):
    with pytest.raises(ValueError, match='has no scores: name one CSV of pairs; r2vos test'):
        read_run(folder / '20260101_000000')
    shutil.rmtree(folder / '20260101_000000')
    shutil.copy(folder / 'pairs.csv', folder / 'other.csv')
    with pytest.raises(ValueError, match='has other.csv, pairs.csv: name one'):
        read_run(folder)
    lines = (folder / 'pairs.csv').read_text().splitlines(keepends=True)
    (folder / 'pairs.csv').write_text(lines[0])
    with pytest.raises(ValueError, match='has no pairs'):
        read_run(folder / 'pairs.csv')


def test_the_metric_is_found_in_a_list():
    metrics = [dict(type='Other'), dict(type='r2vos_mm.JFRMetric', csv_path='a.csv')]
    assert metric_settings(dict(test_evaluator=metrics))['csv_path'] == 'a.csv'
    assert metric_settings({}) == metric_settings(dict(test_evaluator=metrics[:1])) == {}
