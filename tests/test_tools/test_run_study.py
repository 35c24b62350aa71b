"""A study of two methods through the real tools: killed, resumed, one failing; its tables."""

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
from r2vos_mm.utils.files import read_json, write_json

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
sys.modules['run_study'] = run_study  # dataclasses look their module up
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
    assert 'error: broken, seed 3: train ended with status 2' in error
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
    assert '1 of 1 runs are already finished' in capfd.readouterr().out
    assert (folder / 'train.log').stat().st_mtime_ns == written


def plan(study: Path, *more: str) -> list['run_study.Run']:
    """Runs of the tool's command line."""
    args = run_study.parse_args([*arguments(study), *more])
    found = run_study.read_study(study)
    return [
        run_study.plan_run(found, config, seed, args)
        for seed in args.seeds or found['seeds']
        for config in found['configs']
    ]


def test_other_settings_are_refused(study: Path, capsys: pytest.CaptureFixture) -> None:
    run = plan(study)[0]
    write_json(run.folder / 'run.json', dict(settings=run.settings, train_seconds=1.0))
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
    runs = plan(study, '--seeds', '5', '6')
    assert [(run.seed, run.config.stem) for run in runs] == [
        (5, 'with_cycle'), (5, 'broken'), (6, 'with_cycle'), (6, 'broken')]  # fmt: skip
    loader = runs[2].settings['config']['train_dataloader']
    assert loader['sampler']['seed'] == loader['dataset']['seed'] == 6
    assert 'train_dataloader.sampler.seed=6' in runs[2].options
    assert len({run.sha256 for run in runs}) == 4


def test_mistakes_are_named(study: Path) -> None:
    found = run_study.read_study(study)
    for labels in (['With cycle'], ['with_cycle'], ['with_cycle.py']):
        assert run_study.chosen_names(found, labels) == {'with_cycle'}
    assert run_study.chosen_names(found, None) == {'with_cycle', 'broken'}
    with pytest.raises(UsageError, match=r"no rows \['nobody'\]"):
        run_study.chosen_names(found, ['nobody'])
    with pytest.raises(UsageError, match='create the data set'):
        plan(study, '--data-root', str(study.parent / 'elsewhere'))
    (study.parent / 'with_cycle.py').unlink()
    with pytest.raises(UsageError, match='with_cycle.py does not exist'):
        plan(study)
    study.write_text(STUDY.replace('seeds', 'grains'))
    with pytest.raises(UsageError, match=r"lacks the entries \['seeds'\]"):
        run_study.read_study(study)


TABLE = dict(
    name='t', title='Methods', columns=['J', 'R', 'AUROC'], gates=['off', 'on'],
    rows=[
        dict(label='Ours', config=Path('ours.py')),
        dict(label='Theirs', config=Path('theirs.py'))],
)  # fmt: skip


def record(name: str, seed: int, j: float, auroc: float | None) -> dict:
    """A run with J of ``j`` before and of ``j - 1`` after the gate."""
    metrics = {'J': j - 1, 'ungated/J': j, 'J&F': j, 'ungated/J&F': j, 'R': 60.0, 'ungated/R': 40.0}
    return dict(
        name=name, seed=seed, processes=2, config_sha256='ab' * 32, commit='c' * 40 + '-dirty',
        versions={'torch': '2', 'device': '2 CPU cores'}, train_minutes=1.5, max_iters=100,
        clips_per_iter=8, metrics={**metrics, 'AUROC': auroc})  # fmt: skip


RECORDS = [
    record('ours', 0, 50.0, 0.7), record('ours', 1, 53.0, 0.8), record('ours', 2, 56.0, 0.9),
    record('theirs', 0, 30.0, None), record('theirs', 1, 34.0, None)]  # fmt: skip


def test_mean_and_sample_standard_deviation() -> None:
    off, on, *_ = run_study.lines_of(TABLE, RECORDS)
    # (50 + 53 + 56) / 3 = 53; sqrt((9 + 0 + 9) / 2) = 3
    assert off['cells']['J'] == dict(mean=53, std=3, n=3, values={0: 50, 1: 53, 2: 56})
    assert on['cells']['J']['mean'] == 52
    assert off['cells']['AUROC']['mean'] == on['cells']['AUROC']['mean'] == pytest.approx(0.8)
    assert run_study.cell_of(RECORDS[:1], 'J', 'off')['std'] is None


def test_a_model_without_verdict_has_no_gated_numbers() -> None:
    *_, off, on = run_study.lines_of(TABLE, RECORDS)
    # (30 + 34) / 2 = 32, sqrt((4 + 4) / 1) = 2.83
    assert run_study.format_cell('J', off['cells']['J']) == '32.0 ± 2.8'
    assert off['cells']['AUROC'] is None
    assert set(on['cells'].values()) == {None}


def test_a_metric_that_one_seed_lacks_has_no_mean() -> None:
    lacking = dict(RECORDS[1], metrics={**RECORDS[1]['metrics'], 'ungated/J': None})
    assert run_study.lines_of(TABLE, [RECORDS[0], lacking])[0]['cells']['J'] is None


def test_report_states_seeds_commits_and_what_is_missing(tmp_path: Path) -> None:
    study = dict(title='A study', tables=[TABLE])
    lines = run_study.lines_of(TABLE, RECORDS)
    report = dict(command='c', missing=['theirs, seed 2'], tables=[dict(lines=lines)], runs=RECORDS)
    text = run_study.as_markdown(study, report)
    assert '| Ours | off | 53.0 ± 3.0 | 40.0 ± 0.0 | 0.800 ± 0.100 | 3 |' in text
    assert '| Theirs | on | – | – | – | 2 |' in text
    assert '**Not finished**: theirs, seed 2.' in text
    assert '5 runs, each 100 iterations of 8 clips in 2 processes, on 2 CPU cores (torch 2)' in text
    assert '| ours | 1 | abababababab | cccccccccccc with changes | 1.5 min |' in text
    run_study.draw(study, RECORDS, tmp_path / 'study.png')
    assert (tmp_path / 'study.png').stat().st_size > 10_000


@pytest.mark.parametrize('name', ['refshapes', 'refshapes_negatives'])
def test_the_published_study_is_in_this_form(name: str) -> None:
    """The tables in docs/ follow from their runs."""
    study = run_study.read_study(CONFIGS.parent / name / 'study.py')
    published = read_json(ROOT / 'docs' / 'studies' / name / 'study.json')
    for table, content in zip(study['tables'], published['tables']):
        lines = run_study.lines_of(table, published['runs'])
        for line, expected in zip(lines, content['lines'], strict=True):
            cells, ours = expected['cells'], line['cells']
            assert cells.keys() == ours.keys()
            for column, cell in cells.items():
                assert (cell is None) is (ours[column] is None)
                assert cell is None or cell['mean'] == pytest.approx(ours[column]['mean'])
