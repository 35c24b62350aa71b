"""Compare the released MTTR with that of this package with converted weights.

A fixture is a dict as the reference data has it: one caption per clip, clips padded to the largest,
tensors with the frames first.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from chosen_queries import choose_queries
from comparisons import Report
from mttr_extracts import mask_sample
from mttr_model import mttr_model
from released_fixtures import LOSS, MASKS, OUTPUT, compare_gradients
from torch import Tensor, nn

from r2vos_mm.converters import MTTR
from r2vos_mm.structures import InstanceTargets, PairTargets, QueryPredictions

# Terms of the losses, released: ours.
TERMS = dict(is_referred='referred', sigmoid_focal='mask', dice='dice')
# Share of the final masks' pixels that noise of the logits may turn.
TURNED = 1e-3


@dataclass
class Pass:
    """Decoder layers of P pairs, first to last; ``logits`` (P, T, N, 2) belong to ``layers``."""

    layers: list[QueryPredictions]
    logits: list[Tensor]


def check_eval(fixture: dict, name: str) -> Report:
    """One clip, one caption: outputs, the chosen query and its masks at the size of the files."""
    report, model = Report(name), mttr_model()
    with torch.no_grad():
        found = run(model, [fixture['clip']], [fixture['caption']], fixture.get('valid_indices'))
    compare_outputs(report, found, fixture['out'])
    if 'slot' in fixture:
        chosen = found.layers[-1].scores.sigmoid().mean(1).argmax(-1)
        report.equal('chosen query', chosen.tolist(), [fixture['slot']])
    if 'post_masks' in fixture:
        compare_masks(report, model, found.layers[-1], fixture)
    return report


def check_train(fixture: dict, name: str) -> Report:
    """Several clips with a caption each: outputs, queries of every layer, losses and gradients."""
    report, model = Report(name), mttr_model()
    found = run(model, fixture['clips'], fixture['captions'], fixture.get('valid_indices'))
    compare_outputs(report, found, fixture['out'])
    targets = stack_targets(fixture['targets'])
    compare_matches(report, model, found, targets, fixture)
    losses = model.mask_head.loss(found.layers, targets)
    losses = {
        f'loss_{theirs}{suffix}': losses[f'{prefix}loss_{ours}']
        for prefix, suffix in layer_names(len(found.layers))
        for theirs, ours in TERMS.items()
    }
    expected = {key: value * fixture['weights'][key] for key, value in fixture['losses'].items()}
    report.numbers(
        'losses', {key: value.item() for key, value in losses.items()}, expected, tolerance=LOSS
    )
    total = sum(losses.values())
    report.numbers(
        'total loss', dict(total=total.item()), dict(total=fixture['total']), tolerance=LOSS
    )
    # All queries start at zero, so the first self-attention gives the same whatever its queries and
    # keys: their gradient is rounding noise of the whole one, against which it is measured.
    whole = sum(norm**2 for norm in fixture['grad_norms'].values()) ** 0.5
    shares = {name: norm / whole for name, norm in fixture['grad_norms'].items()}
    compare_gradients(report, model, total / whole, shares, restore=MTTR.to_released)
    return report


def run(
    model: nn.Module, clips: list[Tensor], captions: list[str], annotated: Tensor | None
) -> Pass:
    """Every decoder layer of B clips, padded to the largest, with a caption each."""
    height, width = (max(x.shape[axis] for x in clips) for axis in (-2, -1))
    inputs = torch.stack(
        [nn.functional.pad(x, (0, width - x.shape[-1], 0, height - x.shape[-2])) for x in clips]
    )
    if annotated is not None:
        annotated = annotated[None].expand(len(clips), -1)
    features = model.extract_clips(
        inputs, [tuple(x.shape[-2:]) for x in clips], annotated=annotated
    )
    grounded = model.neck.ground(features, model.text_encoder(captions), torch.arange(len(clips)))
    mask_features = model.neck.mask_features(features, grounded)
    logits = []
    handle = model.mask_head.referred_branch.register_forward_hook(
        lambda module, inputs, output: logits.append(output)
    )
    layers = model.mask_head(grounded.memory, mask_features, None)
    handle.remove()
    return Pass(layers, logits)


def compare_outputs(report: Report, found: Pass, out: dict) -> None:
    """Outputs of all decoder layers; an extract has a sample of the last one's masks."""
    layers = [*out['aux_outputs'], out]
    for index, (ours, logits, theirs) in enumerate(
        zip(found.layers, found.logits, layers, strict=True)
    ):
        report.maps(
            f'layer {index} logits',
            logits,
            theirs['pred_is_referred'].transpose(0, 1),
            tolerance=OUTPUT,
        )
        if 'pred_masks' in theirs:
            report.maps(
                f'layer {index} mask logits',
                ours.masks,
                theirs['pred_masks'].transpose(0, 1),
                tolerance=MASKS,
            )
        if 'mask_sample' in theirs:
            report.maps(
                f'layer {index} mask logits',
                mask_sample(ours.masks),
                theirs['mask_sample'],
                tolerance=MASKS,
            )


def compare_masks(report: Report, model: nn.Module, layer: QueryPredictions, fixture: dict) -> None:
    """Masks of the chosen query at the size of the files."""
    pairs = choose_queries(
        layer,
        torch.full((1,), float('-inf')),
        tuple(fixture['orig_size']),
        config=model.test_cfg,
        input_size=tuple(fixture['clip'].shape[-2:]),
    )
    expected = fixture['post_masks'].bool().view_as(pairs.masks[0])
    turned = (pairs.masks[0] != expected).float().mean()
    report.maps('share of turned pixels', turned, torch.zeros(()), tolerance=TURNED)


def compare_matches(
    report: Report, model: nn.Module, found: Pass, targets: PairTargets, fixture: dict
) -> None:
    """Queries and their instances, layer by layer; clips in a row."""
    for index, (layer, expected) in enumerate(
        zip(found.layers, fixture['matched_per_layer'], strict=True)
    ):
        matches = model.mask_head.matcher(layer, targets.instances)
        report.equal(
            f'layer {index} matched queries',
            [
                row
                for match in matches
                for part in (match.queries, match.instances)
                for row in part.tolist()
            ],
            [row for clip in expected for part in clip for row in part],
        )


def layer_names(count: int) -> list[tuple[str, str]]:
    """Prefixes of losses here and suffixes there; the last layer has none."""
    return [('', ''), *((f'd{layer}.', f'_{layer}') for layer in range(count - 1))]


def stack_targets(targets: list[tuple[dict[str, Tensor], ...]]) -> PairTargets:
    """Targets by frame and clip as instances of clips, masks padded to the largest."""
    height, width = (
        max(x['masks'].shape[axis] for frame in targets for x in frame) for axis in (1, 2)
    )
    instances = []
    for frames in zip(*targets, strict=True):
        masks = torch.stack([x['masks'].bool() for x in frames], dim=1)
        masks = nn.functional.pad(masks, (0, width - masks.shape[-1], 0, height - masks.shape[-2]))
        valid = masks.flatten(2).any(-1)
        referred = torch.arange(len(masks)) == int(frames[0]['referred_instance_idx'])
        # by default the referred instance counts as visible
        valid[referred] = torch.stack(
            [x.get('is_ref_inst_visible', torch.tensor(True)) for x in frames]
        )
        instances.append(InstanceTargets(masks, valid, referred))
    return PairTargets(
        boxes=torch.zeros(len(instances), len(targets), 4),
        masks=torch.cat([x.masks[x.referred] for x in instances]),
        valid=torch.cat([x.valid[x.referred] for x in instances]),
        instances=instances,
    )
