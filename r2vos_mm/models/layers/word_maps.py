"""Find what an expression names in a clip by the class names of an image classifier."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from r2vos_mm.registry import MODELS
from r2vos_mm.structures import ClassScores, WordEvidence

from .maps import frame_tokens, resize_padding

_NAMES_PER_PASS = 100


@MODELS.register_module()
class WordMaps(BaseModule):
    """Turn class logits, class names and a sentence encoder into evidence for each expression.

    An expression s gives the classes the weights W_k = softmax_k(e(s) . e(c_k) / temperature), with
    the unit vectors e of a sentence encoder and the class names c_k. Its evidence is

    * a number, log sum_k W_k p_k with p the mean over the frames of softmax(mean over the cells of
      the logits), and
    * a map, sum_k W_k (l_k - mean of l) with the logits l of each cell.

    Nothing is trained. Logits are computed once per clip, names once per sentence encoder.

    Args:
        temperature: sharpness of the weights.
        center: log probability that counts as undecided, to which the number is relative. -6.5
            separates best on 100 images of COCO with EfficientNet-Lite2.
        map_scale: divisor of the map.
        sentence_encoder: config of a text encoder with ``sentence_vectors``; None for the model's.
    """

    def __init__(
        self,
        *,
        temperature: float = 0.05,
        center: float = -6.5,
        map_scale: float = 4.0,
        sentence_encoder: dict | None = None,
    ) -> None:
        super().__init__()
        self.temperature, self.center, self.map_scale = temperature, center, map_scale
        self.sentence_encoder = MODELS.build(sentence_encoder) if sentence_encoder else None
        self._names: tuple[Sequence[str], Tensor] | None = None  # class names and their vectors

    @torch.no_grad()
    def class_weights(
        self, sentences: list[str], class_names: Sequence[str], text_encoder: nn.Module
    ) -> Tensor:
        """Return W, (P, K), of P expressions for K classes."""
        encoder = self.sentence_encoder or text_encoder
        vectors = encoder.sentence_vectors(sentences)
        names = self._name_vectors(class_names, encoder).to(vectors)
        with torch.autocast(vectors.device.type, enabled=False):
            return (vectors @ names.T / self.temperature).softmax(-1)

    def classify(self, backbone: nn.Module, maps: list[Tensor], padding: Tensor) -> ClassScores:
        """Return the scores of the backbone's classifier for B clips.

        Args:
            backbone: has ``class_logits``, from its maps to (B*T, K, h, w), and ``class_names``.
            maps: result of the backbone.
            padding: (B, T, H, W) bool, True in padded pixels.
        """
        logits = backbone.class_logits(maps).unflatten(0, padding.shape[:2]).float()
        inside = ~resize_padding(padding, logits.shape[-2:])[:, :, None]
        means = (logits * inside).sum((-2, -1)) / inside.sum((-2, -1)).clamp(min=1)
        relative = (logits - logits.mean(2, keepdim=True)) * inside
        frames, shown = means.softmax(-1), inside.any(-1).any(-1)
        # Frames of padding get the mean of the others, so that means over all frames are correct.
        mean = (frames * shown).sum(1, keepdim=True) / shown.sum(1, keepdim=True)
        return ClassScores(relative / self.map_scale, torch.where(shown, frames, mean))

    def forward(
        self, classes: ClassScores, class_weights: Tensor, pair_to_clip: Tensor
    ) -> WordEvidence:
        """Return the evidence for P pairs.

        Args:
            classes: B clips, from :meth:`classify`.
            class_weights: (P, K), from :meth:`class_weights`.
            pair_to_clip: (P,) clip of each pair.
        """
        # small probabilities need float32
        with torch.autocast(class_weights.device.type, enabled=False):
            if len(classes) == 1:
                maps = torch.einsum('pk,tkhw->pthw', class_weights, classes.cells[0])
            else:
                maps = _maps_by_clip(classes.cells, class_weights, pair_to_clip)
            odds = torch.einsum('pk,ptk->pt', class_weights, classes.frames[pair_to_clip])
        return WordEvidence(maps, odds.clamp(min=1e-12) * math.exp(-self.center))

    def _name_vectors(self, names: Sequence[str], encoder: nn.Module) -> Tensor:
        if self._names is None or self._names[0] is not names:
            parts = [
                encoder.sentence_vectors(list(names[i : i + _NAMES_PER_PASS]))
                for i in range(0, len(names), _NAMES_PER_PASS)
            ]
            self._names = names, torch.cat(parts)
        return self._names[1]


def _maps_by_clip(cells: Tensor, class_weights: Tensor, pair_to_clip: Tensor) -> Tensor:
    """Return maps (P, T, h, w), clip by clip to avoid a copy of (B, T, K, h, w) for each pair."""
    maps = cells.new_empty(len(pair_to_clip), *cells[0, :, 0].shape)
    for clip in pair_to_clip.unique().tolist():
        pairs = pair_to_clip == clip
        maps[pairs] = torch.einsum('pk,tkhw->pthw', class_weights[pairs], cells[clip])
    return maps


@MODELS.register_module()
class WordMapProjection(BaseModule):
    """Turn the evidence for expressions into tokens that are added to those of the encoder.

    Args:
        channels: C.
    """

    def __init__(self, channels: int = 256) -> None:
        super().__init__()
        self.proj = nn.Linear(2, channels)

    def forward(self, evidence: WordEvidence, shapes: Sequence[tuple[int, int]]) -> Tensor:
        """Return (P, T, S, C) tokens for the levels of the given sizes, one after the other."""
        presence = evidence.frames.log()[:, :, None, None].expand_as(evidence.maps)
        inputs = torch.stack((evidence.maps, presence), dim=2)  # (P, T, 2, h, w)
        levels = [
            F.interpolate(inputs.flatten(0, 1), size=shape, mode='bilinear', align_corners=False)
            for shape in shapes
        ]
        tokens = [frame_tokens(x.unflatten(0, inputs.shape[:2])) for x in levels]
        return self.proj(torch.cat(tokens, dim=2))
