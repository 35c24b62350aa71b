"""AutocastOptimWrapper on the CPU."""

from collections.abc import Callable

import pytest
import torch
from mmengine.runner import Runner
from torch import nn

from r2vos_mm.engine import AutocastOptimWrapper
from r2vos_mm.registry import OPTIM_WRAPPERS


@pytest.mark.parametrize('dtype', ['bfloat16', 'float32'])
def test_forward_runs_in_dtype(dtype: str) -> None:
    model = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    wrapper = AutocastOptimWrapper(dtype=dtype, optimizer=optimizer)
    with wrapper.optim_context(model):
        assert model(torch.ones(1, 3)).dtype == getattr(torch, dtype)
    assert model(torch.ones(1, 3)).dtype == torch.float32


def test_accumulated_gradients_equal_one_large_batch() -> None:
    """Two half batches with counts 2: (g1 + g2) / 2 is the gradient of the mean over both."""
    torch.manual_seed(0)
    data = torch.randn(4, 3)
    models = [nn.Linear(3, 1) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    for model, counts, batches in zip(models, (1, 2), ([data], data.split(2))):
        wrapper = OPTIM_WRAPPERS.build(
            {
                'type': 'AutocastOptimWrapper',
                'optimizer': torch.optim.SGD(model.parameters(), lr=0.1),
                'accumulative_counts': counts,
            }
        )
        wrapper.initialize_count_status(model, 0, len(batches))
        for batch in batches:
            with wrapper.optim_context(model):
                loss = model(batch).float().pow(2).mean()
            wrapper.update_params(loss)
    torch.testing.assert_close(models[0].weight, models[1].weight, atol=2e-3, rtol=0)


def test_float16_is_refused() -> None:
    model = nn.Linear(1, 1)
    with pytest.raises(ValueError, match='float16 needs loss scaling'):
        AutocastOptimWrapper(dtype='float16', optimizer=torch.optim.SGD(model.parameters(), 0.1))


def test_training_run(make_runner: Callable[..., Runner]) -> None:
    runner = make_runner(**{'optim_wrapper.type': 'AutocastOptimWrapper'})
    runner.train()
    assert isinstance(runner.optim_wrapper, AutocastOptimWrapper)
    assert all(p.dtype == torch.float32 for p in runner.model.parameters())
