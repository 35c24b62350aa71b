"""Checkpoints in an object store: what is written, kept and resumed, with faults of the store."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from object_servers import fill_bucket, s3_server  # noqa: F401, a fixture

from r2vos_mm.engine.hooks.checkpoint_hook import SafeCheckpointHook
from r2vos_mm.engine.work_folder import choose_start, last_words
from r2vos_mm.utils.checkpoint import load_checkpoint, read_checkpoint
from r2vos_mm.utils.cli import UsageError
from r2vos_mm.utils.storage.backends import FsspecBackend
from r2vos_mm.utils.storage.faults import StorageError
from r2vos_mm.utils.storage.paths import StoredPath


@pytest.fixture(params=['memory', 's3'])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StoredPath]:
    """A folder of an object store: in memory, and of a server that speaks S3."""
    protocol = request.param
    if protocol == 's3':
        request.getfixturevalue('s3_server')
        (tmp_path / 'files').mkdir()
        fill_bucket('runs', tmp_path / 'files')
    backend_args = dict(backend='fsspec', protocol=protocol, wait=0.0)
    yield StoredPath(f'{protocol}://runs/{tmp_path.name}', backend_args)
    if protocol == 'memory':
        fsspec.filesystem('memory').store.clear()


@pytest.fixture
def train(make_runner: Callable[..., Runner], store: StoredPath) -> Callable[..., Runner]:
    """Function that trains with checkpoints in the store; ``auto`` resumes as ``--resume`` does."""

    def run(work_dir: str, *, auto: bool = False, max_iters: int = 12) -> Runner:
        changes = {'default_hooks.checkpoint.out_dir': str(store), 'train_cfg.max_iters': max_iters}
        changes['default_hooks.checkpoint.backend_args'] = dict(store.backend_args)
        runner = make_runner(work_dir, **changes)
        if auto:
            cfg = Config(runner.cfg.to_dict())
            choose_start(cfg, 'auto')
            assert cfg.load_from == f'{store}/{work_dir}/iter_6.pth'
            changes |= dict(resume=True, load_from=cfg.load_from)
            runner = make_runner(work_dir, **changes)
        runner.train()
        return runner

    return run


def test_files(train, store: StoredPath, tmp_path: Path) -> None:
    runner = train('run')
    names = sorted((store / 'run').names())
    assert [name for name in names if name.startswith('iter_')] == ['iter_12.pth', 'iter_9.pth']
    assert len([name for name in names if name.startswith('best_JFR_iter_')]) == 1
    assert len(names) == 3
    assert not list((tmp_path / 'run').rglob('*.pth'))
    pointer = (tmp_path / 'run/last_checkpoint').read_text()
    assert pointer == f'{store}/run/iter_12.pth'
    assert pointer in last_words(runner.cfg)
    assert load_checkpoint(pointer)['meta']['iter'] == 12


def test_a_run_on_another_machine_continues_exactly(train, store, tmp_path: Path) -> None:
    """Nothing but the object store is left of the first part."""
    train('run', max_iters=6)
    shutil.rmtree(tmp_path / 'run')
    train('run', auto=True)
    train('unbroken')
    broken, unbroken = (load_checkpoint(f'{store}/{n}/iter_12.pth') for n in ('run', 'unbroken'))
    for name, value in unbroken['state_dict'].items():
        assert torch.equal(value, broken['state_dict'][name]), name
    states = [part['optimizer']['state'] for part in (broken, unbroken)]
    assert states[0].keys() == states[1].keys()
    for key, entries in states[1].items():
        assert all(torch.equal(states[0][key][name], value) for name, value in entries.items())


def test_a_damaged_checkpoint_is_skipped(train, store, toy_config: Config, tmp_path) -> None:
    train('run', max_iters=6)
    assert {'iter_4.pth', 'iter_6.pth'} <= set((store / 'run').names())
    (store / 'run/iter_9.pth').write_bytes(b'cut off')
    toy_config.work_dir = str(tmp_path / 'run')
    toy_config.default_hooks.checkpoint.update(out_dir=str(store), backend_args=store.backend_args)
    choose_start(toy_config, 'auto')
    assert toy_config.load_from == f'{store}/run/iter_6.pth'
    for resume in (f'{store}/run', f'{store}/run/iter_4.pth'):
        choose_start(toy_config, resume)
        assert toy_config.load_from == f'{store}/run/iter_{4 if resume[-1] == "h" else 6}.pth'
    with pytest.raises(UsageError, match='none/ does not exist'):
        choose_start(toy_config, f'{store}/none/')
    toy_config.load_from = None
    choose_start(Config(toy_config.to_dict() | dict(work_dir=str(tmp_path / 'other'))), 'auto')


def test_a_fault_while_saving_passes(train, store, monkeypatch: pytest.MonkeyPatch) -> None:
    faults, pipe = [ConnectionResetError('cut'), TimeoutError()], type(FsspecBackend('memory').fs)
    if store.startswith('s3'):
        pipe = type(FsspecBackend('s3').fs)
    original = pipe.pipe_file

    def unreliable(self: object, *args: object, **options: object) -> object:
        if faults:
            raise faults.pop()
        return original(self, *args, **options)

    monkeypatch.setattr(pipe, 'pipe_file', unreliable)
    train('run', max_iters=3)
    assert not faults
    assert load_checkpoint(f'{store}/run/iter_3.pth')['meta']['iter'] == 3
    faults += [PermissionError('denied')]
    with pytest.raises(StorageError, match='iter_3.pth cannot be reached: access is refused'):
        train('run', max_iters=3)


def test_the_backend_of_an_address_is_fsspec() -> None:
    hook = SafeCheckpointHook(out_dir='s3://runs')
    assert hook.backend_args == dict(backend='fsspec', protocol='s3')
    assert SafeCheckpointHook(out_dir='runs').backend_args == dict(backend='atomic_local')


def test_missing_and_local_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='memory://none/a.pth'):
        load_checkpoint('memory://none/a.pth')
    torch.save({'state_dict': {}}, tmp_path / 'a.pth')
    assert load_checkpoint(str(tmp_path / 'a.pth')) == read_checkpoint(tmp_path / 'a.pth')
