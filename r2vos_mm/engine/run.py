"""Read a config, check it, and build the Runner of a training or test."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from r2vos_mm.compat.distributed import prepare_cpu_processes
from r2vos_mm.registry import RUNNERS
from r2vos_mm.utils.cli import (
    UsageError,
    as_usage_error,
    cfg_options,
    check_writable,
    existing_file,
)
from r2vos_mm.utils.processes import die_with_parent
from r2vos_mm.utils.storage.faults import refuse_secrets
from r2vos_mm.utils.weights import fetch_pretrained
from r2vos_mm.version import __version__

from .config import read_config
from .hooks.finite_loss_hook import unwrapped
from .unread_settings import check_custom_keys, check_settings

_LOAD_FROM = 'load_from (--cfg-options load_from=None starts without it):'
_MIXED_LOOPS = {'val_cfg': 'AutocastValLoop', 'test_cfg': 'AutocastTestLoop'}
_PLAIN_LOOPS = (None, 'ValLoop', 'TestLoop')


def load_config(args: argparse.Namespace) -> Config:
    """Return the config of ``args.config`` with the options of ``add_run_options`` applied.

    A process of a launcher ends with it from now on.

    Raises:
        UsageError: the file or an option is wrong, nothing reads a setting, or one is a secret.
    """
    if 'TORCHELASTIC_RUN_ID' in os.environ:
        die_with_parent()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg = read_config(args.config, cfg_options(args.cfg_options), needs=['model'])
    init_default_scope(cfg.get('default_scope', 'r2vos_mm'))
    refuse_secrets(cfg.to_dict())
    check_settings(cfg)
    cfg.launcher = args.launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs', Path(args.config).stem))
    check_writable(cfg.work_dir, what='work_dir', is_folder=True)
    return cfg


def build_runner(cfg: Config, *, training: bool) -> Runner:
    """Check ``cfg`` and build its Runner.

    Args:
        cfg: the config; changed in place where this machine needs it.
        training: whether the run starts from the weights that the config names.

    Raises:
        UsageError: the config cannot work; found before anything is built.
        WeightsError: pre-trained weights are missing.
    """
    compile_options = _compile_options(cfg)
    if training and cfg.get('load_from'):
        existing_file(cfg.load_from, what=_LOAD_FROM)
    if training:
        fetch_pretrained(cfg.get('model') or {})
    for key, loop in _MIXED_LOOPS.items():
        if (cfg.get(key) or {}).get('fp16') and cfg[key].get('type') in _PLAIN_LOOPS:
            cfg[key].type = loop
    prepare_cpu_processes(cfg)
    with as_usage_error(f'config {cfg.filename}'):
        runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
        if compile_options is not None:
            _compile(runner, compile_options)
    runner.logger.info(f'r2vos_mm {__version__}')
    custom_keys = ((cfg.get('optim_wrapper') or {}).get('paramwise_cfg') or {}).get('custom_keys')
    if training and custom_keys:
        check_custom_keys(custom_keys, [name for name, _ in runner.model.named_parameters()])
    return runner


def _compile_options(cfg: Config) -> dict[str, Any] | None:
    """Return the arguments of ``torch.compile`` that ``compile`` of a config holds; None for off.

    Raises:
        UsageError: it is neither a bool nor a dict.
    """
    options = cfg.get('compile') or False
    if not isinstance(options, (bool, dict)):
        raise UsageError(f'compile={options!r}: set True, or a dict of arguments of torch.compile')
    if options is False:
        return None
    return {} if options is True else dict(options)


def _compile(runner: Runner, options: dict[str, Any]) -> None:
    """Compile validation and test instead of the training steps that MMEngine would compile.

    Training batches have frames of many sizes, each of which would be compiled separately.
    """
    model = unwrapped(runner.model)
    if not hasattr(model, 'compile_evaluation'):
        raise UsageError(
            f'compile is set, but {type(model).__name__} cannot be compiled; remove it'
        )
    model.compile_evaluation(**options)
    runner.cfg.compile = False
    runner.logger.info(
        'Validation and test are compiled; the first window of each size of frames takes minutes.'
    )
