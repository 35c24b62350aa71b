"""What the command line tools share: configs, launchers, short errors."""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from mmengine.config import Config, DictAction

from r2vos_mm.compat.checkpoint import CheckpointReadError
from r2vos_mm.compat.distributed import prepare_cpu_processes
from r2vos_mm.utils.state_dict import CheckpointMismatchError

_LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')


class UsageError(ValueError):
    """A mistake in the command line; the message is all the user needs."""


@contextmanager
def short_errors() -> Iterator[None]:
    """Turn mistakes of the user into one line on stderr and exit status 2; other errors pass.

    The process group, if there is one, is left at the end.
    """
    try:
        yield
    except (UsageError, FileNotFoundError, CheckpointReadError, CheckpointMismatchError) as error:
        print(f'error: {error}', file=sys.stderr)
        sys.exit(2)
    finally:
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that training and testing share."""
    parser.add_argument('--work-dir', help='folder for logs and checkpoints')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        help='settings that override the config, as key=value: optim_wrapper.optimizer.lr=1e-4 '
        'key="[a,b]" key="[(a,b),(c,d)]" (quotes needed, no white space)',
    )
    parser.add_argument('--launcher', choices=_LAUNCHERS, default='none', help='job launcher')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)


def load_config(args: argparse.Namespace) -> Config:
    """Config of ``args.config`` with the common options applied.

    Raises:
        UsageError: there is no such file.
    """
    path = existing_file(args.config, what='Config')
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg = Config.fromfile(path)
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    cfg.launcher = args.launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs', Path(path).stem))
    prepare_cpu_processes(cfg)
    return cfg


def existing_file(path: str, *, what: str) -> str:
    """``path`` if it names a file or a URL.

    Raises:
        UsageError: it names nothing; the message lists files of the same kind beside it.
    """
    if '://' in path or Path(path).is_file():
        return path
    folder = Path(path).parent
    siblings = sorted(p.name for p in folder.glob(f'*{Path(path).suffix}'))[:12]
    hint = f'; {folder} has {", ".join(siblings)}' if siblings else ''
    raise UsageError(f'{what} {path} does not exist{hint}')
