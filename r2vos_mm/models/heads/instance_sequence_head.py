"""Define MTTR's head: instance decoder, referring scores and masks."""

import torch
import torch.nn.functional as F
from mmdet.models.layers import MLP
from mmengine.model import BaseModule
from torch import Tensor, nn

from r2vos_mm.registry import MODELS, TASK_UTILS
from r2vos_mm.structures import InstanceTargets, MultimodalMemory, PairTargets, QueryPredictions

from ..layers.initialization import xavier_matrices
from ..layers.maps import flatten_padding
from ..task_modules import SequenceMatch
from .query_head import build_losses, flat, mask_losses, mean_count, supervise_layers


@MODELS.register_module()
class InstanceSequenceHead(BaseModule):
    """Decode N queries per pair, each an instance of the clip (MTTR, Sec. 3.3 and 3.4).

    Queries are learned positions shared by all frames; the sequence of a query over time is one
    instance. *All* instances are supervised, one of which is the referred one. The score of a query
    is the logit of 'referred' against 'other', the difference of two outputs. There are no boxes.

    Args:
        decoder: config of the instance decoder.
        matcher: config of the matching of queries with instances.
        loss_referred, loss_mask, loss_dice: configs of the losses.
        channels: C.
        mask_channels: M of the mask features.
        num_queries: N.
        other_weight: weight in ``loss_referred`` of queries without the referred instance.
    """

    def __init__(
        self,
        *,
        decoder: dict,
        matcher: dict,
        loss_referred: dict,
        loss_mask: dict,
        loss_dice: dict,
        channels: int = 256,
        mask_channels: int = 8,
        num_queries: int = 50,
        other_weight: float = 0.1,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.other_weight = other_weight
        self.decoder = MODELS.build(decoder)
        self.matcher = TASK_UTILS.build(matcher)
        self.query_position = nn.Embedding(num_queries, channels)
        self.referred_branch = nn.Linear(channels, 2)
        self.kernel_branch = MLP(channels, channels, mask_channels, 2)
        self.losses = build_losses(referred=loss_referred, mask=loss_mask, dice=loss_dice)

    def init_weights(self) -> None:
        """Draw the decoder's weights as DETR does."""
        super().init_weights()
        xavier_matrices(self.decoder)

    def forward(
        self,
        memory: MultimodalMemory,
        mask_features: Tensor,
        sentence: Tensor,
        reconstructed: Tensor | None = None,
        *,
        last_only: bool = False,
    ) -> list[QueryPredictions]:
        """Return the predictions of every decoder layer; see :class:`ReferringMaskHead`.

        ``sentence`` and ``reconstructed`` are not used.
        """
        embeddings = self._decode(memory)[-1 if last_only else 0 :]
        return [self._predict(layer, mask_features) for layer in embeddings]

    def loss(self, predictions: list[QueryPredictions], targets: PairTargets) -> dict[str, Tensor]:
        """Compute the losses of every decoder layer, each with its own matching.

        Args:
            predictions: result of :meth:`forward` for P positive pairs.
            targets: with the instances of their clips, masks at input resolution.

        Returns:
            ``loss_referred, loss_mask, loss_dice``; earlier layers carry the prefix ``d<layer>.``.

        Raises:
            ValueError: the targets have no instances.
        """
        if targets.instances is None:
            raise ValueError(
                'InstanceSequenceHead learns from all instances of a clip, but the samples have '
                'no gt_instances: set with_instances=True of PackReferringInputs for training'
            )
        count = sum(target.valid.numel() for target in targets.instances)
        normalizer = mean_count(torch.tensor(count, device=targets.valid.device))

        def layer_loss(prediction: QueryPredictions) -> dict[str, Tensor]:
            matches = self.matcher(prediction, targets.instances)
            referred = self._referred_loss(prediction.scores, matches, targets.instances)
            masks = self._mask_losses(prediction.masks, matches, targets.instances, normalizer)
            return dict(referred=referred) | masks

        return supervise_layers(predictions, layer_loss)

    def _decode(self, memory: MultimodalMemory) -> Tensor:
        """Return query embeddings (layers, P, T, N, C)."""
        frames = memory.tokens.shape[:2]
        position = self.query_position.weight.expand(frames.numel(), -1, -1)
        tokens = memory.tokens.flatten(0, 1)
        embeddings = self.decoder(
            query=torch.zeros_like(position),
            query_pos=position,
            key=tokens,
            value=tokens,
            key_pos=memory.position.flatten(0, 1),
            key_padding_mask=flatten_padding(memory.padding, 0, 1),
        )
        return embeddings.unflatten(1, frames)

    def _predict(self, embeddings: Tensor, mask_features: Tensor) -> QueryPredictions:
        logits = self.referred_branch(embeddings).float()  # 'referred' and 'other'
        kernels = self.kernel_branch(embeddings)
        masks = torch.einsum('ptnm,ptmhw->ptnhw', kernels, mask_features.to(kernels.dtype))
        return QueryPredictions(logits[..., 0] - logits[..., 1], None, masks.float())

    def _referred_loss(
        self, scores: Tensor, matches: list[SequenceMatch], targets: list[InstanceTargets]
    ) -> Tensor:
        """Return the cross entropy of all queries in all frames, per frame."""
        labels = torch.zeros_like(scores)
        weights = torch.full_like(scores, self.other_weight)
        for row, (match, target) in enumerate(zip(matches, targets, strict=True)):
            visible = target.labels(referred=1, other=0)[match.instances]  # (K, T)
            labels[row, :, match.queries] = visible.T.to(labels)
            # Also in frames where the instance is not visible.
            weights[row, :, match.queries[target.referred[match.instances]]] = 1
        frames = scores.shape[:2].numel()
        return self.losses['referred'](*flat(scores, labels, weights), avg_factor=frames)

    def _mask_losses(
        self,
        masks: Tensor,
        matches: list[SequenceMatch],
        targets: list[InstanceTargets],
        normalizer: Tensor,
    ) -> dict[str, Tensor]:
        """Compute the losses of matched masks (P, T, N, h, w) at the size of the targets."""
        rows = list(zip(masks, matches, targets, strict=True))
        found = torch.cat([mask[:, match.queries].flatten(0, 1) for mask, match, _ in rows])
        wanted = torch.cat([t.masks[m.instances].transpose(0, 1).flatten(0, 1) for _, m, t in rows])
        found = F.interpolate(found[:, None], wanted.shape[-2:], mode='bilinear').flatten(1)
        return mask_losses(self.losses, found, wanted.flatten(1), normalizer)
