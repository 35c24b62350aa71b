"""Stop a training whose losses or weights are not finite."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.dist import all_gather_object, all_reduce, is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor, nn

from r2vos_mm.registry import HOOKS
from r2vos_mm.utils.cli import UserError

from ..loops import call_after_training

_REMEDY = 'Check the data of this iteration, or lower the learning rate, and resume'


class NonFiniteError(UserError, ArithmeticError):
    """A loss or a weight is infinite or NaN; the message names it and the iteration."""

    status = 1


@HOOKS.register_module()
class FiniteLossHook(Hook):
    """Stop all ranks at the first loss that is infinite or NaN on one of them.

    The losses are checked before the backward pass, so that a bad loss never reaches the weights or
    a checkpoint. If the norm of clipped gradients is not finite, a warning is logged, except with
    dynamic loss scaling, where such norms are normal. However the training ends, the model is left
    as it was.

    Raises:
        NonFiniteError: on rank 0; the other ranks exit with its status.
    """

    def before_run(self, runner: Runner) -> None:
        """Remove the check from the model however the training ends."""
        own = vars(unwrapped(runner.model))
        call_after_training(runner, lambda: own.pop('parse_losses', None))

    def before_train(self, runner: Runner) -> None:
        """Check what ``parse_losses`` of the model returns, from now on."""
        model = unwrapped(runner.model)
        parse = model.parse_losses

        def parse_checked(losses: Mapping[str, Any]) -> tuple[Tensor, dict[str, Tensor]]:
            total, named = parse(losses)
            _check(total, named, runner)
            return total, named

        model.parse_losses = parse_checked

    def after_train_iter(self, runner: Runner, *_: object, **__: object) -> None:
        """Warn if the norm of the gradients, by which they were divided, is not finite."""
        norms = runner.message_hub.log_scalars.get('train/grad_norm')
        scaled = hasattr(runner.optim_wrapper, 'loss_scaler')
        if norms is not None and not scaled and not math.isfinite(norms.current()):
            runner.logger.warning(
                f'iteration {runner.iter + 1}: the norm of the gradients is {norms.current()}, so '
                'clipping removed them and the model learned nothing from this iteration'
            )


def unwrapped(model: nn.Module) -> nn.Module:
    """Return the model in a wrapper for several processes, or the model itself."""
    return model.module if is_model_wrapper(model) else model


def _check(total: Tensor, named: Mapping[str, Tensor], runner: Runner) -> None:
    is_bad = (~torch.isfinite(total.detach())).any().int()
    all_reduce(is_bad, 'max')
    if not is_bad:
        return
    values = {
        name: torch.as_tensor(value).item() for name, value in named.items() if 'loss' in name
    }
    own = [f'{name} is {value}' for name, value in values.items() if not math.isfinite(value)]
    # The sum is the culprit only if its terms are finite.
    own = [text for text in own if not text.startswith('loss is')] or own
    by_rank = all_gather_object(own)
    texts = [f'{", ".join(own)} on rank {rank}' for rank, own in enumerate(by_rank) if own]
    what = '; '.join(texts) if len(by_rank) > 1 else ', '.join(own)
    stop(f'iteration {runner.iter + 1}: {what}. Nothing of it is saved. {_REMEDY}')


def check_weights_finite(runner: Runner, iteration: int) -> None:
    """Refuse to save weights that are infinite or NaN after ``iteration``; call it on every rank.

    Raises:
        NonFiniteError: on rank 0; the other ranks exit with its status.
    """
    weights = dict(unwrapped(runner.model).named_parameters())
    finite = [torch.isfinite(weight.detach()).all() for weight in weights.values()]
    if finite and not torch.stack(finite).all():
        name = next(name for name, is_finite in zip(weights, finite) if not is_finite)
        stop(
            f'iteration {iteration}: the weights {name} are not finite, so no checkpoint is '
            f'saved. {_REMEDY}'
        )


def stop(message: str) -> None:
    """End all ranks, which call this together, with one line."""
    if is_main_process():
        raise NonFiniteError(message)
    raise SystemExit(NonFiniteError.status)
