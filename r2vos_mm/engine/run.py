"""Read a config, check it, and build the Runner of a training or test."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from mmengine.config import Config
from mmengine.runner import Runner

from r2vos_mm.compat.distributed import prepare_cpu_processes
from r2vos_mm.registry import RUNNERS
from r2vos_mm.utils.cli import UsageError, cfg_options, existing_file
from r2vos_mm.utils.weights import fetch_pretrained

_LOAD_FROM = 'load_from (--cfg-options load_from=None starts without it):'
_MIXED_LOOPS = {'val_cfg': 'AutocastValLoop', 'test_cfg': 'AutocastTestLoop'}
_PLAIN_LOOPS = (None, 'ValLoop', 'TestLoop')


def load_config(args: argparse.Namespace) -> Config:
    """Return the config of ``args.config`` with the options of ``add_run_options`` applied.

    Raises:
        UsageError: the file or an option is wrong.
    """
    path = existing_file(args.config, what='Config')
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg = Config.fromfile(path)
    cfg.merge_from_dict(cfg_options(args.cfg_options))
    cfg.launcher = args.launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs', Path(path).stem))
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
    if cfg.get('compile'):
        raise UsageError(
            'compile is set in the config: torch.compile does not work with these models yet; '
            'remove it'
        )
    if training and cfg.get('load_from'):
        existing_file(cfg.load_from, what=_LOAD_FROM)
    if training:
        fetch_pretrained(cfg.get('model') or {})
    for key, loop in _MIXED_LOOPS.items():
        if (cfg.get(key) or {}).get('fp16') and cfg[key].get('type') in _PLAIN_LOOPS:
            cfg[key].type = loop
    prepare_cpu_processes(cfg)
    if 'runner_type' in cfg:
        return RUNNERS.build(cfg)
    return Runner.from_cfg(cfg)
