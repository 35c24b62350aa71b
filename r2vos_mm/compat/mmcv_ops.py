"""Stand in for ``mmcv._ext``, the compiled operators that ``mmcv-lite`` does not have.

Reason: with ``mmcv-lite`` the statement ``import mmcv.ops`` fails, and with it all of
``mmdet.models``, ``mmdet.structures.mask``, ``mmdet.datasets`` and ``mmseg.models``, although
hardly any of their parts calls a compiled operator. With the placeholder they can be imported; an
operator raises only when it is called, and the two that transformer models do call on a GPU
(deformable attention, sigmoid focal loss) run in PyTorch.
"""

import importlib
from types import ModuleType
from typing import NoReturn

from torch import Tensor
from torch.nn import functional

_INSTALL_HINT = (
    'Install MMCV with compiled operators instead of mmcv-lite: pip uninstall -y mmcv-lite && '
    'pip install --no-build-isolation --no-deps --no-binary mmcv mmcv==2.1.0'
)


class MissingOpError(NotImplementedError):
    """A compiled operator of MMCV was called in an environment that has none."""


class MissingOp:
    """An operator of ``mmcv._ext`` that can be imported and named, but not called."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *args: object, **kwargs: object) -> NoReturn:
        raise MissingOpError(
            f'MMCV operator {self.name!r} needs compiled code, and this environment has mmcv-lite. '
            f'{_INSTALL_HINT}'
        )


class PlaceholderExtension(ModuleType):
    """A module in which every operator is a :class:`MissingOp`."""

    def __getattr__(self, name: str) -> MissingOp:
        if name.startswith('__'):
            raise AttributeError(f'module {self.__name__!r} has no attribute {name!r}')
        return MissingOp(name)

    @staticmethod
    def get_compiler_version() -> str:
        """Return the text that ``mmcv.utils.collect_env`` shows as the compiler."""
        return 'n/a'

    @staticmethod
    def get_compiling_cuda_version() -> str:
        """Return the text that ``mmcv.utils.collect_env`` shows as the CUDA compiler."""
        return 'not available'


def use_pytorch_operators() -> None:
    """Make mmcv and mmdet call PyTorch implementations of the two operators that our models use."""
    # CUDA tensors take the path of CPU tensors: multi_scale_deformable_attn_pytorch.
    importlib.import_module('mmcv.ops.multi_scale_deform_attn').IS_CUDA_AVAILABLE = False
    # The kernel that mmdet's FocalLoss calls for class indices on CUDA.
    importlib.import_module('mmcv.ops.focal_loss').sigmoid_focal_loss = sigmoid_focal_loss


def sigmoid_focal_loss(
    input: Tensor,
    target: Tensor,
    gamma: float = 2.0,
    alpha: float = 0.25,
    weight: Tensor | None = None,
    reduction: str = 'mean',
) -> Tensor:
    """Compute ``mmcv.ops.sigmoid_focal_loss`` in PyTorch.

    Source: Lin et al., Focal Loss for Dense Object Detection, Eq. (5), one sigmoid per class.

    Args:
        input: Logits (N, K) of K classes.
        target: Class indices (N,); K stands for background.
        gamma: Focusing parameter.
        alpha: Weight of positives.
        weight: Weights (K,) of the classes, taken by the index in ``target``.
        reduction: ``'none'``, ``'mean'`` (over N, as the kernel does) or ``'sum'``.

    Returns:
        Losses (N, K), or a scalar.
    """
    num_classes = input.size(1)
    positive = functional.one_hot(target, num_classes + 1)[:, :num_classes].type_as(input)
    modulation = (input.sigmoid() - positive).abs().pow(gamma)
    balance = alpha * positive + (1 - alpha) * (1 - positive)
    entropy = functional.binary_cross_entropy_with_logits(input, positive, reduction='none')
    loss = balance * modulation * entropy
    if weight is not None:
        of_target = functional.pad(weight, (0, 1), value=1.0)[target]
        loss = loss * of_target[:, None]
    if reduction == 'mean':
        return loss.sum() / max(input.size(0), 1)
    return loss.sum() if reduction == 'sum' else loss
