"""The neck of R2-VOS: fusion, deformable encoder, early grounding and the way up to the masks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from torch import Tensor, nn

from r2vos_mm.registry import MODELS
from r2vos_mm.structures import ClipFeatures, GroundedFeatures, Memory, TextFeatures


@MODELS.register_module()
class GroundingNeck(BaseModule):
    """Backbone maps and sentences -> memory, f_early and mask features (R2-VOS supplementary, C).

    Its three verbs are called in order by the segmentor: :meth:`project` once per clip,
    :meth:`ground` for all pairs, :meth:`mask_features` for the pairs whose masks are wanted.

    Args:
        in_channels: channels of the backbone maps, strides 4, 8, 16, 32.
        input_proj: config of the module that maps the stride 8-32 maps to the encoder's levels.
        fusion: config of the input-side fusion.
        encoder: config of the deformable encoder.
        grounding: config of the early grounding module.
        pyramid: config of the top-down path.
        positional_encoding: config of the encoder's positions, (B,T,h,w) -> (B,T,C,h,w).
        grounding_position: config of the positions of the grounded map; the same interface.
        channels: C.
        num_levels: levels of the encoder.
        grounding_level: encoder level that is grounded (2 = stride 32 where level 0 is stride 8).
        num_groups: groups of the stride-4 lateral's normalisation.
        temporal_mixing: config of a module that lets the frames of the projected levels see each
            other, (levels, paddings) -> levels; None where the backbone sees clips, or motion
            does not matter.
    """

    def __init__(
        self,
        in_channels: list[int],
        input_proj: dict,
        fusion: dict,
        encoder: dict,
        grounding: dict,
        pyramid: dict,
        positional_encoding: dict,
        grounding_position: dict,
        channels: int = 256,
        num_levels: int = 4,
        grounding_level: int = 2,
        num_groups: int = 8,
        temporal_mixing: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if not 0 <= grounding_level < num_levels:
            raise ValueError(
                f"grounding_level={grounding_level} is not one of the encoder's {num_levels} "
                f'levels (0..{num_levels - 1})'
            )
        self.grounding_level = grounding_level
        self.input_proj = MODELS.build(input_proj)
        self.finest_adapter = ConvModule(
            in_channels[0],
            channels,
            1,
            act_cfg=None,
            norm_cfg=dict(type='GN', num_groups=num_groups),
        )
        self.temporal_mixing = MODELS.build(temporal_mixing) if temporal_mixing else None
        self.fusion = MODELS.build(fusion)
        self.encoder = MODELS.build(encoder)
        self.grounding = MODELS.build(grounding)
        self.pyramid = MODELS.build(pyramid)
        self.positional_encoding = MODELS.build(positional_encoding)
        self.grounding_position = MODELS.build(grounding_position)
        self.level_embed = nn.Parameter(torch.zeros(num_levels, channels))

    def init_weights(self) -> None:
        """Normal level embedding; the parts initialise themselves."""
        super().init_weights()
        nn.init.normal_(self.level_embed)

    def project(self, maps: list[Tensor], padding: Tensor) -> ClipFeatures:
        """What is the same for every sentence of a clip.

        Args:
            maps: backbone maps, strides 4-32, each (B*T, C_i, h_i, w_i).
            padding: (B, T, H, W) bool, True in padded pixels.
        """
        frames = padding.shape[:2]
        levels = [x.unflatten(0, frames) for x in self.input_proj(tuple(maps[1:]))]
        paddings = [resize_padding(padding, level.shape[-2:]) for level in levels]
        if self.temporal_mixing is not None:
            levels = self.temporal_mixing(levels, paddings)
        return ClipFeatures(
            finest=self.finest_adapter(maps[0]).unflatten(0, frames),
            levels=levels,
            paddings=paddings,
            positions=[self.positional_encoding(p) for p in paddings],
            valid_ratios=torch.stack([_valid_ratio(p) for p in paddings], dim=1),
            image_sizes=_image_size(padding),
        )

    def ground(
        self, clips: ClipFeatures, text: TextFeatures, pair_to_clip: Tensor
    ) -> GroundedFeatures:
        """Mix each pair's sentence into its clip, encode, and ground.

        Args:
            clips: B clips, from :meth:`project`.
            text: the sentences of P pairs.
            pair_to_clip: (P,) clip of each pair.
        """
        memory = self._encode(clips, text, pair_to_clip)
        padding = clips.paddings[self.grounding_level]
        position = self.grounding_position(padding)[pair_to_clip]
        padding = padding[pair_to_clip]
        early = self.grounding(memory.level(self.grounding_level), position, padding, text)
        return GroundedFeatures(early, padding, position, memory, pair_to_clip)

    def mask_features(self, clips: ClipFeatures, grounded: GroundedFeatures) -> Tensor:
        """(P, T, C, H/4, W/4) features in which masks are linear."""
        finer = range(self.grounding_level - 1, -1, -1)
        features = self.pyramid(
            grounded.early.flatten(0, 1),
            [grounded.memory.level(index).flatten(0, 1) for index in finer],
            clips.finest[grounded.pair_to_clip].flatten(0, 1),
        )
        return features.unflatten(0, grounded.early.shape[:2])

    @torch.no_grad()
    def attention_map(self, grounded: GroundedFeatures, text: TextFeatures) -> Tensor:
        """(P, T, h, w) where the words look at the grounding stride (Figure A)."""
        return self.grounding.attention_map(
            grounded.memory.level(self.grounding_level), grounded.position, grounded.padding, text
        )

    def _encode(self, clips: ClipFeatures, text: TextFeatures, pair_to_clip: Tensor) -> Memory:
        shapes = [tuple(level.shape[-2:]) for level in clips.levels]
        frames = clips.paddings[0].shape[1]
        tokens = torch.cat(
            self.fusion([_to_tokens(x) for x in clips.levels], text, pair_to_clip), dim=2
        )
        position = torch.cat(
            [_to_tokens(x) + self.level_embed[i] for i, x in enumerate(clips.positions)], dim=2
        )
        padding = torch.cat([p.flatten(2) for p in clips.paddings], dim=2)[pair_to_clip]
        valid_ratios = clips.valid_ratios[pair_to_clip]
        encoded = self.encoder(
            query=tokens.flatten(0, 1),
            query_pos=position[pair_to_clip].flatten(0, 1),
            key_padding_mask=padding.flatten(0, 1),
            valid_ratios=valid_ratios.repeat_interleave(frames, dim=0),
            **level_layout(shapes, tokens.device),
        )
        return Memory(
            encoded.unflatten(0, tokens.shape[:2]),
            padding,
            shapes,
            valid_ratios,
            clips.image_sizes[pair_to_clip],
        )


def level_layout(shapes: list[tuple[int, int]], device: torch.device) -> dict[str, Tensor]:
    """The two tensors by which deformable attention finds the levels in flattened tokens."""
    sizes = torch.tensor([h * w for h, w in shapes], device=device)
    return dict(
        spatial_shapes=torch.tensor(shapes, device=device),
        level_start_index=sizes.cumsum(0) - sizes,
    )


def _to_tokens(maps: Tensor) -> Tensor:
    """(B, T, C, h, w) -> (B, T, h*w, C)."""
    return maps.flatten(3).transpose(2, 3)


def resize_padding(padding: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, T, H, W) bool -> (B, T, h, w) bool, nearest."""
    return F.interpolate(padding.float(), size=tuple(size), mode='nearest').bool()


def _image_size(padding: Tensor) -> Tensor:
    """(B, T, H, W) padding -> (B, 2) width and height of the first frame without it, in pixels."""
    inside = ~padding[:, 0]
    return torch.stack((inside[:, 0].sum(-1), inside[:, :, 0].sum(-1)), dim=-1)


def _valid_ratio(padding: Tensor) -> Tensor:
    """(B, T, h, w) padding -> (B, 2) share of width and height that is image (first frame's)."""
    inside = ~padding[:, 0]
    return torch.stack((inside[:, 0].float().mean(-1), inside[:, :, 0].float().mean(-1)), dim=-1)
