"""A study of two methods through the real tools: killed, resumed, one method failing."""

import importlib.util
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from r2vos_mm.refshapes import make_refshapes
from r2vos_mm.utils.cli import UsageError

ROOT = Path(__file__).parents[2]
TOOL = ROOT / 'tools' / 'analysis_tools' / 'run_study.py'
CONFIGS = ROOT / 'configs' / 'studies' / 'refshapes'
STUDY = """
title = 'Toy study'
seeds = [3]
processes = 1
seed_keys = ['train_dataloader.sampler.seed', 'train_dataloader.dataset.seed']
tables = [dict(
    name='methods', title='Methods', gates=['off', 'on'], columns=['J', 'R', 'AUROC'],
    rows=[
        dict(label='With cycle', config='with_cycle.py'),
        dict(label='Broken', config='broken.py')])]
"""
OPTIONS = (
    'train_cfg.max_iters=2', 'train_cfg.val_interval=9', 'train_cfg.val_begin=9',
    'train_dataloader.num_workers=0', 'train_dataloader.persistent_workers=False',
    'train_dataloader.batch_size=1', 'default_hooks.checkpoint.interval=1',
    'default_hooks.logger.interval=1', 'model.backbone.init_cfg=None')  # fmt: skip

_SPEC = importlib.util.spec_from_file_location('run_study', TOOL)
run_study = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(run_study)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study of R2-VOS and of a config whose data set refuses an option."""
    make_refshapes(
        tmp_path / 'set', splits=dict(train=2, valid=1), size=(64, 64), length=2, progress=False,
        workers=1)  # fmt: skip
    base = f'_base_ = {str(CONFIGS / "r2vos.py")!r}\n'
    (tmp_path / 'with_cycle.py').write_text(base)
    (tmp_path / 'broken.py').write_text(base + 'model = dict(cycle_head=dict(no_such=1))\n')
    (tmp_path / 'study.py').write_text(STUDY)
    return tmp_path / 'study.py'


def arguments(study: Path, *more: str) -> list[str]:
    folder = study.parent
    return [str(study), '--work-dir', str(folder / 'w'), '--data-root', str(folder / 'set'),
            '--cfg-options', *OPTIONS, *more]  # fmt: skip


def main(*words: str) -> int:
    """Exit status of the tool, run in this process."""
    with pytest.raises(SystemExit) as error:
        run_study.main(words)
    return error.value.code


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One thread, this Python, and the handler of SIGTERM as it was."""
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    monkeypatch.setenv('PYTHON', sys.executable)
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


def kill_amid_training(study: Path, checkpoint: Path) -> None:
    """Start the study and kill it, and it alone, once there is a checkpoint."""
    command = [sys.executable, str(TOOL), *arguments(study)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # fmt: skip
    while not checkpoint.exists():
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason='made for a machine without a GPU')
def test_a_killed_study_goes_on(study: Path, capfd: pytest.CaptureFixture) -> None:
    work_dir = study.parent / 'w'
    folder = work_dir / 'runs' / 'with_cycle' / 'seed3'
    kill_amid_training(study, folder / 'train' / 'last_checkpoint')
    assert not (folder / 'metrics.json').exists()

    assert main(*arguments(study)) == 1
    error = capfd.readouterr().err
    assert 'error: broken, seed 3: train ended with status 1' in error
    assert 'no_such' in error
    log = (folder / 'train.log').read_text()
    assert 'seed=3' in log
    assert 'resumed epoch: 0, iter: ' in log

    record = json.loads((work_dir / 'study.json').read_text())
    assert record['missing'] == ['broken, seed 3']
    assert [run['seed'] for run in record['runs']] == [3]
    line = record['tables'][0]['lines'][0]
    assert line['cells']['J']['values'] == {'3': record['runs'][0]['metrics']['ungated/J']}
    assert (work_dir / 'study.png').stat().st_size > 10_000

    written = (folder / 'train.log').stat().st_mtime_ns
    assert main(*arguments(study), '--only', 'With cycle') == 0
    assert '1 of 1 runs are finished already' in capfd.readouterr().out
    assert (folder / 'train.log').stat().st_mtime_ns == written


def test_other_settings_are_refused(study: Path, capsys: pytest.CaptureFixture) -> None:
    args = run_study.parse_args(arguments(study))
    run = run_study.plan(run_study.read_study(study), args)[0]
    run_study.RunFolder(run).note(train_seconds=1.0)
    assert main(*arguments(study, 'optim_wrapper.optimizer.lr=0.1'), '--table-only') == 2
    message = capsys.readouterr().err
    assert 'with_cycle' in message
    assert 'config.optim_wrapper.optimizer.lr' in message


def test_table_only_trains_nothing(study: Path, capsys: pytest.CaptureFixture) -> None:
    published = study.parent / 'published'
    assert main(*arguments(study), '--table-only', '--publish', str(published)) == 0
    assert 'No run is finished' in capsys.readouterr().out
    assert sorted(path.name for path in published.iterdir()) == ['study.json', 'study.md']
    assert not (study.parent / 'w' / 'runs').exists()


def test_the_seed_reaches_sampler_and_items(study: Path) -> None:
    args = run_study.parse_args([*arguments(study), '--seeds', '5', '6'])
    runs = run_study.plan(run_study.read_study(study), args)
    assert [(run.seed, run.name) for run in runs] == [
        (5, 'with_cycle'), (5, 'broken'), (6, 'with_cycle'), (6, 'broken')]  # fmt: skip
    loader = runs[2].settings['config']['train_dataloader']
    assert loader['sampler']['seed'] == loader['dataset']['seed'] == 6
    assert 'train_dataloader.sampler.seed=6' in runs[2].options
    assert len({run.config_sha256 for run in runs}) == 4


def test_mistakes_are_named(study: Path) -> None:
    found = run_study.read_study(study)
    assert found.names(['With cycle']) == found.names(['with_cycle']) == {'with_cycle'}
    with pytest.raises(UsageError, match=r"no rows \['nobody'\]"):
        found.names(['nobody'])
    args = run_study.parse_args([*arguments(study)])
    args.data_root = str(study.parent / 'elsewhere')
    with pytest.raises(UsageError, match='make the data set'):
        run_study.plan(found, args)
    (study.parent / 'with_cycle.py').unlink()
    with pytest.raises(UsageError, match='with_cycle.py does not exist'):
        run_study.plan(found, args)
    study.write_text(STUDY.replace('seeds', 'grains'))
    with pytest.raises(UsageError, match="lacks the entry 'seeds'"):
        run_study.read_study(study)
