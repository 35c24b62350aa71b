"""A mistake ends every tool with one line and exit status 2, and Ctrl-C with one line and 130."""

import logging
import os
import random
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from scripts import SCRIPTS, TOOLS

ROOT = TOOLS.parent
CONFIG = 'configs/r2vos_tiny_refshapes.py'
WEIGHTS = 'configs/checkpoints/r2vos_tiny_refshapes.pth'
TOY, TOY_RUN = 'tests/toy/toy_config.py', ('--work-dir', '{tmp}')
# Of each tool: arguments with a mistake, and what the line names. {text} is a file of text, {tmp} a
# folder, and {none} does not exist.
MISTAKES = [
    ('train.py', ('{none}',), '{none}'),
    ('train.py', ('{text}.py',), '{text}.py'),
    ('train.py', (CONFIG, '--work-dir', '{text}'), 'work_dir {text}'),
    ('train.py', (TOY, *TOY_RUN, '--resume', '{text}'), '{text}'),
    ('train.py', (TOY, *TOY_RUN, '--resume', WEIGHTS), WEIGHTS),
    ('train.py', (TOY, *TOY_RUN, '--cfg-options', 'optim_wraper.dtype=x'), 'optim_wraper'),
    ('train.py', (TOY, *TOY_RUN, '--cfg-options', 'model.widht=3'), 'model.widht: ToyModel'),
    ('train.py', (TOY, *TOY_RUN, '--cfg-options', 'model.width=x'), 'ToyModel'),
    ('train.py', (TOY, *TOY_RUN, '--cfg-options', 'optim_wrapper.optimizer.lr=-1'), 'AdamW'),
    ('train.py', (TOY, *TOY_RUN, '--cfg-options', 'train_dataloader.batch_size=0'), 'batch_size'),
    ('train.py', (TOY, *TOY_RUN, '--cfg-options', 'train_cfg.max_iters=x'), 'IterBasedTrainLoop'),
    ('train.py', (TOY, *TOY_RUN, '--cfg-options', 'load_from=3'), 'load_from'),
    (
        'train.py',
        (TOY, *TOY_RUN, '--cfg-options', 'val_dataloader.dataset.backend_args.secret=x'),
        'val_dataloader.dataset.backend_args.secret: credentials',
    ),
    ('test.py', (CONFIG, '{none}'), '{none}'),
    ('test.py', (CONFIG, '{tmp}'), '{tmp} is not a file'),
    ('test.py', (TOY, '{text}', *TOY_RUN), '{text}'),
    ('test.py', (TOY, WEIGHTS, *TOY_RUN), WEIGHTS),
    ('test.py', (TOY, WEIGHTS, *TOY_RUN, '--out', '{text}/a.json'), '--out {text}/a.json'),
    ('test.py', (TOY, WEIGHTS, *TOY_RUN, '--out', '{tmp}/a.csv'), 'has no JFRMetric'),
    ('test.py', (TOY, WEIGHTS, *TOY_RUN, '--out', '{tmp}/a.txt'), 'NAME.csv for scores per pair'),
    ('demo.py', ('{none}', 'a dog'), '{none}'),
    ('demo.py', ('{text}', ''), 'expression 0 of 1'),
    ('demo.py', ('{text}', '\ud800'), 'expression 0 of 1'),
    ('demo.py', ('{tmp}', 'a dog', '--fps', 'inf'), '--fps: inf'),
    ('demo.py', ('{frames}', 'a dog', '--device', 'nonsense'), "device 'nonsense'"),
    ('demo.py', ('{frames}', 'a dog', '--out-dir', '{text}'), '--out-dir {text}'),
    ('demo.py', ('{frames}', 'a dog', '--cfg-options', 'model.x=1'), 'model.x'),
    ('label_with_ray.py', ('{none}', '{tmp}/labels'), '{none}'),
    ('analysis_tools/benchmark_dataloader.py', ('{none}',), '{none}'),
    ('analysis_tools/benchmark_mask_predictors.py', ('--device', 'cuda:99'), 'cuda:99'),
    ('analysis_tools/benchmark_metrics.py', ('{none}',), '{none}'),
    (
        'analysis_tools/compare_models.py',
        ('--ask', '{none}', 'a cat', '--model', 'a', 'r2vos_tiny', '-', '--out', '{tmp}/a.jpg'),
        '--ask: there is no video {none}',
    ),
    ('benchmarks/compare_speed.py', ('--base', '{none}'), '--base {none} is not a checkout'),
    ('benchmarks/gpu_check.py', ('--cpu', '--clips', '{none}'), '{none}'),
    ('analysis_tools/benchmark_model.py', ('{none}',), '{none}'),
    ('analysis_tools/browse_dataset.py', ('{text}.py',), '{text}.py'),
    ('analysis_tools/browse_dataset.py', (TOY, '--split', 'val', '--out-dir', '{text}'), '{text}'),
    ('analysis_tools/check_submission.py', ('{text}', '--layout', 'mevis'), '--expressions'),
    ('analysis_tools/evaluate_masks.py', ('{none}', '{tmp}'), '{tmp} has no mask_dict.json'),
    ('analysis_tools/evaluate_masks.py', ('{tmp}', '{tmp}', '--csv', '{tmp}'), '--csv {tmp}'),
    ('analysis_tools/get_flops.py', ('{text}.py',), '{text}.py'),
    ('analysis_tools/plot_evaluation.py', ('{none}', '--out', '{tmp}'), '{none}'),
    ('analysis_tools/plot_losses.py', ('{none}',), '{none}'),
    ('analysis_tools/refshapes_errors.py', (CONFIG, '{none}'), '{none}'),
    ('analysis_tools/run_study.py', ('{none}', '--work-dir', '{tmp}'), '{none}'),
    ('analysis_tools/sanity_baselines.py', (CONFIG, '{text}'), '{text}'),
    (
        'dataset_converters/build_r2_pairs.py',
        ('--expressions', '{none}', '--negatives-per-positive', '1', '--out', '{tmp}/a.json'),
        '{none}',
    ),
    (
        'dataset_converters/build_r2_davis.py',
        ('--expressions', '{none}', '--data-root', '{tmp}/a'),
        '{none}',
    ),
    ('dataset_converters/veval.py', ('read', '{none}', '--out', '{tmp}/a.json'), '{none}'),
    ('benchmarks/scaling.py', ('{none}', '--plot', '{tmp}/a.png'), 'numbers {none}'),
    ('benchmarks/storage.py', ('{none}',), '{none} is not a folder'),
    ('benchmarks/score_caricatures.py', ('{none}',), '{none}'),
    ('dataset_converters/check.py', ('mevis', '--data-root', '{none}'), '{none}'),
    ('dataset_converters/extract_frames.py', ('{none}', '--out', '{text}'), '--out {text}'),
    ('dataset_converters/make_meta.py', ('{none}', '{tmp}'), '{none}'),
    ('dataset_converters/make_referring_images.py', ('{none}', '--out', '{tmp}/a'), '{none}'),
    ('dataset_converters/make_refshapes.py', ('{text}',), '{text}'),
    ('dataset_converters/prepare.py', ('mevis', '--download-dir', '{none}'), '{none}'),
    ('model_converters/export_model.py', (CONFIG, WEIGHTS, '{tmp}/model.pth'), '.pt2 or .onnx'),
    ('model_converters/export_model.py', (CONFIG, '{none}', '{tmp}/model.onnx'), '{none}'),
    ('model_converters/imagenet_to_r2vos.py', ('{none}', '{text}', '{tmp}/a.pth'), '{none}'),
    ('model_converters/publish_model.py', ('{text}', '{tmp}/a.pth'), '{text}'),
    ('model_converters/referformer_to_r2vos.py', (CONFIG, '{text}', '{tmp}/a.pth'), '{text}'),
    (
        'model_converters/released_mttr.py',
        ('from-released', CONFIG, '{none}', '{tmp}/a.pth'),
        '{none}',
    ),
    (
        'model_converters/released_r2vos.py',
        ('from-released', CONFIG, '{text}', '{tmp}/a.pth'),
        '{text}',
    ),
    (
        'model_converters/released_referformer.py',
        ('to-released', CONFIG, '{text}', '{tmp}/a.pth'),
        '{text}',
    ),
    ('model_converters/video_swin_to_r2vos.py', (CONFIG, '{text}', '{tmp}/a.pth'), 'a ResNet'),
]


