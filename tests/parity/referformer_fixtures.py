"""Compare the released ReferFormer with that of this package with converted weights.

A fixture is a dict as the reference data has it: one caption per clip, padded together.
"""

from __future__ import annotations

import torch
from chosen_queries import choose_queries
from comparisons import Report
from referformer_model import referformer_model
from released_fixtures import (
    LOSS,
    compare_gradients,
    compare_layers,
    mask_losses,
    matched_queries,
    pad_clips,
    padded_sizes,
    stack_targets,
)
from torch import Tensor, nn

from r2vos_mm.converters import REFERFORMER
from r2vos_mm.structures import QueryPredictions

# Pixels of the final masks that noise of the logits may turn.
_TURNED = 1e-3


def check_eval(fixture: dict, name: str) -> Report:
    """One clip, one caption: outputs, the chosen query and its masks at the size of the files."""
    report, model = Report(name), referformer_model(_backbone(fixture))
    clip = fixture['clip']
    with torch.no_grad():
        layers = run(model, [clip], [fixture['caption']], size=tuple(clip.shape[-2:]))
    compare_layers(report, layers, fixture['out'])
    if 'slot' in fixture:
        chosen = layers[-1].scores.sigmoid().mean(1).argmax(-1)
        report.equal('chosen query', chosen.tolist(), [fixture['slot']])
    if 'ytvos_masks' in fixture:
        pairs = choose_queries(
            layers[-1],
            torch.full((1,), float('-inf')),
            tuple(fixture['orig_size']),
            config=model.test_cfg,
        )
        turned = (pairs.masks[0] != fixture['ytvos_masks'].bool()).float().mean()
        report.maps('share of turned pixels', turned, torch.zeros(()), tolerance=_TURNED)
    return report


def check_train(fixture: dict, name: str) -> Report:
    """Several clips with a caption each: outputs, queries of every layer, losses and gradients."""
    norms = fixture['grad_norms']
    trains_text = any(key.startswith('text_encoder.') for key in norms)
    report, model = Report(name), referformer_model(_backbone(fixture), trains_text=trains_text)
    out, clips = fixture['out'], fixture['clips']
    annotated = [
        target['valid_indices'].flatten()
        for target in fixture['targets']
        if 'valid_indices' in target
    ]  # the frames that go on from the backbone
    layers = run_padded(
        model,
        clips,
        fixture['captions'],
        out,
        annotated=torch.stack(annotated) if annotated else None,
    )
    compare_layers(report, layers, out)
    targets = stack_targets(fixture['targets'])
    expected = fixture.get('matched_per_layer', [])[:-1]
    for index, matched in [*enumerate(expected), (len(layers) - 1, fixture['matched'])]:
        report.equal(
            f'layer {index} matched queries',
            matched_queries(model, layers[index], targets),
            [query for query, _ in matched],
        )
    losses = mask_losses(model, layers, targets)
    compare_losses(report, losses, fixture)
    compare_gradients(report, model, sum(losses.values()), norms, restore=REFERFORMER.to_released)
    return report


def run(
    model: nn.Module,
    clips: list[Tensor],
    captions: list[str],
    *,
    size: tuple[int, int],
    annotated: Tensor | None = None,
) -> list[QueryPredictions]:
    """Every decoder layer of B clips, padded to ``size``, with a caption each."""
    inputs = pad_clips(clips, size)
    text = model.text_encoder(captions)
    features = model.extract_clips(
        inputs, [tuple(x.shape[-2:]) for x in clips], annotated=annotated
    )
    grounded = model.neck.ground(features, text, torch.arange(len(clips)))
    mask_features = model.neck.mask_features(features, grounded).compute()
    return model.mask_head(grounded.memory, mask_features, text.sentence)


def run_padded(
    model: nn.Module,
    clips: list[Tensor],
    captions: list[str],
    out: dict,
    *,
    annotated: Tensor | None = None,
) -> list[QueryPredictions]:
    """The pass whose padding explains the scores in ``out``."""
    passes = [
        run(model, clips, captions, size=size, annotated=annotated)
        for size in padded_sizes(clips, out['pred_masks'])
    ]
    expected = out['pred_logits'][..., 0]
    return min(passes, key=lambda x: (x[-1].scores - expected).detach().abs().max().item())


def compare_losses(report: Report, losses: dict[str, Tensor], fixture: dict) -> None:
    """Weighted losses and their sum."""
    weights = fixture['weights']
    report.numbers(
        'losses',
        {key: value.item() for key, value in losses.items()},
        {key: value * weights[key] for key, value in fixture['losses'].items()},
        tolerance=LOSS,
    )
    report.numbers(
        'total loss',
        dict(total=sum(losses.values()).item()),
        dict(total=fixture['total']),
        tolerance=LOSS,
    )


def _backbone(fixture: dict) -> str:
    """Name of the fixture's backbone; the released default where it names none."""
    flags = list(fixture.get('flags', ()))
    named = flags[flags.index('--backbone') + 1] if '--backbone' in flags else 'resnet50'
    return fixture.get('backbone', named)
