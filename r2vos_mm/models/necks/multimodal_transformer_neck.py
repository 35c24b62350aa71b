"""The neck of MTTR: cells and words of a frame in one sequence."""

from __future__ import annotations

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from r2vos_mm.registry import MODELS
from r2vos_mm.structures import GroundedFeatures, MultimodalClips, MultimodalMemory, TextFeatures

from .grounding_neck import resize_padding


@MODELS.register_module()
class MultimodalTransformerNeck(BaseModule):
    """Backbone maps and sentences -> memory and mask features (MTTR, Sec. 3.2 and 3.4).

    Every frame is encoded by itself: its cells, then the words. What time has to say comes from
    the backbone. The verbs are those of :class:`GroundingNeck`.

    Args:
        in_channels: channels of the backbone maps, finest first; the last one is encoded.
        encoder: config of the encoder.
        spatial_decoder: config of the way up to the mask features.
        positional_encoding: config of the cells' positions, (B, T, h, w) -> (B, T, C, h, w).
        channels: C.
        temporal_mixing: config of a module that lets the frames of the projected map see each
            other, as in :class:`GroundingNeck`; None where the backbone sees clips.
    """

    def __init__(
        self,
        in_channels: list[int],
        encoder: dict,
        spatial_decoder: dict,
        positional_encoding: dict,
        channels: int = 256,
        temporal_mixing: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        *finer, coarsest = in_channels
        self.video_proj = nn.Conv2d(coarsest, channels, 1)
        self.temporal_mixing = MODELS.build(temporal_mixing) if temporal_mixing else None
        self.encoder = MODELS.build(encoder)
        self.spatial_decoder = MODELS.build(
            dict(spatial_decoder, lateral_channels=finer[::-1], channels=channels)
        )
        self.positional_encoding = MODELS.build(positional_encoding)

    def init_weights(self) -> None:
        """Xavier-uniform weights of the encoder, as DETR's; the other parts know their own."""
        super().init_weights()
        xavier_matrices(self.encoder)

    def project(self, maps: list[Tensor], padding: Tensor) -> MultimodalClips:
        """What is the same for every sentence of a clip.

        Args:
            maps: backbone maps, finest first, each (B*T, C_i, h_i, w_i).
            padding: (B, T, H, W) bool, True in padded pixels.
        """
        *finer, coarsest = maps
        frames = padding.shape[:2]
        padding = resize_padding(padding, coarsest.shape[-2:])
        laterals = self.spatial_decoder.adapt(finer[::-1])
        cells = self.video_proj(coarsest).unflatten(0, frames)
        if self.temporal_mixing is not None:
            cells = self.temporal_mixing([cells], [padding])[0]
        return MultimodalClips(
            cells=cells,
            padding=padding,
            position=self.positional_encoding(padding),
            laterals=[lateral.unflatten(0, frames) for lateral in laterals],
        )

    def ground(
        self, clips: MultimodalClips, text: TextFeatures, pair_to_clip: Tensor
    ) -> GroundedFeatures:
        """Encode the cells of each pair's clip together with its words.

        Args:
            clips: B clips, from :meth:`project`.
            text: the sentences of P pairs.
            pair_to_clip: (P,) clip of each pair.

        Returns:
            ``early`` is the encoded map, ``memory`` the whole :class:`MultimodalMemory`.
        """
        padding, position = clips.padding[pair_to_clip], clips.position[pair_to_clip]
        memory = self._sequence(clips.cells[pair_to_clip], padding, position, text)
        encoded = self.encoder(
            query=memory.tokens.flatten(0, 1),
            query_pos=memory.position.flatten(0, 1),
            key_padding_mask=memory.padding.flatten(0, 1),
        )
        memory.tokens = encoded.unflatten(0, memory.tokens.shape[:2])
        size = padding.shape[-2:]
        early = memory.tokens[:, :, : size.numel()].transpose(2, 3).unflatten(3, size)
        return GroundedFeatures(early, padding, position, memory, pair_to_clip)

    def mask_features(self, clips: MultimodalClips, grounded: GroundedFeatures) -> Tensor:
        """(P, T, M, H/4, W/4) features in which masks are linear."""
        laterals = [x[grounded.pair_to_clip].flatten(0, 1) for x in clips.laterals]
        features = self.spatial_decoder(grounded.early.flatten(0, 1), laterals)
        return features.unflatten(0, grounded.early.shape[:2])

    @torch.no_grad()
    def attention_map(self, grounded: GroundedFeatures, text: TextFeatures) -> Tensor:
        """(P, T, h, w) where the encoded words are found again in the encoded map.

        Softmax over the clip's cells of their likeness to the words (scaled dot product), averaged
        over the words.
        """
        size = grounded.padding.shape[-2:]
        tokens = grounded.memory.tokens
        cells, words = tokens[:, :, : size.numel()], tokens[:, :, size.numel() :].mean(1)
        likeness = torch.einsum('plc,ptsc->plts', words, cells) / words.shape[-1] ** 0.5
        padding = grounded.padding.flatten(2)[:, None]
        weights = likeness.masked_fill(padding, float('-inf')).flatten(2).softmax(-1)
        real = (~text.padding).to(weights.dtype)[..., None]
        mean = (weights * real).sum(1) / real.sum(1)
        return mean.unflatten(1, grounded.padding.shape[1:])

    @staticmethod
    def _sequence(
        cells: Tensor, padding: Tensor, position: Tensor, text: TextFeatures
    ) -> MultimodalMemory:
        """Cells (P, T, C, h, w), then words, frame by frame; words have no position."""
        frames = cells.shape[1]
        words = text.words[:, None].expand(-1, frames, -1, -1)
        no_word = text.padding[:, None].expand(-1, frames, -1)
        return MultimodalMemory(
            tokens=torch.cat((cells.flatten(3).transpose(2, 3), words), dim=2),
            padding=torch.cat((padding.flatten(2), no_word), dim=2),
            position=torch.cat(
                (position.flatten(3).transpose(2, 3), torch.zeros_like(words)), dim=2
            ),
        )


def xavier_matrices(module: nn.Module) -> None:
    """Xavier-uniform values for every parameter with more than one axis, as DETR does."""
    for parameter in module.parameters():
        if parameter.dim() > 1:
            nn.init.xavier_uniform_(parameter)
