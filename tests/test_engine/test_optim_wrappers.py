"""AutocastOptimWrapper on the CPU, and the precision of resumed runs."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mmengine.runner import Runner
from torch import nn

from r2vos_mm.engine import AutocastOptimWrapper
from r2vos_mm.registry import OPTIM_WRAPPERS
from r2vos_mm.utils.checkpoint import read_checkpoint


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


@pytest.fixture(params=[True, False])
def native(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the device is taken for one with bfloat16 units; both in turn."""
    answer = (request.param, 'chosen by the test')
    monkeypatch.setattr('r2vos_mm.utils.precision.native_bfloat16', lambda device: answer)
    return request.param


def test_auto_follows_the_device(native: bool) -> None:
    model = nn.Linear(1, 1)
    wrapper = AutocastOptimWrapper(optimizer=torch.optim.SGD(model.parameters(), 0.1))
    with wrapper.optim_context(model):
        expected = torch.bfloat16 if native else torch.float32
        assert model(torch.ones(1, 1)).dtype == expected


@pytest.mark.parametrize('dtype', ['auto', 'float32', 'bfloat16'])
def test_a_resumed_run_keeps_its_precision(
    make_runner: Callable[..., Runner], tmp_path: Path, native: bool, dtype: str
) -> None:
    """A checkpoint of the precision that ``auto`` does not choose on this device."""
    saved = 'float32' if native else 'bfloat16'
    wrapper = {'optim_wrapper.type': 'AutocastOptimWrapper'}
    short = {'train_cfg.max_iters': 3}
    make_runner('first', **wrapper, **short, **{'optim_wrapper.dtype': saved}).train()
    path = tmp_path / 'first' / 'iter_3.pth'
    assert read_checkpoint(path)['meta']['precision'] == saved
    runner = make_runner(
        'second', load_from=str(path), resume=True, **wrapper,
        **{'optim_wrapper.dtype': dtype, 'train_cfg.max_iters': 4},
    )  # fmt: skip
    runner.train()
    assert runner.optim_wrapper.precision.name == (saved if dtype == 'auto' else dtype)
    log = next((tmp_path / 'second').glob('*/*.log')).read_text()
    assert ('which is kept' in log) is (dtype == 'auto')
    assert ('bfloat16 is slow on cpu' in log) is (
        not native and runner.optim_wrapper.precision.name == 'bfloat16'
    )


def test_finetuning_does_not_take_the_precision_over(
    make_runner: Callable[..., Runner], tmp_path: Path, native: bool
) -> None:
    other = 'float32' if native else 'bfloat16'
    wrapper = {'optim_wrapper.type': 'AutocastOptimWrapper', 'train_cfg.max_iters': 3}
    make_runner('first', **wrapper, **{'optim_wrapper.dtype': other}).train()
    runner = make_runner('second', load_from=str(tmp_path / 'first' / 'iter_3.pth'), **wrapper)
    runner.train()
    assert runner.optim_wrapper.precision.name != other
