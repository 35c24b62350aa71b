"""Compare released backbones with those of this package with converted weights."""

from __future__ import annotations

import torch
from comparisons import Report
from fixture_recipe import fill
from torch import nn

from r2vos_mm.models.backbones import convert_swin, convert_video_swin
from r2vos_mm.registry import MODELS

PREFIX = 'backbone.0.body.'
# float32 maps of spread 1 to 5 through up to 24 blocks
TOLERANCE = 5e-5
_SIZES = dict(
    t=dict(embed_dims=96, depths=(2, 2, 6, 2), num_heads=(3, 6, 12, 24)),
    s=dict(embed_dims=96, depths=(2, 2, 18, 2), num_heads=(3, 6, 12, 24)),
    b=dict(embed_dims=128, depths=(2, 2, 18, 2), num_heads=(4, 8, 16, 32)),
    l=dict(embed_dims=192, depths=(2, 2, 18, 2), num_heads=(6, 12, 24, 48)),
)


def check_backbone(fixture: dict, name: str) -> Report:
    """Maps of one clip; the fixture names the backbone and its tensors."""
    report = Report(name)
    model = backbone(fixture['backbone'], fixture['names'])
    clip = fixture['clip']
    with torch.no_grad():
        maps = model(clip[None] if getattr(model, 'takes_clips', False) else clip)
    for level, (found, expected) in enumerate(zip(maps, fixture['maps'], strict=True)):
        report.maps(f'map of stride {4 << level}', found, expected, tolerance=TOLERANCE)
    return report


def backbone(kind: str, names: dict[str, tuple[int, ...]]) -> nn.Module:
    """A backbone with the fixtures' weights, through the conversion of released names.

    Args:
        kind: such as ``video_swin_t_p4w7``, ``swin_b_p4w7`` or ``resnet50``.
        names: shapes of its released tensors.
    """
    weights = {
        PREFIX + name: fill(PREFIX + name, tuple(shape))
        for name, shape in names.items()
        if not name.endswith(('relative_position_index', 'num_batches_tracked'))
    }
    if kind.startswith('resnet'):
        config = dict(type='mmdet.ResNet', depth=int(kind.removeprefix('resnet')), norm_eval=True)
        converted = {name.removeprefix(PREFIX): value for name, value in weights.items()}
    elif kind.startswith('video_swin_'):
        config = dict(type='VideoSwinTransformer', **_SIZES[kind.split('_')[2]])
        converted = convert_video_swin(weights).weights
    else:
        config = dict(type='mmdet.SwinTransformer', **_SIZES[kind.split('_')[1]])
        converted = convert_swin(weights).weights
    model = MODELS.build(config)
    left = model.load_state_dict(converted, strict=False)
    missing = [
        n
        for n in left.missing_keys
        if not n.endswith(('relative_position_index', 'num_batches_tracked'))
    ]
    if missing or left.unexpected_keys:
        raise AssertionError(f'{kind}: missing {missing[:3]}, unknown {left.unexpected_keys[:3]}')
    model.eval()  # MMDetection's Swin returns nothing here
    return model
