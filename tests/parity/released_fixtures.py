"""Compare the released R2-VOS with that of this package with converted weights.

A fixture is a dict as the reference data has it; its reading of batches follows the released code:
one caption per clip, padded together.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from comparisons import Report
from released_model import released_model
from torch import Tensor, nn

from r2vos_mm.converters import R2VOS, Conversion
from r2vos_mm.structures import CycleOutput, PairTargets, QueryPredictions

OUTPUT, MASKS, LOSS, DISTANCE, GRADIENT = 1e-5, 1e-3, 1e-4, 1e-3, 5e-3
# Terms of the mask head, released: ours.
TERMS = dict(ce='cls', bbox='bbox', giou='giou', mask='mask', dice='dice')


@dataclass
class Pass:
    """What the model computes for P pairs: e, e' and verdicts; decoder layers first to last."""

    sentence: Tensor
    cycle: CycleOutput
    mask_features: Tensor
    layers: list[QueryPredictions]

    def rows(self, rows: list[int]) -> Pass:
        """The same for some of the pairs."""
        index = torch.tensor(rows)
        return Pass(
            self.sentence[rows],
            self.cycle.select(index),
            self.mask_features[rows],
            [layer.select(index) for layer in self.layers],
        )


def run(
    model: nn.Module,
    clips: list[Tensor],
    captions: list[str],
    to_clip: list[int],
    *,
    size: tuple[int, int],
    first_padding: bool = False,
) -> Pass:
    """One pass over B clips, padded to ``size``, and P captions.

    ``first_padding`` masks all clips by the padding of the first where the sentence is
    reconstructed, as the released code does with clips of several sizes.
    """
    inputs = pad_clips(clips, size)
    text = model.text_encoder(captions)
    features = model.extract_clips(inputs, [tuple(x.shape[-2:]) for x in clips])
    grounded = model.neck.ground(features, text, torch.tensor(to_clip))
    padding = grounded.padding
    if first_padding and padding is not None:
        padding = padding[:1].expand_as(padding)
    cycle = model.cycle_head(grounded.early, padding, grounded.position, text.sentence)
    mask_features = model.neck.mask_features(features, grounded).compute()
    layers = model.mask_head(grounded.memory, mask_features, text.sentence, cycle.reconstructed)
    return Pass(text.sentence, cycle, mask_features, layers)


def pad_clips(clips: list[Tensor], size: tuple[int, int]) -> Tensor:
    """Stack clips, padded at the bottom and right to ``size``."""
    height, width = size
    return torch.stack(
        [nn.functional.pad(x, (0, width - x.shape[-1], 0, height - x.shape[-2])) for x in clips]
    )


def padded_sizes(clips: list[Tensor], masks: Tensor) -> list[tuple[int, int]]:
    """Sizes to which a fixture's clips may have been padded, given its masks of stride 4.

    Training pads to multiples of 32, testing not at all. Where both give masks of one size (62 x 94
    pixels, for one), the fixture does not tell, and its outputs have to.
    """
    largest = tuple(max(x.shape[axis] for x in clips) for axis in (-2, -1))
    padded = tuple(32 * math.ceil(side / 32) for side in largest)
    fitting = [
        size
        for size in dict.fromkeys((padded, largest))
        if tuple(math.ceil(side / 4) for side in size) == tuple(masks.shape[-2:])
    ]
    return fitting or [tuple(4 * side for side in masks.shape[-2:])]


def run_padded(
    model: nn.Module, clips: list[Tensor], captions: list[str], to_clip: list[int], out: dict
) -> Pass:
    """The pass whose padding explains the scores in ``out``, the first caption's at least."""
    passes = [
        run(model, clips, captions, to_clip, size=size, first_padding=True)
        for size in padded_sizes(clips, out['pred_masks'])
    ]
    expected = out['pred_logits'][0, ..., 0]
    return min(
        passes, key=lambda x: (x.layers[-1].scores[0] - expected).detach().abs().max().item()
    )


def compare_layers(report: Report, layers: list[QueryPredictions], out: dict) -> None:
    """Outputs of all decoder layers; an extract has no masks of the earlier ones."""
    for index, (ours, theirs) in enumerate(zip(layers, [*out['aux_outputs'], out], strict=True)):
        layer = f'layer {index}'
        report.maps(
            f'{layer} logits', ours.scores[..., None], theirs['pred_logits'], tolerance=OUTPUT
        )
        report.maps(f'{layer} boxes', ours.boxes, theirs['pred_boxes'], tolerance=OUTPUT)
        if 'pred_masks' in theirs:
            report.maps(f'{layer} mask logits', ours.masks, theirs['pred_masks'], tolerance=MASKS)
    if 'reference_points' in out:  # those that the last layer started from
        report.maps(
            'reference points', layers[-2].boxes[..., :2], out['reference_points'], tolerance=OUTPUT
        )


