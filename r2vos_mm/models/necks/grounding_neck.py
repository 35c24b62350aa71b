"""Define the necks of R2-VOS and ReferFormer: fusion, encoder, grounding and mask features."""

from dataclasses import replace

import torch
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule, caffe2_xavier_init
from torch import Tensor, nn

from r2vos_mm.registry import MODELS
from r2vos_mm.structures import (
    ClipFeatures,
    ClipMaps,
    GroundedFeatures,
    Memory,
    TextFeatures,
    WordEvidence,
)

from ..layers.convolved_maps import ConvolvedMaps
from ..layers.maps import flatten_padding, frame_tokens, resize_padding


@MODELS.register_module()
class GroundingNeck(BaseModule):
    """Compute memory, f_early and mask features from maps and text (R2-VOS supplementary, C).

    The segmentor calls three methods in order: :meth:`project` once per clip, :meth:`ground` for
    all pairs, :meth:`mask_features` for the pairs whose masks are needed.

    Args:
        in_channels: channels of the backbone maps, strides 4, 8, 16, 32.
        input_proj: config of the module from maps of strides 8-32 to the encoder's levels.
        fusion: config of the input-side fusion.
        encoder: config of the deformable encoder.
        grounding: config of the early grounding module.
        pyramid: config of the top-down path.
        positional_encoding: config of the encoder's positions, (B,T,h,w) -> (B,T,C,h,w).
        grounding_position: config of the positions of the grounded map; the same interface.
        channels: C.
        num_levels: levels of the encoder.
        grounding_level: encoder level that is grounded (2 = stride 32 where level 0 is stride 8).
        num_groups: groups of the stride-4 lateral's normalization.
        temporal_mixing: config of a module that mixes neighbouring frames of the projected
            levels, (levels, paddings) -> levels; None if the backbone sees clips.
        word_input: config of a :class:`WordMapProjection`, through which the encoder and all that
            follows see the evidence of the model's word maps; None if the neck does not use it.
    """

    def __init__(
        self,
        *,
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
        word_input: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if not 0 <= grounding_level < num_levels:
            raise ValueError(
                f"grounding_level={grounding_level} is not one of the encoder's {num_levels} "
                f'levels (0..{num_levels - 1})'
            )
        coarser = list(input_proj.get('in_channels', in_channels[1:]))
        if coarser != list(in_channels[1:]):
            raise ValueError(
                f'neck.input_proj.in_channels={coarser}, but neck.in_channels without the first '
                f'are {list(in_channels[1:])}: omit the former or change one of them'
            )
        self.in_channels, self.grounding_level = tuple(in_channels), grounding_level
        self.input_proj = MODELS.build(dict(input_proj, in_channels=coarser))
        norm = dict(type='GN', num_groups=num_groups)
        self.finest_adapter = ConvModule(in_channels[0], channels, 1, norm_cfg=norm, act_cfg=None)
        self.temporal_mixing = MODELS.build(temporal_mixing) if temporal_mixing else None
        self.fusion = MODELS.build(fusion)
        self.encoder = MODELS.build(encoder)
        self.grounding = MODELS.build(grounding)
        self.pyramid = MODELS.build(pyramid)
        self.positional_encoding = MODELS.build(positional_encoding)
        self.grounding_position = MODELS.build(grounding_position)
        self.word_input = MODELS.build(word_input) if word_input else None
        self.level_embed = nn.Parameter(torch.zeros(num_levels, channels))

    def init_weights(self) -> None:
        """Draw a normal level embedding; the parts initialize themselves."""
        super().init_weights()
        nn.init.normal_(self.level_embed)

    def project(
        self, maps: list[Tensor], padding: Tensor, *, has_padding: bool = True
    ) -> ClipFeatures:
        """Compute what all expressions of a clip share.

        Args:
            maps: backbone maps, strides 4-32, each (B*T, C_i, h_i, w_i).
            padding: (B, T, H, W) bool, True in padded pixels.
            has_padding: False if ``padding`` is False everywhere; then no attention mask is made.
        """
        frames = padding.shape[:2]
        levels = [x.unflatten(0, frames) for x in self.input_proj(tuple(maps[1:]))]
        paddings = [resize_padding(padding, level.shape[-2:]) for level in levels]
        if self.temporal_mixing is not None:
            levels = self.temporal_mixing(levels, paddings if has_padding else None)
        return ClipFeatures(
            finest=self.finest_adapter(maps[0]).unflatten(0, frames),
            levels=levels,
            paddings=paddings,
            positions=[self.positional_encoding(p) for p in paddings],
            valid_ratios=torch.stack([_valid_ratio(p) for p in paddings], dim=1),
            image_sizes=_image_size(padding),
            has_padding=has_padding,
        )

    def ground(
        self,
        clips: ClipFeatures,
        text: TextFeatures,
        pair_to_clip: Tensor,
        evidence: WordEvidence | None = None,
    ) -> GroundedFeatures:
        """Fuse each pair's expression with its clip, encode, and ground.

        Args:
            clips: B clips, from :meth:`project`.
            text: the expressions of P pairs.
            pair_to_clip: (P,) clip of each pair.
            evidence: evidence of the word maps for the pairs; required with ``word_input``.
        """
        memory = self._encode(clips, text, pair_to_clip, evidence)
        vision = self._level(self.grounding_level, clips, memory, pair_to_clip)
        early, padding, position = self.grounding(vision, text), vision.padding, vision.position
        return GroundedFeatures(early, padding, position, memory, text, pair_to_clip, evidence)

    def mask_features(self, clips: ClipFeatures, grounded: GroundedFeatures) -> ConvolvedMaps:
        """Return (P, T, C, H/4, W/4) features, of which masks are linear combinations.

        The mask predictor can fold the last convolution into the coefficients of the masks.
        """
        finer = range(self.grounding_level - 1, -1, -1)
        levels = [grounded.memory.level(index) for index in finer]
        return self.pyramid(
            grounded.early,
            levels,
            clips.finest[grounded.pair_to_clip],
            finest_is_convolved=clips.finest_is_convolved,
        )

    def share(self, clips: ClipFeatures) -> ClipFeatures:
        """Prepare clips for several expressions: compute the shared part of the stride-4 layer.

        Clips whose stride-4 map is not twice as large as that of stride 8 are returned unchanged.
        """
        height, width = clips.levels[0].shape[-2:]
        if tuple(clips.finest.shape[-2:]) != (2 * height, 2 * width):
            return clips
        return replace(clips, finest=self.pyramid.share(clips.finest), finest_is_convolved=True)

    @torch.no_grad()
    def attention_map(self, grounded: GroundedFeatures) -> Tensor:
        """Return the attention (P, T, h, w) of the words to the cells at the grounding stride."""
        memory = grounded.memory.level(self.grounding_level)
        vision = ClipMaps(memory, grounded.position, grounded.padding)
        return self.grounding.attention_map(vision, grounded.text)

    def _level(
        self, index: int, clips: ClipFeatures, memory: Memory, pair_to_clip: Tensor
    ) -> ClipMaps:
        """Return one level of the memory of P pairs, with the positions of the grounding."""
        padding = clips.paddings[index]
        position = self.grounding_position(padding)[pair_to_clip]
        padding = padding[pair_to_clip] if clips.has_padding else None
        return ClipMaps(memory.level(index), position, padding)

    def _encode(
        self,
        clips: ClipFeatures,
        text: TextFeatures,
        pair_to_clip: Tensor,
        evidence: WordEvidence | None,
    ) -> Memory:
        shapes = [tuple(level.shape[-2:]) for level in clips.levels]
        tokens = torch.cat([frame_tokens(x) for x in clips.levels], dim=2)
        tokens = self.fusion(tokens, text, pair_to_clip)
        if self.word_input is not None:
            tokens = tokens + self.word_input(evidence, shapes)
        positions = [frame_tokens(x) + e for x, e in zip(clips.positions, self.level_embed)]
        padding = None
        if clips.has_padding:
            padding = torch.cat([p.flatten(2) for p in clips.paddings], dim=2)[pair_to_clip]
        valid_ratios = clips.valid_ratios[pair_to_clip]
        encoded = self.encoder(
            query=tokens.flatten(0, 1),
            query_pos=torch.cat(positions, dim=2)[pair_to_clip].flatten(0, 1),
            key_padding_mask=flatten_padding(padding, 0, 1),
            valid_ratios=valid_ratios.repeat_interleave(tokens.shape[1], dim=0),
            spatial_shapes=shapes,
            level_start_index=None,
        )
        encoded = encoded.unflatten(0, tokens.shape[:2])
        return Memory(encoded, padding, shapes, valid_ratios, clips.image_sizes[pair_to_clip])


@MODELS.register_module()
class ReferFormerNeck(GroundingNeck):
    """Fusion and encoder of R2-VOS, then ReferFormer's pixel decoder (ReferFormer).

    The pixel decoder is ``grounding`` (a :class:`CrossModalGrounding`: its coarsest level, at the
    encoder level ``grounding_level``) and ``pyramid`` (a :class:`CrossModalPyramid`: all finer
    levels). Its stride-4 level reads the backbone, so its self-attention runs once per clip.

    Args: as :class:`GroundingNeck`; ``grounding_position`` serves all levels of the pixel decoder.
    """

    def init_weights(self) -> None:
        """Initialize the stride-4 lateral like the pixel decoder's other convolutions."""
        super().init_weights()
        caffe2_xavier_init(self.finest_adapter.conv)

    def project(
        self, maps: list[Tensor], padding: Tensor, *, has_padding: bool = True
    ) -> ClipFeatures:
        """Compute :meth:`GroundingNeck.project` and the self-attention of ``finest``."""
        clips = super().project(maps, padding, has_padding=has_padding)
        cells = resize_padding(padding, clips.finest.shape[-2:])
        position = self.grounding_position(cells)
        finest = ClipMaps(clips.finest, position, cells if has_padding else None)
        finest = self.pyramid.blocks[-1].attend_vision(finest)
        return replace(clips, finest=finest, finest_position=position)

    def share(self, clips: ClipFeatures) -> ClipFeatures:
        """Return the clips unchanged: every layer after :meth:`project` depends on the text."""
        return clips

    def mask_features(self, clips: ClipFeatures, grounded: GroundedFeatures) -> ConvolvedMaps:
        """Compute :meth:`GroundingNeck.mask_features` with the text at every level."""
        index, finer = grounded.pair_to_clip, range(self.grounding_level - 1, -1, -1)
        levels = [self._level(level, clips, grounded.memory, index) for level in finer]
        finest = clips.finest[index], clips.finest_position[index]
        return self.pyramid(grounded.early, levels, *finest, grounded.text)


def _image_size(padding: Tensor) -> Tensor:
    """Return width and height (B, 2) in pixels of the unpadded first frame, for (B, T, H, W)."""
    inside = ~padding[:, 0]
    return torch.stack((inside[:, 0].sum(-1), inside[:, :, 0].sum(-1)), dim=-1)


def _valid_ratio(padding: Tensor) -> Tensor:
    """Return the shares (B, 2) of width and height that the first frame's image fills."""
    inside = ~padding[:, 0]
    return torch.stack((inside[:, 0].float().mean(-1), inside[:, :, 0].float().mean(-1)), dim=-1)
