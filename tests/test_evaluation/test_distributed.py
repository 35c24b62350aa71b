"""JFRMetric over two processes gives the figures of one, to the last digit."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
import torch.multiprocessing as mp
from samples import random_sample

from r2vos_mm.evaluation import JFRMetric

NUM_SAMPLES = 5
SHARDS = {
    # As DefaultSampler deals them: in turns, the first sample again to fill up.
    'in turns, filled up': [[0, 2, 4], [1, 3, 0]],
    'uneven': [[0, 1, 2, 3], [4]],
    # MMEngine's own cut to five samples would drop sample 4 here.
    'in a row, filled up in the first': [[0, 1, 2, 0], [3, 4]],
    'one process with nothing': [[0, 1, 2, 3, 4], []],
}


def evaluate_shards(rank: int, folder: Path) -> None:
    """Work of one process: score each of its shards, evaluate together, write what it got."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/rendezvous', rank=rank, world_size=2
    )
    figures = {}
    for name, shards in SHARDS.items():
        metric = JFRMetric(collect_dir=str(folder / 'collect'))
        metric.process(None, [random_sample(index) for index in shards[rank]])
        figures[name] = metric.evaluate(NUM_SAMPLES)
        torch.distributed.barrier()
    (folder / f'{rank}.pkl').write_bytes(pickle.dumps(figures))
    torch.distributed.destroy_process_group()


@pytest.fixture(scope='module')
def figures_of_ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, dict[str, float]]]:
    """Per process, the figures for each way to deal the samples."""
    folder = tmp_path_factory.mktemp('ranks')
    mp.spawn(evaluate_shards, args=(folder,), nprocs=2)
    return [pickle.loads((folder / f'{rank}.pkl').read_bytes()) for rank in range(2)]


@pytest.mark.parametrize('shards', SHARDS)
def test_two_processes_equal_one(shards: str, figures_of_ranks: list[dict]):
    metric = JFRMetric()
    metric.process(None, [random_sample(index) for index in range(NUM_SAMPLES)])
    expected = metric.evaluate(NUM_SAMPLES)
    assert figures_of_ranks[0][shards] == expected
    assert figures_of_ranks[1][shards] == expected
