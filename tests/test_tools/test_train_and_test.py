"""The command lines of training and testing, on the toy project."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from run_states import differences, last_state

from r2vos_mm.cli import train
from r2vos_mm.engine import load_config
from r2vos_mm.utils.cli import parser_of

ROOT = Path(__file__).parents[2]
CONFIG = 'tests/toy/toy_config.py'
INIT = 'model.init_cfg'
MISSING_WEIGHTS = (f'{INIT}.type=Pretrained', f'{INIT}.checkpoint=nowhere.pth')
PATHS = os.pathsep.join(['tests/toy', str(ROOT)])
ENVIRONMENT = {**os.environ, 'PYTHONPATH': PATHS, 'OMP_NUM_THREADS': '1'}
# Shells started by the tests find the Python that runs the tests.
ENVIRONMENT['PATH'] = f'{Path(sys.executable).parent}{os.pathsep}{ENVIRONMENT["PATH"]}'


def run(*command: str) -> subprocess.CompletedProcess:
    """Run ``command`` in the root of the repository."""
    return subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)


@pytest.fixture(scope='module')
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a run of two processes started by dist_train.sh."""
    folder = tmp_path_factory.mktemp('trained')
    options = ('--work-dir', str(folder), '--amp', '--seed', '3', '--auto-scale-lr')
    result = run('bash', 'tools/dist_train.sh', CONFIG, '2', *options)
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason='the processes would need a GPU each')
class TestTwoProcesses:
    """Several processes on a machine without a GPU."""

    def test_training(self, trained: Path) -> None:
        records = [json.loads(line) for line in (trained / 'losses.jsonl').read_text().splitlines()]
        assert {record['rank'] for record in records} == {0, 1}
        checkpoint = torch.load(trained / 'iter_12.pth', weights_only=True)
        assert len(checkpoint['random_states']) == 2
        log = next(trained.glob('*/*.log')).read_text()
        assert "type='AutocastOptimWrapper'" in log
        assert 'seed=3' in log

    def test_resuming(self, trained: Path, tmp_path: Path) -> None:
        """Each process goes on with its own random states and items."""
        result = run(
            'bash', 'tools/dist_train.sh', CONFIG, '2', '--work-dir', str(tmp_path), '--amp',
            '--seed', '3', '--auto-scale-lr', '--resume', str(trained / 'iter_9.pth'),
        )  # fmt: skip
        assert result.returncode == 0, result.stdout + result.stderr
        lines = (trained / 'losses.jsonl').read_text().splitlines()
        resumed = (tmp_path / 'losses.jsonl').read_text().splitlines()
        assert sorted(resumed) == sorted(x for x in lines if json.loads(x)['iter'] > 9)

    @pytest.mark.parametrize('number', ['SIGKILL', 'SIGTERM'])
    def test_restart(self, trained: Path, tmp_path: Path, number: str) -> None:
        """The last process receives a signal; the launcher starts both again, which resume."""
        result = run(
            'env', 'MAX_RESTARTS=1', 'TOY_KILL_AT=8', f'TOY_SIGNAL={number}',
            'bash', 'tools/dist_train.sh', CONFIG, '2', '--work-dir', str(tmp_path),
            '--amp', '--seed', '3', '--auto-scale-lr', '--resume',
        )  # fmt: skip
        assert result.returncode == 0, result.stdout + result.stderr
        assert differences(last_state(trained, 12), last_state(tmp_path, 12)) == []

    def test_two_nodes(self, trained: Path, tmp_path: Path) -> None:
        """Two launchers of one process each, with an elastic rendezvous, equal one of two."""
        with socket.socket() as free:
            free.bind(('127.0.0.1', 0))
            endpoint = f'127.0.0.1:{free.getsockname()[1]}'
        settings = dict(NNODES='2:2', RDZV_BACKEND='c10d', RDZV_ENDPOINT=endpoint)
        command = ['bash', 'tools/dist_train.sh', CONFIG, '1', '--work-dir', str(tmp_path)]
        command += ['--amp', '--seed', '3', '--auto-scale-lr']
        environment = {**ENVIRONMENT, **settings}
        nodes = [subprocess.Popen(command, cwd=ROOT, env=environment) for _ in range(2)]
        assert [node.wait(300) for node in nodes] == [0, 0]
        assert differences(last_state(trained, 12), last_state(tmp_path, 12)) == []

    def test_testing(self, trained: Path, tmp_path: Path) -> None:
        out = tmp_path / 'metrics.json'
        result = run(
            'bash', 'tools/dist_test.sh', CONFIG, str(next(trained.glob('best_*.pth'))), '2',
            '--work-dir', str(tmp_path), '--out', str(out),
        )  # fmt: skip
        assert result.returncode == 0, result.stdout + result.stderr
        assert json.loads(out.read_text()).keys() == {'J&F&R'}


