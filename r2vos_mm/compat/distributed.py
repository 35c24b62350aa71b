"""Several processes on a machine without a GPU.

Reason: for the launcher ``pytorch`` MMEngine's Runner calls ``torch.cuda.set_device`` and wraps the
model with ``device_ids=[LOCAL_RANK]``; both need a GPU. The Runner leaves a process group alone
that is initialised already, and takes the arguments of the wrapper from the config.
"""

import torch
from mmengine.config import Config
from torch import distributed


def prepare_cpu_processes(cfg: Config) -> None:
    """Initialise a gloo process group and set the model wrapper in ``cfg``, where there is no GPU.

    Does nothing on a machine with a GPU or when ``cfg.launcher`` is ``'none'``.

    Args:
        cfg: The config the Runner will be built from; ``launcher`` is set.

    Raises:
        ValueError: a launcher other than ``'pytorch'`` on a machine without a GPU.
    """
    launcher = cfg.get('launcher', 'none')
    if launcher == 'none' or torch.cuda.is_available():
        return
    if launcher != 'pytorch':
        raise ValueError(
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
