"""Use image backbones of transformers: ConvNeXt, Swin V2, DINOv2 and others."""

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from r2vos_mm.registry import MODELS
from r2vos_mm.utils.hf_config import plain_config

from ..layers.source_weights import SourceWeights


@MODELS.register_module()
class TransformersBackbone(SourceWeights):
    """A backbone of ``transformers.AutoBackbone``, frame by frame.

    Frames are resized to whole patches and maps to ``strides``, so plain ViTs can replace pyramids.

    Args:
        config: a name on the hub or a local folder, whose weights are loaded; or the arguments of
            the model's config with its ``model_type``, for random weights without a download.
        out_indices: maps to return: 0 is the stem, i the output of the i-th stage or layer.
        strides: stride of each returned map in pixels; None keeps the model's own.
        frozen: keep the weights fixed and the model in evaluation mode.
        init_cfg: initialization of MMEngine, such as ``Pretrained`` with a local checkpoint.

    Raises:
        OSError: the model cannot be loaded.
        ValueError: ``strides`` and ``out_indices`` have different lengths.

    Examples:
        The smallest DINOv2 in the model of ``r2vos_r50.py``::

            backbone = dict(
                _delete_=True,
                type='TransformersBackbone',
                config='facebook/dinov2-small',
                out_indices=(3, 6, 9, 12),
                frozen=True,
            )
            model = dict(backbone=backbone, neck=dict(in_channels=[384] * 4))
    """

    def __init__(
        self,
        config: str | dict,
        *,
        out_indices: Sequence[int] = (1, 2, 3, 4),
        strides: Sequence[int] | None = (4, 8, 16, 32),
        frozen: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if strides is not None and len(strides) != len(out_indices):
            raise ValueError(
                f'TransformersBackbone: strides={tuple(strides)} needs one number for each of '
                f'out_indices={tuple(out_indices)}'
            )
        self.model = _load(config, list(out_indices))
        self.out_channels = tuple(self.model.channels)
        self.strides = None if strides is None else tuple(strides)
        self.frozen = frozen
        if frozen:
            self.model.requires_grad_(False).eval()

    def without_source(self, tokenizer: str) -> dict[str, Any]:
        """Return the options of the same backbone whose weights come from a checkpoint only."""
        return dict(config=plain_config(self.model.config))

    def train(self, mode: bool = True) -> nn.Module:
        """Set the mode; a frozen model stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.model.eval()
        return self

    def forward(self, frames: Tensor) -> tuple[Tensor, ...]:
        """Return for each out index a map (N, C_i, ceil(H / stride), ceil(W / stride)).

        ``frames`` are (N, 3, H, W).
        """
        size = frames.shape[-2:]
        patch = getattr(self.model.config, 'patch_size', 1)
        patches = (patch, patch) if isinstance(patch, int) else patch
        frames = _resize(frames, [side + -side % p for side, p in zip(size, patches)])
        maps = self.model(frames).feature_maps
        if self.strides is None:
            return tuple(maps)
        sizes = [[-(-side // stride) for side in size] for stride in self.strides]
        return tuple(_resize(x, wanted) for x, wanted in zip(maps, sizes, strict=True))


def _resize(maps: Tensor, size: list[int]) -> Tensor:
    if list(maps.shape[-2:]) == size:
        return maps
    return F.interpolate(maps, size, mode='bilinear', align_corners=False)


def _load(config: str | dict, out_indices: list[int]) -> nn.Module:
    from transformers import MODEL_FOR_BACKBONE_MAPPING, AutoConfig

    if not isinstance(config, str):
        settings = AutoConfig.for_model(**{**config, 'out_indices': out_indices})
        return MODEL_FOR_BACKBONE_MAPPING[type(settings)](settings)
    try:
        settings = AutoConfig.from_pretrained(config, out_indices=out_indices)
        kind = MODEL_FOR_BACKBONE_MAPPING[type(settings)]
        # Without a dtype, half-precision files would give a half-precision model.
        return kind.from_pretrained(config, config=settings).float()
    except (OSError, ValueError) as error:
        raise OSError(
            f'backbone {config!r} cannot be loaded ({error}): download its folder (config.json, '
            'model.safetensors) elsewhere and set model.backbone.config to it'
        ) from error
