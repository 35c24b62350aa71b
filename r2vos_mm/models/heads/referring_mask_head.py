"""Define the mask head of R2-VOS and ReferFormer: instance decoder, scores, boxes and masks."""

import torch
import torch.nn.functional as F
from mmdet.models.layers import MLP, inverse_sigmoid
from mmengine.model import BaseModule, bias_init_with_prob, constant_init, xavier_init
from torch import Tensor, nn

from r2vos_mm.registry import MODELS, TASK_UTILS
from r2vos_mm.structures import Memory, PairTargets, QueryPredictions

from ..layers.convolved_maps import ConvolvedMaps
from ..layers.maps import flatten_padding
from .query_head import build_losses, flat, mask_losses, mean_count, supervise_layers


@MODELS.register_module()
class ReferringMaskHead(BaseModule):
    """Decode N queries per pair to a score, box and mask in every frame (supplementary, C).

    The content of all queries is the text ("fused text embedding"): z_0 = e + LN(W [e; e']); they
    differ by a learned position. Frames are decoded independently. A query stands for one object
    in all frames because the matching and the choice at test time are made for the whole clip.

    Args:
        decoder: config of the deformable decoder D_v.
        mask_predictor: config of the part that predicts mask logits from embeddings.
        matcher: config of the tube matcher.
        loss_cls, loss_bbox, loss_giou, loss_mask, loss_dice: configs of the losses.
        channels: C.
        num_queries: N.
        mask_stride: stride of the mask features; targets are sub-sampled to it.
        absent_frame_weight: weight of box losses in frames without the object (released code: 1).
        mixes_reconstruction: whether the query includes e'; False for models without a cycle.
    """

    def __init__(
        self,
        *,
        decoder: dict,
        mask_predictor: dict,
        matcher: dict,
        loss_cls: dict,
        loss_bbox: dict,
        loss_giou: dict,
        loss_mask: dict,
        loss_dice: dict,
        channels: int = 256,
        num_queries: int = 5,
        mask_stride: int = 4,
        absent_frame_weight: float = 0.0,
        mixes_reconstruction: bool = True,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.mask_stride = mask_stride
        self.absent_frame_weight = absent_frame_weight
        self.decoder = MODELS.build(decoder)
        self.mask_predictor = MODELS.build(mask_predictor)
        self.matcher = TASK_UTILS.build(matcher)
        self.query_position = nn.Embedding(num_queries, channels)
        self.reference_points = nn.Linear(channels, 2)
        self.query_mixer = QueryMixer(channels) if mixes_reconstruction else None
        num_layers = len(self.decoder.layers)
        self.score_branches = nn.ModuleList(nn.Linear(channels, 1) for _ in range(num_layers))
        self.box_branches = nn.ModuleList(MLP(channels, channels, 4, 3) for _ in range(num_layers))
        boxes = dict(bbox=loss_bbox, giou=loss_giou)
        self.losses = build_losses(cls=loss_cls, **boxes, mask=loss_mask, dice=loss_dice)

    def init_weights(self) -> None:
        """Start with rare positives and small boxes at the reference points."""
        super().init_weights()
        xavier_init(self.reference_points, distribution='uniform')
        for score, box in zip(self.score_branches, self.box_branches, strict=True):
            nn.init.constant_(score.bias, bias_init_with_prob(0.01))
            constant_init(box.layers[-1], 0)
        nn.init.constant_(self.box_branches[0].layers[-1].bias[2:], -2.0)

    def forward(
        self,
        memory: Memory,
        mask_features: Tensor | ConvolvedMaps,
        sentence: Tensor,
        reconstructed: Tensor | None = None,
        *,
        last_only: bool = False,
    ) -> list[QueryPredictions]:
        """Return the predictions of every decoder layer in order.

        Args:
            memory: encoder output of P pairs.
            mask_features: (P, T, C, h, w), or their last convolution still to be computed.
            sentence: (P, C) e.
            reconstructed: (P, C) e', or None in a model without a cycle.
            last_only: return those of the last layer only, all that testing needs.
        """
        embeddings, references = self._decode(memory, self._query(sentence, reconstructed))
        layers = range(len(embeddings))[-1 if last_only else 0 :]
        boxes = [self._boxes(layer, embeddings[layer], references[layer]) for layer in layers]
        scores = [self.score_branches[i](embeddings[i]).squeeze(-1).float() for i in layers]
        # One call for the queries of all layers; masks are relative to the centres of the boxes.
        points = torch.cat([x[..., :2] for x in boxes], dim=2).detach()
        points = points * memory.image_sizes[:, None, None]
        queries = torch.cat([embeddings[layer] for layer in layers], dim=2)
        masks = self.mask_predictor(queries, mask_features, points).float()
        masks = masks.split(scores[0].shape[2], dim=2)
        return [QueryPredictions(*parts) for parts in zip(scores, boxes, masks, strict=True)]

    def loss(self, predictions: list[QueryPredictions], targets: PairTargets) -> dict[str, Tensor]:
        """Compute the losses of every decoder layer, each with its own matching (supplementary).

        Args:
            predictions: result of :meth:`forward` for P positive pairs.
            targets: their P objects, masks at input resolution.

        Returns:
            ``loss_cls, loss_bbox, loss_giou, loss_mask, loss_dice``; earlier layers carry the
            prefix ``d<layer>.``.
        """
        normalizer = mean_count(targets.valid.sum())
        targets = targets.at_stride(self.mask_stride, predictions[-1].masks.shape[-2:])
        return supervise_layers(predictions, lambda x: self._layer_loss(x, targets, normalizer))

    def loss_of_negatives(
        self, predictions: list[QueryPredictions], *, masks: bool
    ) -> dict[str, Tensor]:
        """Compute losses of negative pairs, whose objects are in no frame.

        They are averaged over the frames of negative pairs, and those of :meth:`loss` over the
        frames that show the objects of positive ones, so the number of negatives changes neither.

        Args:
            predictions: result of :meth:`forward` for P negative pairs, P = 0 allowed.
            masks: also train the masks of the chosen query to be empty.

        Returns:
            ``loss_cls`` with all queries as background and, with ``masks``, ``loss_mask`` and
            ``loss_dice``; earlier layers carry the prefix ``d<layer>.``.
        """
        frames = predictions[-1].scores[..., 0]
        normalizer = mean_count(torch.tensor(frames.numel(), device=frames.device))
        return supervise_layers(
            predictions, lambda x: self._negative_layer_loss(x, normalizer, masks=masks)
        )

    def _query(self, sentence: Tensor, reconstructed: Tensor | None) -> Tensor:
        if self.query_mixer is None:
            return sentence
        if reconstructed is None:
            raise ValueError(
                'the queries of the mask head include the reconstructed sentence embedding, but '
                'the model has no cycle_head: set mask_head.mixes_reconstruction=False'
            )
        return sentence + self.query_mixer(sentence, reconstructed)

    def _decode(self, memory: Memory, query: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return embeddings (layers, P, T, N, C) and layers + 1 references (P, T, N, 2 or 4)."""
        frames = memory.tokens.shape[:2]
        queries = self.query_position.weight
        position = queries.expand(frames.numel(), -1, -1)
        initial = self.reference_points(queries).sigmoid().expand(frames.numel(), -1, -1)
        query = query.repeat_interleave(frames[1], dim=0)[:, None].expand_as(position)
        embeddings, references = self.decoder(
            query=query,
            query_pos=position,
            value=memory.tokens.flatten(0, 1),
            key_padding_mask=flatten_padding(memory.padding, 0, 1),
            reference_points=initial,
            valid_ratios=memory.valid_ratios.repeat_interleave(frames[1], dim=0),
            reg_branches=self.box_branches,
            spatial_shapes=memory.shapes,
            level_start_index=None,
        )
        references = [initial, *references]
        return embeddings.unflatten(1, frames), [r.unflatten(0, frames) for r in references]

    def _boxes(self, layer: int, embeddings: Tensor, reference: Tensor) -> Tensor:
        """Return boxes (P, T, N, 4) of a layer, offsets from the reference of the layer before."""
        offset = self.box_branches[layer](embeddings).float()
        anchor = inverse_sigmoid(reference)  # (P, T, N, 2 or 4)
        known = anchor.shape[-1]
        return torch.cat((offset[..., :known] + anchor, offset[..., known:]), dim=-1).sigmoid()

    def _layer_loss(
        self, prediction: QueryPredictions, targets: PairTargets, normalizer: Tensor
    ) -> dict[str, Tensor]:
        queries, losses = self.matcher(prediction, targets), self.losses
        chosen, scores = prediction.of_queries(queries), prediction.scores
        is_chosen = F.one_hot(queries, scores.shape[2])[:, None]  # (P, 1, N)
        labels = (is_chosen * targets.valid[..., None]).to(scores)
        weight = torch.where(targets.valid, 1.0, self.absent_frame_weight)
        of_boxes = weight[..., None].expand_as(chosen.boxes)
        masks, wanted = chosen.masks.flatten(1), targets.masks.flatten(1)
        return dict(
            cls=losses['cls'](*flat(scores, labels), avg_factor=normalizer),
            bbox=losses['bbox'](chosen.boxes, targets.boxes, of_boxes, avg_factor=normalizer),
            giou=losses['giou'](chosen.boxes, targets.boxes, weight, avg_factor=normalizer),
            **mask_losses(losses, masks, wanted, normalizer),
        )

    def _negative_layer_loss(
        self, prediction: QueryPredictions, normalizer: Tensor, *, masks: bool
    ) -> dict[str, Tensor]:
        scores = prediction.scores
        pairs = flat(scores, torch.zeros_like(scores))
        losses = dict(cls=self.losses['cls'](*pairs, avg_factor=normalizer))
        if masks:
            queries = scores.mean(1).argmax(-1)  # as in testing
            found = prediction.of_queries(queries).masks.flatten(1)
            losses |= mask_losses(self.losses, found, torch.zeros_like(found), normalizer)
        return losses


class QueryMixer(nn.Module):
    """Compute LN(W [e; e']), which is added to the query."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.proj = nn.Linear(2 * channels, channels)
        self.norm = nn.LayerNorm(channels, eps=1e-12)

    def forward(self, sentence: Tensor, reconstructed: Tensor) -> Tensor:
        """Mix e and e', (P, C) each, to (P, C)."""
        return self.norm(self.proj(torch.cat((sentence, reconstructed), dim=-1)))
