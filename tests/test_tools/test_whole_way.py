"""The small config from data to numbers and pictures, as the commands of the README run it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from r2vos_mm.refshapes import make_refshapes

ROOT = Path(__file__).parents[2]
CONFIG = 'configs/r2vos_tiny_refshapes.py'
ENVIRONMENT = {**os.environ, 'OMP_NUM_THREADS': '1', 'OMP_WAIT_POLICY': 'PASSIVE'}
ENVIRONMENT['PATH'] = f'{Path(sys.executable).parent}{os.pathsep}{ENVIRONMENT["PATH"]}'
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(torch.cuda.is_available(), reason='two processes would need two GPUs'),
]


def run(*command: str) -> str:
    result = subprocess.run(
        command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp('data') / 'refshapes'
    make_refshapes(
        root, splits=dict(train=6, valid=3), size=(64, 64), length=4, progress=False, workers=1
    )
    return root


def options(data: Path, iterations: int) -> list[str]:
    return [
        '--cfg-options',
        *(f'{part}_dataloader.dataset.data_root={data}' for part in ('train', 'val', 'test')),
        'train_dataloader.num_workers=0',
        'train_dataloader.persistent_workers=False',
        'train_dataloader.batch_size=2',
        f'train_cfg.max_iters={iterations}',
        f'train_cfg.val_interval={iterations}',
        'default_hooks.checkpoint.interval=2',
        'default_hooks.checkpoint.max_keep_ckpts=9',
        'default_hooks.logger.interval=1',
        'log_processor.window_size=1',
    ]


def losses(work_dir: Path) -> dict[int, float]:
    """Loss by iteration, the last log line of each winning."""
    lines = [
        line
        for path in sorted(work_dir.glob('*/vis_data/scalars.json'))
        for line in path.read_text().splitlines()
    ]
    records = [json.loads(line) for line in lines]
    return {r['iter']: r['loss'] for r in records if 'loss' in r}


def test_two_processes_train_and_test_like_one(data: Path, tmp_path: Path) -> None:
    run(
        'bash',
        'tools/dist_train.sh',
        CONFIG,
        '2',
        '--work-dir',
        str(tmp_path / 'train'),
        *options(data, 2),
    )
    checkpoint = str(tmp_path / 'train' / 'iter_2.pth')
    numbers = []
    for processes, command in (
        (1, [sys.executable, 'tools/test.py', CONFIG, checkpoint]),
        (2, ['bash', 'tools/dist_test.sh', CONFIG, checkpoint, '2']),
    ):
        out = tmp_path / f'{processes}.json'
        run(
            *command,
            '--work-dir',
            str(tmp_path / f'test{processes}'),
            '--out',
            str(out),
            '--show-dir',
            str(tmp_path / f'pictures{processes}'),
            *options(data, 2),
            'model.test_cfg.return_attention=True',
        )
        numbers.append(out.read_text())
        assert list((tmp_path / f'pictures{processes}').rglob('contact_sheet.png'))
        assert list((tmp_path / f'pictures{processes}').rglob('*_grounding_*.png'))
    assert numbers[0] == numbers[1]
    assert {'J', 'F', 'J&F', 'R', 'J&F&R', 'AUROC', 'ungated/R'} <= json.loads(numbers[0]).keys()


def test_a_killed_run_goes_on_with_the_same_losses(data: Path, tmp_path: Path) -> None:
    train = [sys.executable, 'tools/train.py', CONFIG]
    run(*train, '--work-dir', str(tmp_path / 'whole'), *options(data, 5))

    folder = tmp_path / 'killed'
    process = subprocess.Popen(
        [*train, '--work-dir', str(folder), *options(data, 5)],
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not (folder / 'iter_2.pth').exists() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    for later in ('iter_4.pth', 'iter_5.pth'):
        (folder / later).unlink(missing_ok=True)
    (folder / 'last_checkpoint').write_text(str(folder / 'iter_2.pth'))
    run(*train, '--work-dir', str(folder), '--resume', *options(data, 5))

    whole, resumed = losses(tmp_path / 'whole'), losses(folder)
    assert sorted(whole) == [1, 2, 3, 4, 5]
    assert resumed == whole
