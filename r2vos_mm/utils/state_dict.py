"""Compare the weights of a checkpoint with the tensors of a model.

MMEngine loads with ``strict=False`` and only logs what did not fit, so that testing with another
model's checkpoint silently measures random weights.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .cli import UserError
from .data_issues import shown

# Containers and names of checkpoints of the public codes.
_RELEASED = re.compile(r'(model|model_state_dict)$|backbone\.0\.body\.|transformer\.(de|en)coder\.')


class CheckpointMismatchError(UserError, RuntimeError):
    """The weights in a checkpoint are not those of the model."""


@dataclass(frozen=True)
class FitReport:
    """Comparison of the tensors of a checkpoint with those of a model.

    Attributes:
        source: What to call the checkpoint.
        model: Class of the model.
        weights: Tensors of the checkpoint that fit, by name.
        missing_keys: Names that only the model has.
        unexpected_keys: Names that only the checkpoint has.
        reshaped_keys: Names that both have, each with how shapes or types differ.
        ignored: Names in the file that were skipped before the comparison.
    """

    source: str
    model: str
    weights: dict[str, Tensor]
    missing_keys: list[str]
    unexpected_keys: list[str]
    reshaped_keys: dict[str, str]
    ignored: tuple[str, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether every name of either side has its counterpart."""
        return not (self.missing_keys or self.unexpected_keys or self.reshaped_keys)

    def __str__(self) -> str:
        kinds = {
            'missing from the checkpoint': self.missing_keys,
            'unknown to the model': self.unexpected_keys,
            'of another shape': [' '.join(item) for item in self.reshaped_keys.items()],
        }
        problems = [f'{len(n)} {kind}: {shown(n)}' for kind, n in kinds.items() if n]
        return '; '.join([f'{len(self.weights)} weights fit', *problems])

    def describe(self) -> str:
        """Return lines for a log that list every name; numbers in names become ``*``."""
        unused = [*self.unexpected_keys, *self.ignored]
        return (
            f'{len(self.weights)} tensors of the backbone from {self.source}\n'
            f'  unused in the file ({len(unused)}): {_fold(unused)}\n'
            f'  missing in the file, start fresh ({len(self.missing_keys)}): '
            f'{_fold(self.missing_keys)}'
        )

    def require(self, *, advice: str = 'Use the config it was trained with.') -> None:
        """Raise CheckpointMismatchError, which ends with ``advice``, unless everything fits."""
        if not (self.fits and self.weights):
            if any(_RELEASED.match(name) for name in self.unexpected_keys):
                advice += (
                    ' If it is a released checkpoint, convert it, see docs/released_checkpoints.md.'
                )
            raise CheckpointMismatchError(
                f'Checkpoint {self.source} does not belong to this {self.model}: {self}. {advice}'
            )


def weights_of(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the state dict in ``checkpoint``, without the ``module.`` of parallel wrappers."""
    state_dict = checkpoint.get('state_dict', checkpoint)
    return {re.sub(r'^module\.', '', key): value for key, value in state_dict.items()}


def tensors_of(model: nn.Module) -> dict[str, Tensor]:
    """Return parameters and persistent buffers by name, also those that checkpoints omit."""
    found = {
        f'{path}.{name}'.lstrip('.'): tensor
        for path, module in model.named_modules(remove_duplicate=False)
        for name, tensor in (*module._parameters.items(), *module._buffers.items())
        if tensor is not None and name not in module._non_persistent_buffers_set
    }
    return found | model.state_dict()


def tensor_bytes(tensor: Tensor) -> memoryview:
    """Return the bytes of a tensor's values, row by row, for any data type."""
    values = tensor.detach().cpu().contiguous().reshape(-1)
    return memoryview(values.view(torch.uint8).numpy())


def compare_weights(
    model: nn.Module,
    checkpoint: Mapping[str, Any],
    *,
    source: str = 'the state dict',
    ignored: Iterable[str] = (),
    hooks: bool = True,
) -> FitReport:
    """Compare the weights in ``checkpoint`` with those of ``model``, changing neither.

    Args:
        model: the model, without a parallel wrapper.
        checkpoint: a state dict, or a mapping that holds one under ``state_dict``.
        source: what to call the checkpoint in messages.
        ignored: names in the file to list as unused in the report.
        hooks: whether ``register_load_state_dict_post_hook`` of modules may take names off
            ``missing_keys``, as when PyTorch loads: those of a text encoder that is not saved.
    """
    wanted, given = tensors_of(model), weights_of(checkpoint)
    differences = {
        name: difference
        for name, value in given.items()
        if name in wanted and (difference := _difference(value, wanted[name]))
    }
    report = FitReport(
        source,
        type(model).__name__,
        {name: t for name, t in given.items() if name in wanted and name not in differences},
        [n for n in wanted if n not in given and not n.endswith('num_batches_tracked')],
        [name for name in given if name not in wanted],
        differences,
        tuple(ignored),
    )
    for module in model.modules() if hooks else ():
        for hook in module._load_state_dict_post_hooks.values():
            hook(module, report)
    return report


def check_weights(
    model: nn.Module, checkpoint: Mapping[str, Any], *, source: str, strict: bool
) -> FitReport:
    """Raise CheckpointMismatchError when the weights in ``checkpoint`` are not those of ``model``.

    Every name must fit if ``strict``, else one. See :func:`compare_weights`.
    """
    report = compare_weights(model, checkpoint, source=source)
    if strict or not report.weights:
        report.require()
    return report


def _difference(value: object, wanted: Tensor) -> str:
    """Return how ``value`` differs from a tensor of the model; '' if it can be loaded."""
    shape = tuple(value.shape) if isinstance(value, Tensor) else ()
    if shape != tuple(wanted.shape):
        return f'{shape} instead of {tuple(wanted.shape)}'
    if torch.is_tensor(value) and value.is_floating_point() != wanted.is_floating_point():
        return f'{value.dtype} instead of {wanted.dtype}'
    return ''


def _fold(names: Iterable[str]) -> str:
    """Join names that differ in numbers only: 'layers.0.x', 'layers.1.x' -> 'layers.*.x (2)'."""
    counts = Counter(re.sub(r'\.\d+(?=\.|$)', '.*', name) for name in names)
    return ', '.join(f'{name} ({count})' for name, count in counts.items()) or 'none'
