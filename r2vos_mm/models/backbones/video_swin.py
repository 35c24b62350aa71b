"""Define the Video Swin Transformer: attention in shifted space-time windows.

Written from Liu et al., "Video Swin Transformer", CVPR 2022 (Sec. 3), in the form that R2-VOS,
ReferFormer and MTTR use: patches of 1x4x4, so that every frame keeps its own maps.
"""

from collections import OrderedDict
from collections.abc import Sequence
from itertools import islice
from math import prod

import torch
import torch.nn.functional as F
from einops import rearrange
from mmcv.cnn import build_norm_layer
from mmcv.cnn.bricks import DropPath
from mmengine.logging import MMLogger
from mmengine.model import BaseModule
from mmengine.model.weight_init import constant_init, trunc_normal_init
from torch import Tensor, nn

from r2vos_mm.registry import MODELS

from ..layers.recompute import recompute
from .checkpoints import load_backbone
from .windows import (
    PaddedFrames,
    ShiftedLayout,
    Size3D,
    WindowGrid,
    fit_window,
    merge,
    partition,
    place_frames,
    relative_position_index,
    shifted_layout,
)

# Added to the logits of forbidden pairs of tokens. Finite, as in the published models: infinity
# would not survive half precision.
FORBIDDEN_LOGIT = -100.0


class PatchEmbed(nn.Module):
    """Project and normalize non-overlapping 1x4x4 patches."""

    def __init__(self, in_channels: int, embed_dims: int) -> None:
        super().__init__()
        self.proj = nn.Conv3d(in_channels, embed_dims, kernel_size=(1, 4, 4), stride=(1, 4, 4))
        self.norm = nn.LayerNorm(embed_dims)

    def forward(self, clips: Tensor) -> Tensor:
        """Embed clips (B, T, 3, H, W), zero-padded to whole patches.

        Returns (B, T, ceil(H/4), ceil(W/4), C).
        """
        height, width = clips.shape[-2:]
        clips = F.pad(clips, (0, -width % 4, 0, -height % 4))
        tokens = self.proj(clips.transpose(1, 2))
        return self.norm(rearrange(tokens, 'b c t h w -> b t h w c'))


class PatchMerging(nn.Module):
    """Halve rows and columns: four neighbours are stacked, normalized and projected to 2C."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * channels)
        self.reduction = nn.Linear(4 * channels, 2 * channels, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Merge (B, T, h, w, C) to (B, T, ceil(h/2), ceil(w/2), 2C)."""
        rows, columns = maps.shape[2:4]
        maps = F.pad(maps, (0, 0, 0, columns % 2, 0, rows % 2))
        # Released weights count the neighbours down the first column, then down the second.
        neighbours = rearrange(
            maps, 'b t (h row) (w column) c -> b t h w (column row c)', row=2, column=2
        )
        return self.reduction(self.norm(neighbours))


class WindowAttention(nn.Module):
    """Multi-head self-attention inside windows with a learned bias per 3-D offset."""

    def __init__(
        self, channels: int, num_heads: int, window_size: Size3D, *, qkv_bias: bool = True
    ) -> None:
        super().__init__()
        self.num_heads, self.window_size = num_heads, window_size
        offsets = prod(2 * extent - 1 for extent in window_size)
        self.relative_position_bias_table = nn.Parameter(torch.zeros(offsets, num_heads))
        self.qkv = nn.Linear(channels, 3 * channels, bias=qkv_bias)
        self.proj = nn.Linear(channels, channels)

    def forward(
        self, windows: Tensor, layout: ShiftedLayout | None = None, hidden: Tensor | None = None
    ) -> Tensor:
        """Attend within each of the windows (G, B, M, C), sorted by group if a layout is given.

        ``hidden`` (M,) bool marks tokens that no other token may see; None for none.
        """
        query, key, value = rearrange(
            self.qkv(windows),
            'g b m (part heads d) -> part (g b) heads m d',
            part=3,
            heads=self.num_heads,
        )
        bias = self._bias(windows.shape[2]).to(query.dtype)
        if hidden is not None:
            bias = bias.masked_fill(hidden, float('-inf'))
        mixed = _attend(query, key, value, bias, layout)
        return self.proj(rearrange(mixed, '(g b) heads m d -> g b m (heads d)', b=windows.shape[1]))

    def _bias(self, tokens: int) -> Tensor:
        """Return the logits (heads, M, M) that are added for each pair of tokens."""
        table = self.relative_position_bias_table
        index = relative_position_index(self.window_size, tokens, table.device)
        return table[index].permute(2, 0, 1).contiguous()


