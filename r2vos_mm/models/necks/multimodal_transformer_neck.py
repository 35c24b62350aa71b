"""Define the neck of MTTR, which encodes the cells and words of a frame as one sequence."""

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from r2vos_mm.registry import MODELS
from r2vos_mm.structures import (
    GroundedFeatures,
    MultimodalClips,
    MultimodalMemory,
    TextFeatures,
    WordEvidence,
)

from ..layers.initialization import xavier_matrices
from ..layers.maps import flatten_padding, frame_tokens, resize_padding


@MODELS.register_module()
class MultimodalTransformerNeck(BaseModule):
    """Compute memory and mask features from backbone maps and text (MTTR, Sec. 3.2 and 3.4).

    Every frame is encoded by itself: its cells, then the words. Temporal context comes only from
    the backbone. The methods are those of :class:`GroundingNeck`.

    Args:
        in_channels: channels of the backbone maps, finest first; the last one is encoded.
        encoder: config of the encoder.
        spatial_decoder: config of the module that computes the mask features, top down.
        positional_encoding: config of the cells' positions, (B, T, h, w) -> (B, T, C, h, w).
        channels: C.
        temporal_mixing: config of a module that mixes neighbouring frames of the projected map,
            as in :class:`GroundingNeck`; None if the backbone sees clips.
    """

    def __init__(
        self,
        *,
        in_channels: list[int],
        encoder: dict,
        spatial_decoder: dict,
        positional_encoding: dict,
        channels: int = 256,
        temporal_mixing: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        *finer, coarsest = self.in_channels = tuple(in_channels)
        self.video_proj = nn.Conv2d(coarsest, channels, 1)
        self.temporal_mixing = MODELS.build(temporal_mixing) if temporal_mixing else None
        self.encoder = MODELS.build(encoder)
        self.spatial_decoder = MODELS.build(
            dict(spatial_decoder, lateral_channels=finer[::-1], channels=channels)
        )
        self.positional_encoding = MODELS.build(positional_encoding)

    def init_weights(self) -> None:
        """Draw the encoder's weights as DETR does; the other parts initialize themselves."""
        super().init_weights()
        xavier_matrices(self.encoder)

    def project(
        self, maps: list[Tensor], padding: Tensor, *, has_padding: bool = True
    ) -> MultimodalClips:
        """Compute what all expressions of a clip share; arguments as for :class:`GroundingNeck`."""
        *finer, coarsest = maps
        frames = padding.shape[:2]
        padding = resize_padding(padding, coarsest.shape[-2:])
        laterals = self.spatial_decoder.adapt(finer[::-1])
        cells = self.video_proj(coarsest).unflatten(0, frames)
        if self.temporal_mixing is not None:
            cells = self.temporal_mixing([cells], [padding] if has_padding else None)[0]
        return MultimodalClips(
            cells=cells,
            padding=padding,
            position=self.positional_encoding(padding),
            laterals=[lateral.unflatten(0, frames) for lateral in laterals],
            has_padding=has_padding,
        )

    def ground(
        self,
        clips: MultimodalClips,
        text: TextFeatures,
        pair_to_clip: Tensor,
        evidence: WordEvidence | None = None,
    ) -> GroundedFeatures:
        """Encode the cells of each pair's clip together with its words.

        Arguments as for :class:`GroundingNeck`; ``evidence`` is passed on. In the result ``early``
        is the encoded map and ``memory`` the whole :class:`MultimodalMemory`.
        """
        padding, position = clips.padding[pair_to_clip], clips.position[pair_to_clip]
        memory = self._sequence(clips.cells[pair_to_clip], padding, position, text)
        if not (clips.has_padding or text.has_padding):
            memory.padding = None
        encoded = self.encoder(
            query=memory.tokens.flatten(0, 1),
            query_pos=memory.position.flatten(0, 1),
            key_padding_mask=flatten_padding(memory.padding, 0, 1),
        )
        memory.tokens = encoded.unflatten(0, memory.tokens.shape[:2])
        size = padding.shape[-2:]
        early = memory.tokens[:, :, : size.numel()].transpose(2, 3).unflatten(3, size)
        padding = padding if clips.has_padding else None
        return GroundedFeatures(early, padding, position, memory, text, pair_to_clip, evidence)

    def mask_features(self, clips: MultimodalClips, grounded: GroundedFeatures) -> Tensor:
        """Return (P, T, M, H/4, W/4) features, of which masks are linear combinations."""
        laterals = [x[grounded.pair_to_clip].flatten(0, 1) for x in clips.laterals]
        features = self.spatial_decoder(grounded.early.flatten(0, 1), laterals)
        return features.unflatten(0, grounded.early.shape[:2])

    def share(self, clips: MultimodalClips) -> MultimodalClips:
        """Return the clips unchanged: every layer after :meth:`project` depends on the text."""
        return clips

    @torch.no_grad()
    def attention_map(self, grounded: GroundedFeatures) -> Tensor:
        """Return the similarity (P, T, h, w) of the encoded words to the encoded cells.

        It is the softmax over the clip's cells of scaled dot products, averaged over the words.
        """
        size, tokens = grounded.early.shape[-2:], grounded.memory.tokens
        cells, words = tokens[:, :, : size.numel()], tokens[:, :, size.numel() :].mean(1)
        logits = torch.einsum('plc,ptsc->plts', words, cells) / words.shape[-1] ** 0.5
        if grounded.padding is not None:
            logits = logits.masked_fill(grounded.padding.flatten(2)[:, None], float('-inf'))
        weights = grounded.text.average(logits.flatten(2).softmax(-1))
        return weights.unflatten(1, (tokens.shape[1], *size))

    @staticmethod
    def _sequence(
        cells: Tensor, padding: Tensor, position: Tensor, text: TextFeatures
    ) -> MultimodalMemory:
        """Join cells (P, T, C, h, w) and words, frame by frame; words have no position."""
        frames = cells.shape[1]
        words = text.words[:, None].expand(-1, frames, -1, -1)
        no_word = text.padding[:, None].expand(-1, frames, -1)
        return MultimodalMemory(
            tokens=torch.cat((frame_tokens(cells), words), dim=2),
            padding=torch.cat((padding.flatten(2), no_word), dim=2),
            position=torch.cat((frame_tokens(position), torch.zeros_like(words)), dim=2),
        )
