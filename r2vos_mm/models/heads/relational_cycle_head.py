"""Reconstruct the sentence embedding from the video and judge whether both belong together."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from mmdet.models.layers import MLP
from mmengine.model import BaseModule
from torch import Tensor, nn

from r2vos_mm.registry import MODELS
from r2vos_mm.structures import CycleOutput, Features
from r2vos_mm.utils.formats.expressions import normalize_text

from ..layers.gather import gather_rows
from ..layers.initialization import xavier_matrices
from ..layers.maps import flatten_padding

ConfigType = dict[str, Any]

# With fewer points the mean distance normalizes the only distance to 1 and no angle exists.
MIN_RELATED_SENTENCES = 3


def reconstruction_decoder(channels: int = 256, *, num_layers: int = 3) -> ConfigType:
    """Return the config of the paper's D_e (R2-VOS supplementary): post-norm, then a layer norm.

    One attention head per 32 channels; arguments of mmdet's ``DetrTransformerDecoder``.
    """
    attention = dict(embed_dims=channels, num_heads=max(1, channels // 32), attn_drop=0.1)
    attention['dropout_layer'] = dict(type='Dropout', drop_prob=0.1)
    ffn = dict(embed_dims=channels, feedforward_channels=8 * channels, num_fcs=2, ffn_drop=0.1)
    ffn['act_cfg'] = dict(type='ReLU', inplace=True)
    layer = dict(self_attn_cfg=attention, cross_attn_cfg=dict(attention), ffn_cfg=ffn)
    return dict(num_layers=num_layers, return_intermediate=False, layer_cfg=layer)


@dataclass
class _CyclePairs(Features):
    reconstructed: Tensor  # (N, C) e'
    sentence: Tensor  # (N, C) e
    misalignment_logit: Tensor  # (N,)
    labels: Tensor  # (N,) int64, 1 for negative pairs
    sentence_ids: Tensor  # (N,) int64, equal for equal expressions


@MODELS.register_module()
class RelationalCycleHead(BaseModule):
    """Reconstruct the sentence embedding from the video and judge whether both belong together.

    The decoder D_e attends from one learned token to the grounded features of all frames and gives
    e'; the alignment discriminator H takes [e; e'] and gives the logit of *mis*alignment. The
    relational losses match pairwise relations of e' to those of e over the positive pairs; H learns
    to separate positive from negative pairs (R2-VOS supplementary, losses and Sec. C).

    All losses are over the pairs of all processes: their value is the same on each process, and
    after averaging the gradients, W processes equal one with the same global batch.

    Args:
        loss_dist: relational loss on distances (``'RelationalDistanceLoss'``).
        loss_angle: relational loss on angles (``'RelationalAngleLoss'``).
        loss_align: binary classification loss called with (N,) logits and (N,) labels, 1 for
            misaligned. The ``class_weight`` of ``'mmdet.CrossEntropyLoss'`` balances the two.
        channels: C.
        decoder: config of D_e, of mmdet's ``DetrTransformerDecoder`` unless it names another
            ``type``; by default the paper's, :func:`reconstruction_decoder`.
        sees_words: whether H also takes the evidence of the model's word maps.
        prior_weight: share of that evidence, a logit, in the verdict: it is subtracted from the
            logit of H, which then learns what the evidence does not show.
        loss_contrastive: loss on e' and e of negative pairs, such as ``'CycleContrastiveLoss'``.
        init_cfg: MMEngine initialization config.
    """

    def __init__(
        self,
        *,
        loss_dist: ConfigType,
        loss_angle: ConfigType,
        loss_align: ConfigType,
        channels: int = 256,
        decoder: ConfigType | None = None,
        sees_words: bool = False,
        prior_weight: float = 0.0,
        loss_contrastive: ConfigType | None = None,
        init_cfg: ConfigType | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        self.text_query = nn.Embedding(1, channels)
        decoder = reconstruction_decoder(channels) if decoder is None else decoder
        self.text_decoder = MODELS.build(dict(type='DetrDecoderWithoutAttentionWeights') | decoder)
        self.sees_words, self.prior_weight = sees_words, prior_weight
        self.discriminator = MLP(2 * channels + sees_words, channels, 1, num_layers=3)
        self.loss_dist = MODELS.build(loss_dist)
        self.loss_angle = MODELS.build(loss_angle)
        self.loss_align = MODELS.build(loss_align)
        self.loss_contrastive = MODELS.build(loss_contrastive) if loss_contrastive else None

    def init_weights(self) -> None:
        """Draw the weights of D_e as DETR does, then apply ``init_cfg``."""
        xavier_matrices(self.text_decoder)
        super().init_weights()

    @property
    def needs_words(self) -> bool:
        """Whether :meth:`forward` needs the evidence of word maps."""
        return self.sees_words or self.prior_weight != 0

    def forward(
        self,
        f_early: Tensor,
        padding: Tensor | None,
        position: Tensor,
        sentence: Tensor,
        presence: Tensor | None = None,
    ) -> CycleOutput:
        """Reconstruct the sentence embeddings and judge the pairs.

        Args:
            f_early: (P, T, C, h, w) text-grounded features of each pair's clip.
            padding: (P, T, h, w) bool, True in padded cells; None if there are none.
            position: (P, T, C, h, w) or broadcastable to it; added to keys *and* values.
            sentence: (P, C) sentence embeddings e.
            presence: (P,) logit of presence from word maps, if :attr:`needs_words`.
        """
        memory = (f_early + position).permute(0, 1, 3, 4, 2).flatten(1, 3)
        token = self.text_query.weight.expand(len(memory), 1, -1)
        reconstructed = self.text_decoder(
            token,
            key=memory,
            value=memory,
            query_pos=None,
            key_pos=None,
            key_padding_mask=flatten_padding(padding, 1),
        )[-1, :, 0]
        logit = self.judge(sentence, reconstructed, presence)
        return CycleOutput(reconstructed=reconstructed, misalignment_logit=logit)

    def judge(self, sentence: Tensor, reconstructed: Tensor, presence: Tensor | None) -> Tensor:
        """Return the (P,) logits of misalignment of e and e', (P, C) each."""
        inputs = [sentence, reconstructed]
        if self.sees_words:
            inputs.append(presence[:, None].to(sentence))
        logit = self.discriminator(torch.cat(inputs, dim=-1)).squeeze(-1)
        return logit - self.prior_weight * presence if self.prior_weight else logit

    def loss(
        self, cycle: CycleOutput, sentence: Tensor, is_negative: Tensor, sentences: Sequence[str]
    ) -> dict[str, Tensor]:
        """Compute the losses of the cycle over the pairs of all processes.

        Every process must call it once per step, even without positive pairs.

        Args:
            cycle: result of :meth:`forward` for the P pairs of this process.
            sentence: (P, C) sentence embeddings e.
            is_negative: (P,) bool, the expression does not belong to the clip.
            sentences: P expressions, from which different ones are counted.

        Returns:
            ``loss_cycle_dist`` and ``loss_cycle_angle`` over the positive pairs, 0 with fewer than
            three different expressions among them; ``loss_align`` over all pairs;
            ``loss_cycle_contrastive`` over the negative pairs if configured. A loss of 0 is still
            connected to the parameters, so that none is unused.

        Raises:
            ValueError: the numbers of pairs disagree.
        """
        if not len(cycle.reconstructed) == len(sentence) == len(is_negative) == len(sentences):
            raise ValueError(
                f'RelationalCycleHead.loss: got {len(cycle.reconstructed)} reconstructions, '
                f'{len(sentence)} embeddings, {len(is_negative)} labels and {len(sentences)} '
                'expressions for the same pairs; give one of each per pair'
            )
        ids = torch.tensor(list(map(_sentence_id, sentences)), device=sentence.device)
        pairs = _CyclePairs(
            cycle.reconstructed.float(),
            sentence.float(),
            cycle.misalignment_logit.float(),
            is_negative.long(),
            ids.long(),
        ).map(gather_rows)
        negatives = pairs.select(pairs.labels == 1)
        losses = self._relational_losses(pairs.select(pairs.labels == 0))
        losses['loss_align'] = self.loss_align(pairs.misalignment_logit, pairs.labels)
        if self.loss_contrastive is not None:
            losses['loss_cycle_contrastive'] = self.loss_contrastive(
                negatives.reconstructed, negatives.sentence
            )
        return losses

    def _relational_losses(self, positives: _CyclePairs) -> dict[str, Tensor]:
        student, teacher = positives.reconstructed, positives.sentence.detach()
        if len(positives.sentence_ids.unique()) < MIN_RELATED_SENTENCES:
            nothing = student.sum() * 0
            return dict(loss_cycle_dist=nothing, loss_cycle_angle=nothing)
        return dict(
            loss_cycle_dist=self.loss_dist(student, teacher),
            loss_cycle_angle=self.loss_angle(student, teacher),
        )


def _sentence_id(sentence: str) -> int:
    """Hash an expression to the same number in every process (unlike Python's hash)."""
    return int.from_bytes(hashlib.md5(normalize_text(sentence).encode()).digest()[:7], 'big')
