"""Losses and weights that are not finite stop a run before they do harm."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner

from r2vos_mm.engine.hooks.finite_loss_hook import NonFiniteError


def break_from(monkeypatch: pytest.MonkeyPatch, runner: Runner, iteration: int, **bad: float):
    """Replace losses of the toy model from an iteration on."""
    forward = type(runner.model).forward

    def broken(self, *args, mode='tensor', **kwargs):
        output = forward(self, *args, mode=mode, **kwargs)
        if mode == 'loss' and runner.iter + 1 >= iteration:
            output |= {name: output['loss'] * value for name, value in bad.items()}
        return output

    monkeypatch.setattr(type(runner.model), 'forward', broken)


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_a_run_stops_with_iteration_and_name(
    make_runner: Callable[..., Runner], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value
) -> None:
    runner = make_runner()
    break_from(monkeypatch, runner, 6, loss_mask=value, accuracy=value)
    with pytest.raises(NonFiniteError, match=f'iteration 6: loss_mask is {value}. Nothing'):
        runner.train()
    assert runner.model.parse_losses.__func__ is BaseModel.parse_losses
    assert (tmp_path / 'run' / 'last_checkpoint').read_text().endswith('iter_4.pth')
    assert all(weight.isfinite().all() for weight in runner.model.parameters())


def test_other_values_are_not_checked(
    make_runner: Callable[..., Runner], monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = make_runner()
    break_from(monkeypatch, runner, 1, accuracy=float('nan'))
    runner.train()
    assert runner.iter == 12
    assert runner.model.parse_losses.__func__ is BaseModel.parse_losses


def test_weights_are_checked_before_they_are_saved(
    make_runner: Callable[..., Runner], tmp_path: Path
) -> None:
    """A finite loss with infinite gradients spoils the weights first."""
    runner = make_runner()
    runner.model.layers[0].weight.register_hook(
        lambda gradient: gradient * (torch.inf if runner.iter == 5 else 1)
    )
    with pytest.raises(NonFiniteError, match=r'iteration 6: the weights layers.0.weight are not'):
        runner.train()
    assert not (tmp_path / 'run' / 'iter_6.pth').exists()


def test_an_infinite_norm_of_gradients_is_a_warning(make_runner: Callable[..., Runner]) -> None:
    """Norm (sum of squares)^(1/2) of gradients of 1e30 in float32: inf, and 1e30 / inf = 0."""
    runner = make_runner(**{'optim_wrapper.clip_grad': dict(max_norm=1.0)})
    runner.model.layers[0].weight.register_hook(
        lambda gradient: torch.full_like(gradient, 1e30) if runner.iter == 2 else gradient
    )
    warnings = []
    runner.logger.warning = warnings.append
    runner.train()
    assert [text for text in warnings if 'gradients' in text] == [
        'iteration 3: the norm of the gradients is inf, so clipping removed them and the model '
        'learned nothing from this iteration'
    ]