@pytest.mark.parametrize(
    ('command', 'message'),
    [
        (('train.py', 'configs/nowhere.py'), 'error: Config configs/nowhere.py does not exist'),
        (
            ('train.py', CONFIG, '--cfg-options', *MISSING_WEIGHTS),
            f'error: Weights nowhere.pth of {INIT} do not exist',
        ),
        (('test.py', CONFIG, 'nowhere.pth'), 'error: Checkpoint nowhere.pth does not exist'),
    ],
)
def test_mistakes_are_told_in_one_line(command: tuple[str, ...], message: str) -> None:
    result = run(sys.executable, f'tools/{command[0]}', *command[1:])
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1].startswith(message)
    assert 'Traceback' not in result.stderr


@pytest.mark.parametrize('script', sorted(p.name for p in (ROOT / 'tools').glob('*_t*.sh')))
def test_shell_scripts_explain_themselves(script: str) -> None:
    if script == 'run_tests.sh':
        pytest.skip('takes any arguments')
    result = run('bash', f'tools/{script}')
    assert result.returncode == 2
    assert result.stderr.startswith('usage: tools/')


def test_several_machines_need_a_port() -> None:
    result = run('env', 'NNODES=2', 'bash', 'tools/dist_train.sh', CONFIG, '1')
    assert result.returncode == 2
    assert 'set PORT' in result.stderr


@pytest.mark.parametrize(
    ('settings', 'message'),
    [(['NNODES=1:4'], 'needs RDZV_BACKEND=c10d'), (['RDZV_BACKEND=c10d'], 'needs RDZV_ENDPOINT')],
)
def test_elastic_rendezvous_needs_settings(settings: list[str], message: str) -> None:
    result = run('env', *settings, 'bash', 'tools/dist_train.sh', CONFIG, '1')
    assert result.returncode == 2
    assert message in result.stderr


def training_config(monkeypatch: pytest.MonkeyPatch, *options: str) -> Config:
    """Config that tools/train.py would run with ``options``."""
    monkeypatch.setattr(sys, 'path', [str(ROOT / 'tests' / 'toy'), *sys.path])
    parser = parser_of('')
    train.add_arguments(parser)
    args = parser.parse_args([str(ROOT / CONFIG), *options])
    cfg = load_config(args)
    train.apply_training_options(cfg, args)
    return cfg


def test_training_options(monkeypatch: pytest.MonkeyPatch) -> None:
    cfg = training_config(
        monkeypatch, '--amp', '--auto-scale-lr', '--seed', '7',
        '--max-minutes', '2.5', '--new-schedule', '--cfg-options', 'model.width=3',
        'optim_wrapper.optimizer.lr=1e-3',
    )  # fmt: skip
    assert cfg.work_dir == os.path.join('work_dirs', 'toy_config')
    assert (cfg.optim_wrapper.type, cfg.optim_wrapper.dtype) == ('AutocastOptimWrapper', 'auto')
    assert cfg.auto_scale_lr.enable is True
    assert cfg.randomness.seed == 7
    assert cfg.default_hooks.resumed_settings.new_schedule is True
    assert cfg.custom_hooks[-1] == {'type': 'TimeLimitHook', 'max_minutes': 2.5}
    assert (cfg.model.width, cfg.optim_wrapper.optimizer.lr) == (3, 1e-3)


def test_resume(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A run that has no checkpoint yet begins with the weights that its config names."""
    options = ('--resume', '--work-dir', str(tmp_path), '--cfg-options', 'load_from=first.pth')
    cfg = training_config(monkeypatch, *options)
    assert (cfg.resume, cfg.load_from) == (False, 'first.pth')
    content = dict.fromkeys(('state_dict', 'optimizer', 'meta', 'message_hub'), {})
    torch.save(content, tmp_path / 'iter_3.pth')
    cfg = training_config(monkeypatch, *options)
    assert (cfg.resume, cfg.load_from) == (True, str(tmp_path / 'iter_3.pth'))


def test_resume_from_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / 'a.pth'
    path.touch()
    cfg = training_config(monkeypatch, '--resume', str(path))
    assert (cfg.resume, cfg.load_from) == (True, str(path))


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (('--resume', 'gone.pth'), 'Checkpoint gone.pth does not exist'),
        (('--amp', '--cfg-options', 'optim_wrapper.type=ApexOptimWrapper'), 'wrapper, ApexOptimW'),
        (('--auto-scale-lr', '--cfg-options', 'auto_scale_lr=None'), 'no auto_scale_lr'),
    ],
)
def test_impossible_options(
    monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        training_config(monkeypatch, *options)
