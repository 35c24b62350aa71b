"""The neck of ReferFormer: that of R2-VOS, with text at every level on the way to the masks."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from r2vos_mm.registry import MODELS
from r2vos_mm.structures import ClipFeatures, GroundedFeatures, TextFeatures

from ..layers.cross_modal import init_convolutions
from .grounding_neck import GroundingNeck, resize_padding


@dataclass
class PositionedClipFeatures(ClipFeatures):
    """Features of B clips with the positions of the stride-4 map.

    Attributes:
        finest_position: (B, T, C, h, w) positions of ``finest``'s cells.
    """

    finest_position: Tensor


@dataclass
class WordedFeatures(GroundedFeatures):
    """Grounded features of P pairs that carry the words on.

    Attributes:
        text: the P sentences.
    """

    text: TextFeatures

    def select(self, index: Tensor) -> WordedFeatures:
        """The pairs that ``index`` (bool mask or positions) names."""
        return WordedFeatures(**vars(super().select(index)), text=self.text.select(index))


@MODELS.register_module()
class ReferFormerNeck(GroundingNeck):
    """Fusion and encoder of R2-VOS, then ReferFormer's pixel decoder (ReferFormer).

    The pixel decoder is ``grounding`` (a :class:`CrossModalGrounding`: its coarsest level, at the
    encoder level ``grounding_level``) and ``pyramid`` (a :class:`CrossModalPyramid`: all finer
    levels). Its stride-4 level reads the backbone, not the encoder, so that the self-attention
    there sees no text and runs once per clip.

    Args: as :class:`GroundingNeck`; ``grounding_position`` serves all levels of the pixel decoder.
    """

    def init_weights(self) -> None:
        """The stride-4 lateral as the pixel decoder's other convolutions."""
        super().init_weights()
        init_convolutions(self.finest_adapter)

    def project(self, maps: list[Tensor], padding: Tensor) -> PositionedClipFeatures:
        """As :meth:`GroundingNeck.project`; ``finest`` has seen itself over all frames."""
        clips = super().project(maps, padding)
        cells = resize_padding(padding, clips.finest.shape[-2:])
        position = self.grounding_position(cells)
        clips.finest = self.pyramid.blocks[-1].attend_vision(clips.finest, position, cells)
        return PositionedClipFeatures(**vars(clips), finest_position=position)

    def ground(
        self, clips: PositionedClipFeatures, text: TextFeatures, pair_to_clip: Tensor
    ) -> WordedFeatures:
        """As :meth:`GroundingNeck.ground`."""
        grounded = super().ground(clips, text, pair_to_clip)
        return WordedFeatures(**vars(grounded), text=text)

    def mask_features(self, clips: PositionedClipFeatures, grounded: WordedFeatures) -> Tensor:
        """(P, T, C, H/4, W/4) features of which masks are made."""
        index = grounded.pair_to_clip
        levels = []
        for level in range(self.grounding_level - 1, -1, -1):
            padding = clips.paddings[level]
            levels.append(
                (
                    grounded.memory.level(level),
                    self.grounding_position(padding)[index],
                    padding[index],
                )
            )
        return self.pyramid(
            grounded.early, levels, clips.finest[index], clips.finest_position[index], grounded.text
        )
