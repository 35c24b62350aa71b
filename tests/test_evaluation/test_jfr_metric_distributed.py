"""JFRMetric over two and three processes gives the values of one, to the last digit."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
import torch.multiprocessing as mp
from gloo_processes import gloo_process
from samples import random_sample

from r2vos_mm.evaluation import JFRMetric
from r2vos_mm.evaluation.metrics.metric_values import GROUPS
from r2vos_mm.evaluation.metrics.protocols import PROTOCOLS

NUM_SAMPLES = 5
OPTIONS = dict(groups=GROUPS, protocols=tuple(PROTOCOLS))
SHARDS = {
    2: {
        # As DefaultSampler deals them: in turns, the first sample again to fill up.
        'in turns, filled up': [[0, 2, 4], [1, 3, 0]],
        'uneven': [[0, 1, 2, 3], [4]],
        # MMEngine's own cut to five samples would drop sample 4 here.
        'in a row, filled up in the first': [[0, 1, 2, 0], [3, 4]],
        'one process with nothing': [[0, 1, 2, 3, 4], []],
    },
    3: {
        'in turns, filled up': [[0, 3], [1, 4], [2, 0]],
        'uneven': [[4, 3, 2], [], [1, 0]],
    },
}


def evaluate_shards(rank: int, folder: Path, world_size: int) -> None:
    """Score the shards of one process, evaluate together, and write the results."""
    with gloo_process(rank, folder, world_size=world_size):
        values = {}
        for name, shards in SHARDS[world_size].items():
            metric = JFRMetric(collect_dir=str(folder / 'collect'), **OPTIONS)
            metric.process(None, [random_sample(index) for index in shards[rank]])
            values[name] = metric.evaluate(NUM_SAMPLES)
            torch.distributed.barrier()
        (folder / f'{rank}.pkl').write_bytes(pickle.dumps(values))


@pytest.mark.parametrize('world_size', SHARDS)
def test_processes_equal_one(world_size: int, tmp_path: Path):
    metric = JFRMetric(**OPTIONS)
    metric.process(None, [random_sample(index) for index in range(NUM_SAMPLES)])
    expected = metric.evaluate(NUM_SAMPLES)
    # Forked processes need not import everything again.
    mp.start_processes(
        evaluate_shards, (tmp_path, world_size), nprocs=world_size, start_method='fork'
    )
    assert {'mAP', 'visa_R', 'davis_unsup/J', 'refcoco/oIoU'} <= {
        key.removeprefix('a2d/') for key in expected
    }
    for rank in range(world_size):
        values = pickle.loads((tmp_path / f'{rank}.pkl').read_bytes())
        for values_of_shards in values.values():
            assert repr(values_of_shards) == repr(expected)  # NaN is unlike itself, its text not