@pytest.fixture
def filled(tmp_path: Path):
    """Function that puts paths of a folder into arguments."""
    for name in ('text', 'text.py'):
        (tmp_path / name).write_text('text of no kind')
    paths = {name: str(tmp_path / name) for name in ('text', 'none')}
    frames = ROOT / 'configs/samples/refshapes.mp4'
    return lambda text: text.format(tmp=tmp_path, frames=frames, **paths)


def test_every_tool_has_a_mistake_in_the_table() -> None:
    assert {name for name, _, _ in MISTAKES} == set(SCRIPTS)


@pytest.mark.parametrize(('name', 'arguments', 'named'), MISTAKES)
def test_mistakes(
    name: str,
    arguments: tuple[str, ...],
    named: str,
    filled,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture,
) -> None:
    monkeypatch.chdir(ROOT)
    # Loggers of tests before this one write to files that are closed.
    monkeypatch.setattr(logging, 'raiseExceptions', False)
    monkeypatch.setattr(sys, 'argv', [str(TOOLS / name), *map(filled, arguments)])
    monkeypatch.setattr(sys, 'path', [str(TOOLS / name).rpartition('/')[0], 'tests/toy', *sys.path])
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(str(TOOLS / name), run_name='__main__')
    assert caught.value.code == 2
    errors = [line for line in capfd.readouterr().err.splitlines() if 'WARN' not in line]
    assert errors[-1].startswith('error: ')
    assert filled(named) in errors[-1]
    assert 'internal error' not in errors[-1]
    assert 'Traceback' not in ''.join(errors)