def compare_outputs(report: Report, found: Pass, out: dict) -> None:
    """Outputs of positive pairs against those of a released forward pass."""
    compare_layers(report, found.layers, out)
    if 'mask_features' in out:
        report.maps(
            'mask features', found.mask_features, out['mask_features'], tolerance=5 * OUTPUT
        )
    report.maps('sentence e', found.sentence, out['sentence_feature'], tolerance=OUTPUT)
    report.maps(
        "reconstruction e'",
        found.cycle.reconstructed,
        out['pseudo_sentence_feature'][0],
        tolerance=OUTPUT,
    )


def check_eval(fixture: dict, name: str) -> Report:
    """One clip, one caption, outputs and verdict."""
    report, model = Report(name), released_model()
    with torch.no_grad():
        found = run(
            model,
            [fixture['clip']],
            [fixture['caption']],
            [0],
            size=tuple(fixture['clip'].shape[-2:]),
        )
    compare_outputs(report, found, fixture['out'])
    report.maps(
        'verdict (misalignment)',
        found.cycle.misalignment_logit.sigmoid()[:, None],
        fixture['out']['pair_logits'],
        tolerance=OUTPUT,
    )
    return report


def check_train(fixture: dict, name: str) -> Report:
    """Several clips with a caption each: outputs, queries, losses and gradients."""
    report, model = Report(name), released_model(batch_padding=True)
    out, clips = fixture['out'], fixture['clips']
    found = run_padded(model, clips, fixture['captions'], list(range(len(clips))), out)
    compare_outputs(report, found, out)
    targets = stack_targets(fixture['targets'])
    report.equal(
        'matched queries',
        matched_queries(model, found.layers[-1], targets),
        [query for query, _ in fixture['matched']],
    )
    losses = mask_losses(model, found.layers, targets)
    cycle = model.cycle_head.loss(
        found.cycle, found.sentence, torch.zeros(len(clips), dtype=torch.bool), fixture['captions']
    )
    losses |= {key: cycle[key] for key in ('loss_cycle_dist', 'loss_cycle_angle')}
    compare_losses(report, losses, found, fixture)
    compare_gradients(report, model, sum(losses.values()), fixture['grad_norms'])
    return report


def check_negatives(fixtures: list[dict], names: list[str]) -> Report:
    """Processes with one clip each, together: all clips in one pass, two pairs each.

    Rank r's negative caption is the positive one of rank r + 1. Its losses are those of its own
    pairs; the relational ones are over all ranks' positives, of which it differentiates its own.
    """
    report, model = Report(', '.join(names)), released_model()
    passes = run_ranks(model, fixtures)
    valid = [int(fixture['targets'][0]['valid'].sum()) for fixture in fixtures]
    normalizer = max(sum(valid) / len(valid), 1)
    for rank, (fixture, found) in enumerate(zip(fixtures, passes, strict=True)):
        own, positive = Report(f'rank {rank}'), found.rows([0])
        compare_outputs(own, positive, fixture['out'])
        compare_negative(own, found, fixture['out'])
        losses = mask_losses(model, positive.layers, stack_targets(fixture['targets']))
        # a process alone divides by its own number of frames, ranks by the mean of all
        losses = {key: value * max(valid[rank], 1) / normalizer for key, value in losses.items()}
        losses |= cycle_losses_of(model, passes, [x['caption'] for x in fixtures], rank)
        compare_losses(own, losses, positive, fixture)
        compare_gradients(own, model, sum(losses.values()), fixture['grad_norms'])
        report.rows += [replace(row, name=f'{own.fixture} {row.name}') for row in own.rows]
    return report


def run_ranks(model: nn.Module, fixtures: list[dict]) -> list[Pass]:
    """Each rank's positive and negative pair; clips of one size go through the model together."""
    passes: list[Pass | None] = [None] * len(fixtures)
    by_size: dict[tuple[int, ...], list[int]] = {}
    for rank, fixture in enumerate(fixtures):
        by_size.setdefault(tuple(fixture['clip'].shape), []).append(rank)
    for ranks in by_size.values():
        clips = [fixtures[rank]['clip'] for rank in ranks]
        captions = [
            fixtures[r]['caption'] for rank in ranks for r in (rank, (rank + 1) % len(fixtures))
        ]
        to_clip = [row for row in range(len(ranks)) for _ in range(2)]
        together = run_padded(model, clips, captions, to_clip, fixtures[ranks[0]]['out'])
        for row, rank in enumerate(ranks):
            passes[rank] = together.rows([2 * row, 2 * row + 1])
    return passes


def compare_negative(report: Report, found: Pass, out: dict) -> None:
    """The negative pair of a rank and both its verdicts."""
    report.maps('negative e', found.sentence[[1]], out['neg_sentence_feature'], tolerance=OUTPUT)
    report.maps(
        "negative e'",
        found.cycle.reconstructed[[1]],
        out['neg_pseudo_sentence_feature'][0],
        tolerance=OUTPUT,
    )
    report.maps(
        'verdict logits',
        found.cycle.misalignment_logit[:, None],
        out['pair_logits'],
        tolerance=OUTPUT,
    )


