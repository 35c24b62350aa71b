"""Define what the heads with queries share: losses of every decoder layer, and of masks."""

from collections.abc import Callable

from mmdet.utils import reduce_mean
from torch import Tensor, nn

from r2vos_mm.registry import MODELS
from r2vos_mm.structures import QueryPredictions


def build_losses(**configs: dict) -> nn.ModuleDict:
    """Build losses by name."""
    return nn.ModuleDict({name: MODELS.build(config) for name, config in configs.items()})


def mean_count(count: Tensor) -> Tensor:
    """Return the mean of a count over all processes, at least 1."""
    return reduce_mean(count.float()).clamp(min=1.0)


def supervise_layers(
    predictions: list[QueryPredictions], layer_loss: Callable[[QueryPredictions], dict[str, Tensor]]
) -> dict[str, Tensor]:
    """Compute the losses of every layer; those before the last carry the prefix ``d<layer>.``."""
    prefixes = [*(f'd{layer}.' for layer in range(len(predictions) - 1)), '']
    return {
        f'{prefix}loss_{name}': value
        for prefix, prediction in zip(prefixes, predictions, strict=True)
        for name, value in layer_loss(prediction).items()
    }


def mask_losses(
    losses: nn.ModuleDict, found: Tensor, wanted: Tensor, normalizer: Tensor
) -> dict[str, Tensor]:
    """Compute ``mask`` and ``dice`` of logits (M, cells) and their targets of the same shape.

    The first is averaged over the cells of ``normalizer`` masks, the second over the masks.
    """
    wanted, cells = wanted.to(found), normalizer * found.shape[1]
    return dict(
        mask=losses['mask'](*flat(found, wanted), avg_factor=cells),
        dice=losses['dice'](found, wanted, avg_factor=normalizer),
    )


def flat(*tensors: Tensor) -> list[Tensor]:
    """Flatten tensors to columns (n, 1), the binary predictions and labels of MMDetection."""
    return [x.flatten()[:, None] for x in tensors]