def _attend(
    query: Tensor, key: Tensor, value: Tensor, bias: Tensor, layout: ShiftedLayout | None
) -> Tensor:
    """Attend with one call per distinct mask."""
    if layout is None:
        return F.scaled_dot_product_attention(query, key, value, attn_mask=bias[None])
    # Masks are broadcast over their windows: written out, those of a shifted block of the first
    # stage would take 215 MB (5x360x640, Swin-T, float32).
    sizes = [size * len(query) // layout.order.numel() for size in layout.group_sizes]
    masks = (bias + FORBIDDEN_LOGIT * group.to(bias.dtype) for group in layout.forbidden)
    parts = zip(query.split(sizes), key.split(sizes), value.split(sizes), masks)
    return torch.cat([F.scaled_dot_product_attention(*part, mask[None]) for *part, mask in parts])


class VideoSwinBlock(nn.Module):
    """Pre-norm window attention and MLP, each with a residual and drop path."""

    def __init__(
        self,
        channels: int,
        num_heads: int,
        window_size: Size3D,
        *,
        mlp_ratio: float,
        qkv_bias: bool,
        drop_path: float,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.attn = WindowAttention(channels, num_heads, window_size, qkv_bias=qkv_bias)
        self.drop_path = DropPath(drop_path)
        self.norm2 = nn.LayerNorm(channels)
        hidden = int(channels * mlp_ratio)
        layers = dict(fc1=nn.Linear(channels, hidden), act=nn.GELU())
        layers['fc2'] = nn.Linear(hidden, channels)
        self.mlp = nn.Sequential(OrderedDict(layers))

    def forward(self, maps: Tensor, grid: WindowGrid, padded: PaddedFrames | None = None) -> Tensor:
        """Update maps (B, T, h, w, C), attending within the windows of ``grid``."""
        maps = maps + self.drop_path(self._attend(self.norm1(maps), grid, padded))
        return maps + self.drop_path(self.mlp(self.norm2(maps)))

    def _attend(self, maps: Tensor, grid: WindowGrid, padded: PaddedFrames | None) -> Tensor:
        hidden = None
        if padded is not None:
            maps = maps.masked_fill(~padded.shown[:, None, None, None], 0)
            hidden = padded.hidden
        windows = partition(maps, grid, padded)
        if grid.is_shifted:
            layout = shifted_layout(grid, maps.device)
            windows = self.attn(windows[layout.order], layout, hidden)[layout.inverse]
        else:
            windows = self.attn(windows, hidden=hidden)
        return merge(windows, grid, padded)


class VideoSwinStage(nn.Module):
    """Blocks of one resolution; every second one shifts its windows by half."""

    def __init__(
        self,
        channels: int,
        num_heads: int,
        window_size: Size3D,
        drop_paths: Sequence[float],
        *,
        with_cp: bool,
        **options: float,
    ) -> None:
        super().__init__()
        self.window_size, self.with_cp = window_size, with_cp
        self.blocks = nn.ModuleList(
            VideoSwinBlock(channels, num_heads, window_size, drop_path=drop_path, **options)
            for drop_path in drop_paths
        )

    def forward(self, maps: Tensor, num_frames: Tensor | None = None) -> Tensor:
        """Update maps (B, T, h, w, C); frames from ``num_frames`` on are padding."""
        size, length = maps.shape[1:4], self.window_size[0]
        grids = [fit_window(size, self.window_size, shifted=shifted) for shifted in (False, True)]
        padded = [None, None]
        if num_frames is not None:
            padded = [place_frames(grid, length, num_frames) for grid in grids]
        for index, block in enumerate(self.blocks):
            maps = recompute(block, maps, grids[index % 2], padded[index % 2], when=self.with_cp)
        return maps


@MODELS.register_module()
class VideoSwinTransformer(BaseModule):
    """Video Swin Transformer over whole clips, with maps of strides 4, 8, 16 and 32.

    Frames see each other within windows of 8 frames; time is never down-sampled. Clips can have any
    number and size of frames: maps are padded to whole windows, and a window is clipped to a
    smaller map. As in the released models, attention sees the padding of a batch.

    Parameters have the names of the R2-VOS, ReferFormer and MTTR checkpoints.
    ``init_cfg=dict(type='Pretrained', checkpoint=...)`` loads those and public Kinetics-400 ones.

    Args:
        in_channels: channels of a frame.
        embed_dims: C of the first stage; doubled from stage to stage.
        depths: blocks of each stage.
        num_heads: attention heads of each stage.
        window_size: frames, rows and columns of a window.
        mlp_ratio: hidden channels of the MLPs per C.
        qkv_bias: whether query, key and value have a bias.
        drop_path_rate: drop-path probability of the last block; it grows linearly from 0.
        out_indices: stages whose maps are returned. Stages after the last one are not built, but
            still count in the growth of drop path (MTTR uses the first three of four).
        out_norm: config of a norm on each returned map, such as ``dict(type='LN')``, or None.
        frozen_stages: -1 freezes nothing, 0 the patch embedding, i also i stages and merging.
        with_cp: recompute blocks in the backward pass to save memory.
        init_cfg: initialization; a ``Pretrained`` one names a checkpoint.

    Raises:
        ValueError: sizes do not fit together, or the input is not a batch of clips.
    """

    # The backbone takes clips (B, T, 3, H, W), unlike image backbones, which take (B*T, 3, H, W).
    takes_clips = True

    def __init__(
        self,
        *,
        in_channels: int = 3,
        embed_dims: int = 96,
        depths: Sequence[int] = (2, 2, 6, 2),
        num_heads: Sequence[int] = (3, 6, 12, 24),
        window_size: Sequence[int] = (8, 7, 7),
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        drop_path_rate: float = 0.2,
        out_indices: Sequence[int] = (0, 1, 2, 3),
        out_norm: dict | None = None,
        frozen_stages: int = -1,
        with_cp: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        _check_sizes(embed_dims, depths, num_heads, window_size, out_indices, frozen_stages)
        self.in_channels, self.out_indices = in_channels, tuple(out_indices)
        self.frozen_stages = frozen_stages
        channels = [embed_dims * 2**stage for stage in range(max(out_indices) + 1)]
        self.out_channels = tuple(channels[stage] for stage in self.out_indices)
        self.patch_embed = PatchEmbed(in_channels, embed_dims)
        options = dict(mlp_ratio=mlp_ratio, qkv_bias=qkv_bias, with_cp=with_cp)
        blocks = sum(depths)
        rates = iter([drop_path_rate * i / max(blocks - 1, 1) for i in range(blocks)])
        self.layers = nn.ModuleList(
            VideoSwinStage(width, heads, tuple(window_size), list(islice(rates, depth)), **options)
            for width, heads, depth in zip(channels, num_heads, depths)
        )
        self.downsamples = nn.ModuleList(PatchMerging(width) for width in channels[:-1])
        for stage, width in zip(self.out_indices, self.out_channels):
            norm = nn.Identity() if out_norm is None else build_norm_layer(out_norm, width)[1]
            self.add_module(f'norm{stage}', norm)
        self._freeze()

    def forward(self, clips: Tensor, num_frames: Tensor | None = None) -> tuple[Tensor, ...]:
        """Extract the maps of a batch of normalized clips (B, T, 3, H, W).

        Args:
            clips: (B, T, 3, H, W).
            num_frames: () int64, number of frames before those that pad all clips to T; the maps of
                these frames are those of the clips without padding. None for T.

        Returns:
            Per out index a (B*T, C_i, h_i, w_i) map, frames of a clip in a row, with
            ``h_0 = ceil(H/4)`` and ``h_i = ceil(h_{i-1}/2)``.

        Raises:
            ValueError: the input does not have five axes with ``in_channels`` on the third.
        """
        if clips.ndim != 5 or clips.shape[2] != self.in_channels:
            raise ValueError(
                f'VideoSwinTransformer takes clips (B, T, {self.in_channels}, H, W) but got a '
                f'tensor of shape {tuple(clips.shape)}; keep the time axis, e.g. frames[None]'
            )
        outputs = []
        maps = self.patch_embed(clips)
        for stage, layer in enumerate(self.layers):
            if stage > 0:
                maps = self.downsamples[stage - 1](maps)
            maps = layer(maps, num_frames)
            if stage in self.out_indices:
                normed = getattr(self, f'norm{stage}')(maps)
                outputs.append(rearrange(normed, 'b t h w c -> (b t) c h w').contiguous())
        return tuple(outputs)

    def init_weights(self) -> None:
        """Load the ``Pretrained`` checkpoint, or draw weights as the paper's code base does.

        Raises:
            CheckpointReadError, CheckpointMismatchError: the file cannot be read or used.
        """
        init = self.init_cfg if isinstance(self.init_cfg, dict) else {}
        if init.get('type') == 'Pretrained':
            report = load_backbone(self, init['checkpoint'])
            MMLogger.get_current_instance().info(report.describe())
        elif self.init_cfg is not None:
            super().init_weights()
        else:
            for module in self.modules():
                if isinstance(module, nn.Linear):
                    trunc_normal_init(module, std=0.02)
                elif isinstance(module, nn.LayerNorm):
                    constant_init(module, 1.0)
                elif isinstance(module, WindowAttention):
                    nn.init.trunc_normal_(module.relative_position_bias_table, std=0.02)

    def train(self, mode: bool = True) -> nn.Module:
        """Set the mode, keeping frozen stages in evaluation mode (no drop path)."""
        super().train(mode)
        self._freeze()
        return self

    def _freeze(self) -> None:
        stages = max(self.frozen_stages, 0)
        frozen = [*self.layers[:stages], *self.downsamples[:stages]]
        frozen += [getattr(self, f'norm{stage}') for stage in self.out_indices if stage < stages]
        if self.frozen_stages >= 0:
            frozen.append(self.patch_embed)
        for module in frozen:
            module.eval().requires_grad_(False)


def _check_sizes(
    embed_dims: int,
    depths: Sequence[int],
    num_heads: Sequence[int],
    window_size: Sequence[int],
    out_indices: Sequence[int],
    frozen_stages: int,
) -> None:
    """Raise a ValueError that names the setting if the sizes do not fit together."""
    stages, problem, built = len(depths), None, max(out_indices, default=-1) + 1
    wrong = next((i for i, n in enumerate(num_heads[:stages]) if embed_dims * 2**i % n), None)
    if len(num_heads) != stages:
        problem = f'depths has {stages} stages but num_heads {len(num_heads)}'
    elif wrong is not None:
        problem = (
            f'num_heads[{wrong}]={num_heads[wrong]} does not divide the {embed_dims * 2**wrong} '
            f'channels of stage {wrong}; change embed_dims or num_heads'
        )
    elif len(window_size) != 3 or min(window_size) < 1:
        problem = f'window_size={tuple(window_size)} must be three positive numbers'
    elif not out_indices or list(out_indices) != [i for i in range(stages) if i in out_indices]:
        problem = f'out_indices={tuple(out_indices)} must increase within 0 to {stages - 1}'
    elif not -1 <= frozen_stages <= built:
        problem = f'frozen_stages={frozen_stages} must be from -1 to {built}, all that are built'
    if problem is not None:
        raise ValueError(f'VideoSwinTransformer: {problem}')