def cycle_losses_of(
    model: nn.Module, passes: list[Pass], captions: list[str], rank: int
) -> dict[str, Tensor]:
    """Cycle losses of one rank: others' rows are detached, the verdict is of its own pairs."""
    head, own = model.cycle_head, passes[rank]
    rows = [found.cycle.reconstructed[0] for found in passes]
    rows = [row if r == rank else row.detach() for r, row in enumerate(rows)]
    gathered = CycleOutput(
        torch.stack(rows), torch.stack([found.cycle.misalignment_logit[0] for found in passes])
    )
    relational = head.loss(
        gathered,
        torch.stack([found.sentence[0] for found in passes]),
        torch.zeros(len(passes), dtype=torch.bool),
        captions,
    )
    pairs = head.loss(
        own.cycle,
        own.sentence,
        torch.tensor([False, True]),
        [captions[rank], captions[(rank + 1) % len(captions)]],
    )
    return dict(
        loss_cycle_dist=relational['loss_cycle_dist'],
        loss_cycle_angle=relational['loss_cycle_angle'],
        loss_cycle_cls=pairs['loss_align'],
        loss_cycle_contrastive=pairs['loss_cycle_contrastive'],
    )


def stack_targets(targets: list[dict[str, Tensor]]) -> PairTargets:
    """Targets of one object per clip, masks padded to the largest."""
    height, width = (max(x['masks'].shape[axis] for x in targets) for axis in (1, 2))
    return PairTargets(
        boxes=torch.stack([x['boxes'] for x in targets]),
        masks=torch.stack(
            [
                nn.functional.pad(
                    x['masks'].bool(),
                    (0, width - x['masks'].shape[2], 0, height - x['masks'].shape[1]),
                )
                for x in targets
            ]
        ),
        valid=torch.stack([x['valid'].bool() for x in targets]),
    )


def matched_queries(model: nn.Module, layer: QueryPredictions, targets: PairTargets) -> list[int]:
    """The query of each clip in one layer."""
    targets = targets.at_stride(model.mask_head.mask_stride, layer.masks.shape[-2:])
    return model.mask_head.matcher(layer, targets).tolist()


def mask_losses(
    model: nn.Module, layers: list[QueryPredictions], targets: PairTargets
) -> dict[str, Tensor]:
    """Weighted losses of the mask head under their released names."""
    losses = model.mask_head.loss(layers, targets)
    return {
        f'loss_{theirs}{suffix}': losses[f'{prefix}loss_{ours}']
        for prefix, suffix in (('', ''), *((f'd{k}.', f'_{k}') for k in range(len(layers) - 1)))
        for theirs, ours in TERMS.items()
    }


def compare_losses(report: Report, losses: dict[str, Tensor], found: Pass, fixture: dict) -> None:
    """Weighted losses and their sum; what has no weight there is compared without one."""
    weights = fixture['weights']
    expected = {
        key: value * weights[key]
        for key, value in fixture['losses'].items()
        if key != 'loss_cycle_mse'
    }
    ours = {key: value.item() for key, value in losses.items()}
    for key, tolerance in (('loss_cycle_dist', DISTANCE), ('loss_cycle_angle', LOSS)):
        report.numbers(key, {key: ours.pop(key)}, {key: expected.pop(key)}, tolerance=tolerance)
    report.numbers('other losses', ours, expected, tolerance=LOSS)
    mse = (found.cycle.reconstructed - found.sentence).norm(dim=-1).mean()
    key = 'loss_cycle_mse'
    report.numbers(
        "mean |e' - e|", {key: mse.item()}, {key: fixture['losses'][key]}, tolerance=LOSS
    )
    report.numbers(
        'total loss',
        dict(total=sum(losses.values()).item()),
        dict(total=fixture['total']),
        tolerance=LOSS,
    )


def compare_gradients(
    report: Report,
    model: nn.Module,
    total: Tensor,
    expected: dict[str, float],
    *,
    restore: Callable[[dict[str, Tensor]], Conversion] = R2VOS.to_released,
) -> None:
    """Norms of all gradients under released names, of the same set of parameters."""
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    gradients = torch.autograd.grad(
        total, list(trained.values()), retain_graph=True, allow_unused=True
    )
    used = {name: gradient for name, gradient in zip(trained, gradients) if gradient is not None}
    norms = {name: value.norm().item() for name, value in restore(used).weights.items()}
    # parts that no compared loss reaches, and the box heads' second names
    norms = {
        name: norm
        for name, norm in norms.items()
        if name in expected or (norm and not name.startswith('transformer.decoder.bbox_'))
    }
    report.numbers('gradient norms', norms, expected, tolerance=GRADIENT)
