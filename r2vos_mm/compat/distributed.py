"""Run several processes on a machine without a GPU, and tell when one of them is lost.

Reason: with the launcher ``pytorch`` MMEngine's Runner calls ``torch.cuda.set_device`` and wraps
the model with ``device_ids=[LOCAL_RANK]``; both need a GPU. It keeps a process group that is
already initialised, and takes the arguments of the wrapper from the config.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.config import Config
from torch import distributed

from r2vos_mm.utils.cli import UsageError, UserError

_BACKEND_ERROR = getattr(distributed, 'DistError', distributed.DistBackendError)  # from 2.2 on


@contextmanager
def lost_processes() -> Iterator[None]:
    """Tell in one line that another process of the group has ended.

    Raises:
        UserError: in place of the error of the backend.
    """
    try:
        yield
    except RuntimeError as error:
        text = str(error)
        if 'gloo/transport' not in text and not isinstance(error, _BACKEND_ERROR):
            raise
        raise UserError(
            'another process of this run has ended, so the others end too; the error is its own '
            f'({text.splitlines()[0][:200]})'
        ) from error


def prepare_cpu_processes(cfg: Config) -> None:
    """Initialise a gloo process group and set the model wrapper in ``cfg`` if there is no GPU.

    Does nothing on a machine with a GPU or when ``cfg.launcher`` is ``'none'``.

    Raises:
        UsageError: a launcher other than ``'pytorch'`` on a machine without a GPU.
    """
    launcher = cfg.get('launcher', 'none')
    if launcher == 'none' or torch.cuda.is_available():
        return
    if launcher != 'pytorch':
        raise UsageError(
            f'launcher {launcher!r} needs a GPU, and none is visible; use tools/dist_train.sh or '
            'tools/dist_test.sh (launcher "pytorch") for several processes on CPUs'
        )
    if not distributed.is_initialized():
        distributed.init_process_group('gloo')
    cfg.sync_bn = None
    cfg.model_wrapper_cfg = {
        'type': 'MMDistributedDataParallel',
        'broadcast_buffers': False,
        'find_unused_parameters': cfg.get('find_unused_parameters', False),
        **cfg.get('model_wrapper_cfg', {}),
        'device_ids': None,
    }
