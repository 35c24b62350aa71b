"""Taken and own losses together give the values of the released models, through the tube matcher.

The released models count frames without the object in the box terms (``absent_frame_weight`` 1).
"""

import pytest
import torch
from torch import Tensor

from r2vos_mm.registry import MODELS, TASK_UTILS
from r2vos_mm.structures import PairTargets, QueryPredictions

MATCHER = dict(
    type='TubeMatcher',
    costs=[
        dict(type='TubeScoreCost', weight=2.0),
        dict(type='TubeL1Cost', weight=5.0, absent_frame_weight=1.0),
        dict(type='TubeGIoUCost', weight=2.0, absent_frame_weight=1.0),
        dict(type='TubeFocalCost', weight=2.0),
        dict(type='TubeDiceCost', weight=5.0),
    ],
)
LOSSES = dict(
    ce=dict(type='mmdet.FocalLoss', use_sigmoid=True, gamma=2.0, alpha=0.25),
    bbox=dict(type='mmdet.L1Loss'),
    giou=dict(type='TubeGIoULoss'),
    mask=dict(type='mmdet.FocalLoss', use_sigmoid=True, gamma=2.0, alpha=0.25),
    dice=dict(type='mmdet.DiceLoss', use_sigmoid=True, activate=True, naive_dice=True, eps=1.0),
)
FILES = ['r2vos_train', 'neg_rank0', 'neg_rank1', 'neg_rank2', 'rf_r50_train_b3_padded']


@pytest.mark.parametrize('name', FILES)
def test_every_layer(test_data, name):
    stored = torch.load(test_data / 'golden' / f'{name}.pt', weights_only=True)
    out = stored['out']
    targets = stack_targets(stored['targets'], out['pred_masks'].shape[-2:])
    matcher = TASK_UTILS.build(MATCHER)
    for index, layer in enumerate([*out['aux_outputs'], out]):
        predictions = QueryPredictions(
            layer['pred_logits'].squeeze(-1), layer['pred_boxes'], layer['pred_masks']
        )
        queries = matcher(predictions, targets)
        if 'matched_per_layer' in stored and index < len(stored['matched_per_layer']):
            assert queries.tolist() == [query for query, _ in stored['matched_per_layer'][index]]
        suffix = '' if layer is out else f'_{index}'
        for term, value in layer_losses(predictions, targets, queries).items():
            assert value.item() == pytest.approx(
                stored['losses'][f'loss_{term}{suffix}'], rel=1e-5
            ), (term, index)


def test_final_queries(test_data):
    stored = torch.load(test_data / 'golden' / 'r2vos_train.pt', weights_only=True)
    out = stored['out']
    queries = TASK_UTILS.build(MATCHER)(
        QueryPredictions(out['pred_logits'].squeeze(-1), out['pred_boxes'], out['pred_masks']),
        stack_targets(stored['targets'], out['pred_masks'].shape[-2:]),
    )
    assert queries.tolist() == [query for query, _ in stored['matched']]


def stack_targets(items: list[dict[str, Tensor]], size: torch.Size) -> PairTargets:
    """Targets of clips of several sizes, padded at the bottom and right, at stride 4."""
    height, width = (max(item['masks'].shape[axis] for item in items) for axis in (1, 2))
    masks = torch.zeros(len(items), len(items[0]['valid']), height, width, dtype=torch.bool)
    for row, item in zip(masks, items):
        row[:, : item['masks'].shape[1], : item['masks'].shape[2]] = item['masks'].bool()
    return PairTargets(
        boxes=torch.stack([item['boxes'] for item in items]),
        masks=masks,
        valid=torch.stack([item['valid'] for item in items]).bool(),
    ).at_stride(4, size)


def layer_losses(
    predictions: QueryPredictions, targets: PairTargets, queries: Tensor
) -> dict[str, Tensor]:
    losses = {name: MODELS.build(config) for name, config in LOSSES.items()}
    count = targets.valid.sum().float()
    rows = torch.arange(len(queries))
    boxes = predictions.boxes[rows, :, queries]
    masks = predictions.masks[rows, :, queries].flatten(1)
    wanted = targets.masks.flatten(1).float()
    labels = torch.zeros_like(predictions.scores)
    labels[rows, :, queries] = targets.valid.float()
    return dict(
        ce=losses['ce'](
            predictions.scores.flatten()[:, None], labels.flatten()[:, None], avg_factor=count
        ),
        bbox=losses['bbox'](boxes, targets.boxes, avg_factor=count),
        giou=losses['giou'](boxes, targets.boxes, avg_factor=count),
        mask=losses['mask'](
            masks.flatten()[:, None], wanted.flatten()[:, None], avg_factor=count * masks.shape[1]
        ),
        dice=losses['dice'](masks, wanted, avg_factor=count),
    )
