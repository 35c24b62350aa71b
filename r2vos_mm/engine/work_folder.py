"""Lock the work folder of a training, clean it up, and find the checkpoint to resume from."""

import fcntl
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mmengine.config import Config

from r2vos_mm.utils.checkpoint import CheckpointReadError, read_checkpoint
from r2vos_mm.utils.cli import UsageError, existing_file
from r2vos_mm.utils.files import remove_temporaries
from r2vos_mm.utils.logging import log, warn
from r2vos_mm.utils.storage.faults import StorageError
from r2vos_mm.utils.storage.paths import (
    StoredPath,
    default_backend,
    is_address,
    local_file,
)
from r2vos_mm.utils.weights import ADDRESSES

POINTER = 'last_checkpoint'
_LOCK = '.training.lock'
_NUMBERED = re.compile(r'(?:iter|epoch)_(\d+)\.pth')
_RANKS = {'pytorch': 'RANK', 'slurm': 'SLURM_PROCID', 'mpi': 'OMPI_COMM_WORLD_RANK'}
RESUMABLE = ('state_dict', 'optimizer', 'meta', 'message_hub')


def is_first_rank(cfg: Config) -> bool:
    """Return whether this is rank 0, before there is a process group."""
    return int(os.environ.get(_RANKS.get(cfg.get('launcher'), ''), 0)) == 0


