"""Whether the weights in a checkpoint are those of a model.

Reason: MMEngine loads with ``strict=False`` and only logs what did not fit, so that testing with
another model's checkpoint quietly measures random weights.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

_SHOWN = 5


class CheckpointMismatchError(RuntimeError):
    """The weights in a checkpoint do not fit the model."""


@dataclass
class KeyReport:
    """How the keys of a checkpoint compare with those of a model.

    Attributes:
        matched: Number of keys present in both with the same shape.
        missing_keys: Keys that only the model has.
        unexpected_keys: Keys that only the checkpoint has.
        reshaped_keys: Keys present in both, with shapes that differ.
    """

    matched: int = 0
    missing_keys: list[str] = field(default_factory=list)
    unexpected_keys: list[str] = field(default_factory=list)
    reshaped_keys: list[str] = field(default_factory=list)

    @property
    def fits(self) -> bool:
        """Whether every key of either side has its counterpart."""
        return not (self.missing_keys or self.unexpected_keys or self.reshaped_keys)

    def __str__(self) -> str:
        parts = [f'{self.matched} weights fit']
        for name, keys in (
            ('missing from the checkpoint', self.missing_keys),
            ('unknown to the model', self.unexpected_keys),
            ('of another shape', self.reshaped_keys),
        ):
            if keys:
                more = f', and {len(keys) - _SHOWN} more' if len(keys) > _SHOWN else ''
                parts.append(f'{len(keys)} {name}: {", ".join(keys[:_SHOWN])}{more}')
        return '; '.join(parts)


def weights_of(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """State dict in ``checkpoint``, its keys without the ``module.`` of a parallel wrapper."""
    state_dict = checkpoint.get('state_dict', checkpoint)
    return {re.sub(r'^module\.', '', key): value for key, value in state_dict.items()}


def compare_weights(model: nn.Module, checkpoint: Mapping[str, Any]) -> KeyReport:
    """Compare the weights in ``checkpoint`` with those of ``model``, changing neither.

    Hooks that modules registered with ``register_load_state_dict_post_hook`` may take keys out of
    the report, as they do when PyTorch loads: for instance those of a frozen text encoder that is
    not saved.
    """
    # Parameters that a model does not save can be brought by a checkpoint all the same.
    wanted = dict(model.named_parameters()) | model.state_dict()
    given = weights_of(checkpoint)
    report = KeyReport()
    for key, value in given.items():
        if key not in wanted:
            report.unexpected_keys.append(key)
        elif _shape(value) != _shape(wanted[key]):
            report.reshaped_keys.append(f'{key} {_shape(value)} for {_shape(wanted[key])}')
        else:
            report.matched += 1
    report.missing_keys = [
        key for key in wanted if key not in given and not key.endswith('num_batches_tracked')
    ]
    for module in model.modules():
        for hook in module._load_state_dict_post_hooks.values():
            hook(module, report)
    return report


def _shape(value: object) -> tuple[int, ...]:
    return tuple(value.shape) if isinstance(value, torch.Tensor) else ()


def check_weights(
    model: nn.Module, checkpoint: Mapping[str, Any], *, source: str, strict: bool
) -> KeyReport:
    """Raise when the weights in ``checkpoint`` are not those of ``model``.

    Args:
        model: The model, without a parallel wrapper.
        checkpoint: What was read from ``source``.
        source: File name, for the message.
        strict: Whether every key must fit; otherwise it is enough that one does.

    Raises:
        CheckpointMismatchError: naming the file and a few of the keys of each kind.
    """
    report = compare_weights(model, checkpoint)
    if (strict and not report.fits) or report.matched == 0:
        raise CheckpointMismatchError(
            f'Checkpoint {source} does not belong to this {type(model).__name__}: {report}. '
            'Use the config it was trained with.'
        )
    return report
