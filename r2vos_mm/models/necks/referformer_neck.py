"""Define the neck of ReferFormer, which mixes text into every level on the way to the masks."""

from dataclasses import replace

from torch import Tensor

from r2vos_mm.registry import MODELS
from r2vos_mm.structures import ClipFeatures, GroundedFeatures

from ..layers.convolved_maps import ConvolvedMaps
from ..layers.initialization import caffe2_convolutions
from ..layers.maps import resize_padding
from .grounding_neck import GroundingNeck


@MODELS.register_module()
class ReferFormerNeck(GroundingNeck):
    """Fusion and encoder of R2-VOS, then ReferFormer's pixel decoder (ReferFormer).

    The pixel decoder is ``grounding`` (a :class:`CrossModalGrounding`: its coarsest level, at the
    encoder level ``grounding_level``) and ``pyramid`` (a :class:`CrossModalPyramid`: all finer
    levels). Its stride-4 level reads the backbone, not the encoder, so its self-attention sees no
    text and runs once per clip.

    Args: as :class:`GroundingNeck`; ``grounding_position`` serves all levels of the pixel decoder.
    """

    def init_weights(self) -> None:
        """Initialise the stride-4 lateral like the pixel decoder's other convolutions."""
        super().init_weights()
        caffe2_convolutions(self.finest_adapter)

    def project(
        self, maps: list[Tensor], padding: Tensor, *, has_padding: bool = True
    ) -> ClipFeatures:
        """As :meth:`GroundingNeck.project`; ``finest`` has attended to itself over all frames."""
        clips = super().project(maps, padding, has_padding=has_padding)
        cells = resize_padding(padding, clips.finest.shape[-2:])
        position = self.grounding_position(cells)
        finest = self.pyramid.blocks[-1].attend_vision(
            clips.finest, position, cells if has_padding else None
        )
        return replace(clips, finest=finest, finest_position=position)

    def mask_features(
        self, clips: ClipFeatures, grounded: GroundedFeatures, *, lazy: bool = False
    ) -> Tensor | ConvolvedMaps:
        """As :meth:`GroundingNeck.mask_features`, with the text at every level."""
        index, levels = grounded.pair_to_clip, []
        for level in range(self.grounding_level - 1, -1, -1):
            cells = clips.paddings[level]
            position = self.grounding_position(cells)[index]
            padding = cells[index] if clips.has_padding else None
            levels.append((grounded.memory.level(level), position, padding))
        features = self.pyramid(
            grounded.early,
            levels,
            clips.finest[index],
            clips.finest_position[index],
            grounded.text,
            lazy=lazy,
        )
        return ConvolvedMaps(features, self.pyramid.mask_features) if lazy else features