@contextmanager
def locked_work_folder(cfg: Config) -> Iterator[None]:
    """Lock ``cfg.work_dir`` inside the block, and remove temporary files of dead processes in it.

    Rank 0 locks for all ranks. The system releases the lock when its process ends, however it ends.

    Raises:
        UsageError: another training has locked the folder, or it cannot be written to.
    """
    if not is_first_rank(cfg):
        yield
        return
    folder = Path(cfg.work_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise UsageError(
            f'cannot write to the work folder {folder} ({error.strerror}): choose another with '
            '--work-dir'
        ) from error
    try:
        _lock(file, folder)
        remove_temporaries(folder)
        yield
    finally:
        os.close(file)


def _lock(file: int, folder: Path) -> None:
    # Not flock: forked loader workers share its locks and may outlive this process.
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        owner = os.read(file, 200).decode(errors='replace') or 'a process that just started'
        raise UsageError(
            f'{folder} is in use by another training ({owner}): wait for its end, stop it, or '
            'choose another folder with --work-dir'
        ) from None
    except OSError as error:
        warn(f'{folder} is not locked against a second training: {error.strerror}')
    owner = f'process {os.getpid()} on {socket.gethostname()} since {time.strftime("%F %T")}'
    os.ftruncate(file, 0)
    os.write(file, owner.encode())


def last_words(cfg: Config) -> str:
    """Return the message to print when the user stops a training."""
    found: list[Path | StoredPath] = []
    with suppress(StorageError):
        found = numbered_checkpoints(checkpoint_folder(cfg))
    if not found:
        return f'stopped; {cfg.work_dir} has no checkpoint yet'
    return f'stopped; the last checkpoint is {found[0]}, --resume continues from it'


def choose_start(cfg: Config, resume: str | None) -> None:
    """Set ``resume`` and ``load_from`` of ``cfg``.

    Args:
        cfg: the config; its work folder is locked.
        resume: a checkpoint; a work folder, for the newest checkpoint in it that can be read;
            ``'auto'`` for that of ``cfg``; or None.

    Raises:
        UsageError: the checkpoint does not exist, or there is none in the folder.
    """
    own, first = checkpoint_folder(cfg), is_first_rank(cfg)
    if resume is None and not cfg.get('resume'):
        found = numbered_checkpoints(own)
        if found and first:
            warn(f'{own} has checkpoints up to {found[0].name}; this run overwrites them')
        return
    resume = resume or cfg.get('load_from') or 'auto'
    folder = own if resume == 'auto' else _resumed_path(cfg, resume)
    if resume != 'auto' and not folder.is_dir():
        if isinstance(folder, StoredPath) and not folder.is_file():
            raise UsageError(f'Checkpoint {resume} does not exist')
        cfg.resume, cfg.load_from = True, existing_file(resume, what='Checkpoint')
        return
    is_own_disk = folder == own and not isinstance(own, StoredPath)
    checkpoint = newest_checkpoint(folder, set_aside=first and is_own_disk)
    cfg.resume = checkpoint is not None
    if checkpoint is not None:
        cfg.load_from = str(checkpoint)
    elif folder != own:
        raise UsageError(f'--resume {folder}: the folder has no checkpoint that can be resumed')
    elif first:
        start = f'load_from={cfg.load_from}' if cfg.get('load_from') else 'the initial weights'
        log(f'Nothing to resume in {folder}: training starts from {start} of the config')


def checkpoint_folder(cfg: Config) -> Path | StoredPath:
    """Return where the checkpoints of a run are: in an object store or in the work folder."""
    hook = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
    if not is_address(hook.get('out_dir')):
        return Path(cfg.work_dir)
    return _stored(cfg, hook['out_dir']) / Path(cfg.work_dir).name


def _stored(cfg: Config, address: str) -> StoredPath:
    hook = (cfg.get('default_hooks') or {}).get('checkpoint') or {}
    return StoredPath(address, hook.get('backend_args') or default_backend(address))


def _resumed_path(cfg: Config, resume: str) -> Path | StoredPath:
    is_web = resume.startswith(ADDRESSES)
    return _stored(cfg, resume) if is_address(resume) and not is_web else Path(resume)


def numbered_checkpoints(folder: Path | StoredPath) -> list[Path | StoredPath]:
    """Return ``iter_N.pth`` and ``epoch_N.pth`` of a folder, greatest N first."""
    found = {path: _NUMBERED.fullmatch(path.name) for path in folder.glob('*.pth')}
    numbers = {path: int(match[1]) for path, match in found.items() if match}
    return sorted(numbers, key=numbers.__getitem__, reverse=True)


def newest_checkpoint(folder: Path | StoredPath, *, set_aside: bool) -> Path | StoredPath | None:
    """Return the checkpoint of a work folder with the most iterations that can be resumed.

    The pointer ``last_checkpoint`` is not needed, and the path in it may be outdated. If it names a
    checkpoint with fewer iterations that was written later, those with more are of an earlier run.
    With ``set_aside``, checkpoints that are skipped are renamed, so that they are not overwritten.
    """
    pointed = _pointed_checkpoint(folder)
    for path in numbered_checkpoints(folder):
        obstacle = _obstacle(path)
        if obstacle is None and pointed is not None and _is_older(path, pointed):
            obstacle = f'it is older than {pointed.name}, which {POINTER} names'
        if obstacle is None:
            return path
        renamed = path.with_name(f'{path.name}.skipped')
        warn(f'{path} is skipped{f" and renamed to {renamed.name}" * set_aside}: {obstacle}')
        if set_aside:
            path.rename(renamed)
    return None


def _pointed_checkpoint(folder: Path) -> Path | None:
    """Return the checkpoint that the pointer names, if it can be resumed."""
    pointer = folder / POINTER
    if not pointer.is_file():
        return None
    path = folder / Path(pointer.read_text(errors='replace').strip()).name
    return path if path.is_file() and _obstacle(path) is None else None


def _is_older(path: Path, other: Path) -> bool:
    """Return whether ``path`` was written before ``other``, by the clocks of disk and run."""
    if path == other or path.stat().st_mtime >= other.stat().st_mtime:
        return False
    first, second = (str(read_checkpoint(p)['meta'].get('time')) for p in (path, other))
    return first < second


def _obstacle(path: Path | StoredPath) -> str | None:
    try:
        with local_file(path) as file:
            checkpoint = read_checkpoint(file)
    except CheckpointReadError as error:
        return str(error)
    missing = [key for key in RESUMABLE if key not in checkpoint]
    return f'it has no {", ".join(missing)}' if missing else None
