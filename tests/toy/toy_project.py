"""Define a model, a dataset, a metric and a hook small enough to train in a second."""

import json
import os
import random
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.utils.data import Dataset

from r2vos_mm.registry import DATASETS, HOOKS, METRICS, MODELS


@DATASETS.register_module()
class ToyDataset(Dataset):
    """Points whose sum is to be learnt; a function of epoch and index."""

    def __init__(self, size: int = 10) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        seed = 1000 * getattr(index, 'epoch', 0) + index
        inputs = torch.randn(4, generator=torch.Generator().manual_seed(seed))
        return {'inputs': inputs, 'data_samples': inputs.sum()}


@MODELS.register_module()
class ToyModel(BaseModel):
    """Two layers, and a loss that draws from every random generator."""

    def __init__(self, width: int = 8, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.layers = nn.Sequential(nn.Linear(4, width), nn.Dropout(0.5), nn.Linear(width, 1))

    def forward(
        self, inputs: list[Tensor], data_samples: list[Tensor], mode: str = 'tensor'
    ) -> Any:
        output = self.layers(torch.stack(inputs)).squeeze(-1)
        if mode == 'predict':
            return [{'error': float(e)} for e in (output - torch.stack(data_samples)).abs()]
        noise = random.random() + np.random.rand() + torch.rand(()).item()
        return {'loss': (output - torch.stack(data_samples)).pow(2).mean() * (1 + 0.1 * noise)}


@METRICS.register_module()
class ToyMetric(BaseMetric):
    """A score with the key ``J&F&R``; drawing random numbers must not disturb training."""

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        torch.rand(3)
        self.results.extend(sample['error'] for sample in data_samples)

    def compute_metrics(self, results: list[float]) -> dict[str, float]:
        return {'J&F&R': float(np.exp(-np.mean(results)))}


@HOOKS.register_module()
class ToyHook(Hook):
    """Write the exact losses to ``losses.jsonl`` and kill the last process when told to.

    The environment variable TOY_KILL_AT names the iteration after which SIGKILL, or the signal
    TOY_SIGNAL, is sent, unless the launcher has started the process again. TOY_SECONDS slows each
    iteration down.
    """

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        record = {
            'iter': runner.iter + 1,
            'rank': runner.rank,
            'loss': outputs['loss'].item().hex(),
        }
        with Path(runner.work_dir, 'losses.jsonl').open('a') as file:
            file.write(json.dumps(record) + '\n')
        time.sleep(float(os.environ.get('TOY_SECONDS', 0)))
        is_victim = runner.rank == runner.world_size - 1
        is_victim &= os.environ.get('TORCHELASTIC_RESTART_COUNT', '0') == '0'
        if is_victim and runner.iter + 1 == int(os.environ.get('TOY_KILL_AT', 0)):
            os.kill(os.getpid(), signal.Signals[os.environ.get('TOY_SIGNAL', 'SIGKILL')])
