"""Locks of work folders, and the checkpoint that a run resumes from."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from r2vos_mm.engine import work_folder
from r2vos_mm.utils.cli import UsageError


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is logged."""
    found: list[str] = []
    monkeypatch.setattr(work_folder, 'warn', found.append)
    monkeypatch.setattr(work_folder, 'log', found.append)
    return found


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Function that writes a checkpoint of the work folder."""

    def write(name: str, *, time: str = '20260101_000000', without: str = '') -> Path:
        content = dict(state_dict={}, optimizer={}, message_hub={}, meta=dict(time=time))
        content.pop(without, None)
        torch.save(content, tmp_path / name)
        return tmp_path / name

    return write


def config(folder: Path, **settings: object) -> Config:
    return Config(dict(work_dir=str(folder), launcher='none', **settings))


def lock_elsewhere(folder: Path) -> subprocess.Popen:
    """Start a process that locks ``folder`` until its stdin ends."""
    code = (
        'import sys; from mmengine.config import Config\n'
        'from r2vos_mm.engine.work_folder import locked_work_folder\n'
        'with locked_work_folder(Config(dict(work_dir=sys.argv[1]))):\n'
        '    print("locked", flush=True); sys.stdin.read()'
    )
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process = subprocess.Popen([sys.executable, '-c', code, str(folder)], **pipes)
    assert process.stdout.readline() == b'locked\n'
    return process


def test_a_folder_is_locked_until_its_owner_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = lock_elsewhere(tmp_path)
    cfg = config(tmp_path)
    named = f'{tmp_path} is in use by another training .process {owner.pid} on '
    with pytest.raises(UsageError, match=named), work_folder.locked_work_folder(cfg):
        pass
    monkeypatch.setenv('RANK', '1')
    cfg.launcher = 'pytorch'
    with work_folder.locked_work_folder(cfg):
        pass  # rank 0 has the lock of all ranks
    owner.kill()
    owner.wait()
    monkeypatch.setenv('RANK', '0')
    with work_folder.locked_work_folder(cfg):
        pass


def test_unwritable_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / 'file').touch()
    cfg = config(tmp_path / 'file' / 'run')
    with (
        pytest.raises(UsageError, match='cannot write to the work folder .*--work-dir'),
        work_folder.locked_work_folder(cfg),
    ):
        pass


def test_temporary_files_of_dead_processes_are_removed(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, '-c', ''])
    dead.wait()
    names = [f'.iter_9.{dead.pid}.tmp.pth', f'.iter_9.pth.{dead.pid}.tmp', '.last_checkpoint']
    names += [f'.iter_9.{os.getpid()}.tmp.pth', f'iter_9.{dead.pid}.tmp.pth']
    for name in names:
        (tmp_path / name).touch()
    with work_folder.locked_work_folder(config(tmp_path)):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {*names[2:], '.training.lock'}


@pytest.mark.parametrize(
    'pointer', [None, 'iter_9.pth', 'gone.pth', '/moved/from/iter_30.pth', '\0']
)
def test_newest_without_its_pointer(
    tmp_path: Path, save: Callable[..., Path], pointer: str | None
) -> None:
    for name in ('iter_9.pth', 'iter_30.pth', 'best_JF_iter_60.pth', 'iter_40.pth.skipped'):
        save(name)
    if pointer:
        (tmp_path / 'last_checkpoint').write_text(pointer)
    cfg = config(tmp_path, load_from='first.pth')
    work_folder.choose_start(cfg, 'auto')
    assert (cfg.resume, cfg.load_from) == (True, str(tmp_path / 'iter_30.pth'))


def test_unusable_checkpoints_are_named_and_kept(
    tmp_path: Path, save: Callable[..., Path], messages: list[str]
) -> None:
    save('iter_3.pth')
    save('iter_6.pth').write_bytes((tmp_path / 'iter_3.pth').read_bytes()[:500])
    save('iter_9.pth', without='optimizer')
    cfg = config(tmp_path)
    work_folder.choose_start(cfg, 'auto')
    assert cfg.load_from == str(tmp_path / 'iter_3.pth')
    assert (tmp_path / 'iter_6.pth.skipped').stat().st_size == 500
    assert 'iter_9.pth is skipped and renamed to iter_9.pth.skipped: it has no opt' in messages[0]
    assert 'iter_6.pth is skipped' in messages[1]


def test_checkpoints_of_an_earlier_run_are_skipped(
    tmp_path: Path, save: Callable[..., Path], messages: list[str]
) -> None:
    os.utime(save('iter_30.pth', time='20250101_000000'), (1, 1))
    save('iter_3.pth', time='20260101_000000')
    (tmp_path / 'last_checkpoint').write_text('iter_3.pth')
    cfg = config(tmp_path)
    work_folder.choose_start(cfg, 'auto')
    assert cfg.load_from == str(tmp_path / 'iter_3.pth')
    assert 'it is older than iter_3.pth, which last_checkpoint names' in messages[0]


@pytest.mark.parametrize('start', ['first.pth', None])
def test_nothing_to_resume(tmp_path: Path, messages: list[str], start: str | None) -> None:
    cfg = config(tmp_path, load_from=start)
    work_folder.choose_start(cfg, 'auto')
    assert (cfg.resume, cfg.load_from) == (False, start)
    named = 'load_from=first.pth' if start else 'the initial weights'
    assert messages == [
        f'Nothing to resume in {tmp_path}: training starts from {named} of the config'
    ]


def test_a_new_run_warns_of_overwriting(
    tmp_path: Path, save: Callable[..., Path], messages: list[str]
) -> None:
    save('iter_30.pth')
    work_folder.choose_start(config(tmp_path), None)
    assert messages == [f'{tmp_path} has checkpoints up to iter_30.pth; this run overwrites them']


def test_other_folders(tmp_path: Path, save: Callable[..., Path]) -> None:
    save('iter_30.pth')
    cfg = config(tmp_path / 'own')
    work_folder.choose_start(cfg, str(tmp_path))
    assert cfg.load_from == str(tmp_path / 'iter_30.pth')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(UsageError, match='has no checkpoint that can be resumed'):
        work_folder.choose_start(cfg, str(tmp_path / 'empty'))
