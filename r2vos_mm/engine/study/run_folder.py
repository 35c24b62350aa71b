"""The files of one run: how far it is, whether they belong to the config, what came out."""

from __future__ import annotations

import importlib.metadata
import json
import math
import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from r2vos_mm.utils.cli import UsageError
from r2vos_mm.utils.files import write_atomically
from r2vos_mm.version import __version__

from .plan import Run, changed_keys

_PACKAGES = ('torch', 'mmengine', 'mmdet', 'transformers', 'numpy')
_SHOWN_CHANGES = 6
START_OF_LOG = '==== start: '  # before the command of each start
_WORKER_FAILED = '] failed (exitcode: '  # torchrun's line about it, its own traceback follows


@dataclass(frozen=True)
class Result:
    """What a finished run leaves in ``metrics.json``.

    Attributes:
        name, seed, processes: which run it is.
        config_sha256: :attr:`Run.config_sha256`.
        commit: git commit at the end of the run, with ``-dirty`` if files were changed; None
            without git.
        versions: version by package, and the device.
        train_minutes: wall clock of the training over all its starts.
        max_iters: iterations of the training, None if it counts epochs.
        clips_per_iter: clips of an iteration over all processes.
        metrics: figures by key, None where a figure is NaN.
    """

    name: str
    seed: int
    processes: int
    config_sha256: str
    commit: str | None
    versions: dict[str, str]
    train_minutes: float
    max_iters: int | None
    clips_per_iter: int
    metrics: dict[str, float | None]


class RunFolder:
    """Files of a run.

    ``run.json`` is written when it begins, ``metrics.json`` when it is finished, both whole or not
    at all; ``train.log`` and ``test.log`` hold what the tools said, over all starts.

    Args:
        run: the run.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.train_dir = run.folder / 'train'
        self.test_dir = run.folder / 'test'
        self.raw_metrics = self.test_dir / 'metrics.json'
        self._state_file = run.folder / 'run.json'
        self._result_file = run.folder / 'metrics.json'

    def check(self) -> None:
        """Refuse files of another config.

        Raises:
            UsageError: the folder holds a run of other settings; the message names what differs.
        """
        found = _read(self._state_file)
        if not found or found['config_sha256'] == self.run.config_sha256:
            return
        changed = list(changed_keys(found['settings'], self.run.settings))
        more = f' and {len(changed) - _SHOWN_CHANGES} more' * (len(changed) > _SHOWN_CHANGES)
        raise UsageError(
            f'{self.run.folder} was made with other settings of '
            f'{", ".join(changed[:_SHOWN_CHANGES])}{more}; go back to these settings, remove the '
            'folder to run it anew, or choose another --work-dir'
        )

    @property
    def result(self) -> Result | None:
        """What came out, None while the run is not finished."""
        found = _read(self._result_file)
        if not found or found['config_sha256'] != self.run.config_sha256:
            return None
        return Result(**found)

    @property
    def train_seconds(self) -> float:
        """Wall clock of the training so far."""
        return _read(self._state_file).get('train_seconds', 0.0)

    @property
    def checkpoint(self) -> Path | None:
        """The last checkpoint, wherever the folder is now; None before the first."""
        pointer = self.train_dir / 'last_checkpoint'
        if not pointer.is_file():
            return None
        path = self.train_dir / Path(pointer.read_text().strip()).name
        return path if path.is_file() else None

    @property
    def is_trained(self) -> bool:
        """Whether only the test is left."""
        return bool(_read(self._state_file).get('trained')) and self.checkpoint is not None

    @property
    def train_share(self) -> float:
        """Share of the training that is done, in [0, 1], by the last iteration logged."""
        if self.is_trained:
            return 1.0
        total = self.run.settings['config']['train_cfg'].get('max_iters')
        logs = sorted(self.train_dir.glob('*/vis_data/scalars.json'))
        if not logs or not total:
            return 0.0
        try:
            step = json.loads(''.join(_last_lines(logs[-1], 1)))['step']
        except json.JSONDecodeError:  # empty, or caught amid writing
            return 0.0
        return min(step / total, 1.0)

    def note(self, *, train_seconds: float, trained: bool = False) -> None:
        """Write how far the training is."""
        state = {
            'config_sha256': self.run.config_sha256,
            'train_seconds': train_seconds,
            'trained': trained,
            'settings': self.run.settings,
        }
        _write(self._state_file, state)

    def finish(self) -> None:
        """Make the result from the metrics that the test wrote."""
        config = self.run.settings['config']
        metrics = json.loads(self.raw_metrics.read_text())
        result = Result(
            name=self.run.name,
            seed=self.run.seed,
            processes=self.run.processes,
            config_sha256=self.run.config_sha256,
            commit=commit_of(Path(__file__).parent),
            versions=versions(),
            train_minutes=self.train_seconds / 60,
            max_iters=config['train_cfg'].get('max_iters'),
            clips_per_iter=config['train_dataloader']['batch_size'] * self.run.processes,
            metrics={k: v if math.isfinite(v) else None for k, v in metrics.items()},
        )
        _write(self._result_file, asdict(result))

    def log(self, stage: str) -> Path:
        """Log of the stage ``train`` or ``test``."""
        return self.run.folder / f'{stage}.log'

    def tail(self, stage: str, count: int = 15) -> str:
        """The last lines of the last start before what torchrun adds about a failed worker."""
        text = self.log(stage).read_text(errors='replace').rpartition(START_OF_LOG)[2]
        said, failed, _ = text.partition(_WORKER_FAILED)
        lines = said.splitlines()[1:]  # without the command
        return '\n'.join((lines[:-1] if failed else lines)[-count:])


def commit_of(folder: Path) -> str | None:
    """Git commit of the checkout ``folder`` lies in, with ``-dirty`` if tracked files differ."""
    command = ['git', 'describe', '--always', '--dirty', '--abbrev=40', '--exclude=*']
    try:
        found = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on, and the device."""
    device = f'{os.cpu_count()} CPU cores'
    if torch.cuda.is_available():
        device = torch.cuda.get_device_name()
    return {
        'r2vos_mm': __version__,
        'python': platform.python_version(),
        **{name: importlib.metadata.version(name) for name in _PACKAGES},
        'device': device,
    }


def _last_lines(path: Path, count: int) -> list[str]:
    """The last ``count`` lines of a text file, none if it is not there."""
    if not path.is_file():
        return []
    return path.read_text(errors='replace').splitlines()[-count:]


def _read(path: Path) -> Mapping[str, Any]:
    """Content of a JSON file, nothing if it is not there."""
    return json.loads(path.read_text()) if path.is_file() else {}


def _write(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically((json.dumps(content, indent=1) + '\n').encode(), str(path))