def stopped(arguments: list[str], *, after: float) -> tuple[int, str]:
    """Status and messages of a tool that gets Ctrl-C."""
    command = [sys.executable, *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdout=-3, stderr=-1, text=True)
    time.sleep(after)
    process.send_signal(signal.SIGINT)
    return process.wait(timeout=20), process.stderr.read()


def test_ctrl_c_while_a_model_runs(tmp_path: Path) -> None:
    texts = [f'a ball beside {number} others' for number in range(60)]  # several seconds of work
    video = [str(ROOT / 'configs/samples/refshapes.mp4'), *texts, '--out-dir', str(tmp_path)]
    command = [sys.executable, 'tools/demo.py', *video, '--frames-per-pass', '1']
    with subprocess.Popen(command, cwd=ROOT, stdout=-3, stderr=-1, text=True) as process:
        while 'frames' not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        start = time.monotonic()
        rest = process.communicate(timeout=60)[1].splitlines()
    assert (process.returncode, rest[-1]) == (130, 'stopped')
    assert 'Traceback' not in ''.join(rest)
    assert time.monotonic() - start < 30  # about 0.2 s on a free machine


@pytest.mark.skipif(
    os.environ.get('R2VOS_KILL_SWEEP') != 'all', reason='R2VOS_KILL_SWEEP=all tries every tool'
)
@pytest.mark.parametrize('name', SCRIPTS)
def test_ctrl_c_at_any_time(name: str, filled) -> None:
    """From one second on: until then Python itself starts, on a machine that is free."""
    arguments = next(arguments for tool, arguments, _ in MISTAKES if tool == name)
    for after in (1, 1 + 3 * random.Random(name).random()):
        code, errors = stopped([f'tools/{name}', *map(filled, arguments)], after=after)
        assert (code, errors.splitlines()[-1]) == (130, 'stopped') or code == 2
        assert 'Traceback' not in errors
