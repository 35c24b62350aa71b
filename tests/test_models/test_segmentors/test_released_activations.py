"""The parts of the model, with the released weights, give the released model's activations.

Outputs, losses and gradients are compared in ``tests/parity``. Where a caption is shorter than the
longest of its batch, the released code pools its padding into its filters, which this package does
not: after the filters, only captions of the full length are compared.
"""

from pathlib import Path

import pytest
import torch
from released_model import released_model
from torch import Tensor, nn

# parts whose outputs are looked at
CALLED = [
    'neck.input_proj.convs.0',
    'neck.input_proj.extra_convs.0',
    'neck.fusion',
    'neck.grounding.dynamic_filter.filter_proj',
    'neck.pyramid.mask_features',
    'mask_head.query_mixer',
]


@pytest.fixture(scope='module')
def model() -> nn.Module:
    torch.set_num_threads(1)
    return released_model()


@pytest.fixture(scope='module', params=['r2vos_eval', 'r2vos_train'])
def case(request: pytest.FixtureRequest, test_data: Path, model: nn.Module) -> dict:
    """What the released model gave, and ours gives, for one batch of clips."""
    stored = torch.load(test_data / f'golden/{request.param}.pt', weights_only=True)
    clips = stored['clips'] if 'clips' in stored else [stored['clip']]
    captions = stored['captions'] if 'captions' in stored else [stored['caption']]
    ours = run(model, torch.stack(clips), captions)
    return dict(ours, acts=stored['acts'], out=stored['out'], full=~ours['text'].padding.any(1))


@torch.no_grad()
def run(model: nn.Module, clips: Tensor, captions: list[str]) -> dict:
    """All that the model computes for one caption per clip; calls of parts by our names."""
    seen: dict[str, Tensor] = {}
    hooks = [
        model.get_submodule(name).register_forward_hook(
            lambda module, args, output, name=name: seen.update({name: output})
        )
        for name in CALLED
    ]
    text = model.text_encoder(captions)
    features = model.extract_clips(clips, [tuple(clips.shape[-2:])] * len(clips))
    grounded = model.neck.ground(features, text, torch.arange(len(clips)))
    cycle = model.cycle_head(grounded.early, grounded.padding, grounded.position, text.sentence)
    layers = model.mask_head(
        grounded.memory,
        model.neck.mask_features(features, grounded).compute(),
        text.sentence,
        cycle.reconstructed,
    )
    for hook in hooks:
        hook.remove()
    return dict(seen=seen, text=text, early=grounded.early, cycle=cycle, layers=layers)


def close(ours: Tensor, released: Tensor) -> None:
    torch.testing.assert_close(ours, released, atol=2e-5, rtol=1e-5)


def test_text(case: dict) -> None:
    words, sentence = case['acts']['resizer']
    seen = ~case['text'].padding
    close(case['text'].words[seen], words[seen])
    close(case['text'].sentence, sentence)


def test_projections(case: dict) -> None:
    close(case['seen']['neck.input_proj.convs.0'], case['acts']['input_proj.0'][0])
    close(case['seen']['neck.input_proj.extra_convs.0'], case['acts']['input_proj.3'][0])


def test_fusion(case: dict) -> None:
    tokens, released = case['seen']['neck.fusion'], case['acts']['fusion_module']
    levels = tokens.split([len(x) // tokens.shape[1] for x in released], dim=2)
    for ours, theirs in zip(levels, released, strict=True):
        close(ours.flatten(1, 2).transpose(0, 1), theirs)


def test_dynamic_filters(case: dict) -> None:
    # (P, K, C) here, repeated over the frames there
    ours = case['seen']['neck.grounding.dynamic_filter.filter_proj']
    released = case['acts']['pixel_decoder.dyn_filter'][0].unflatten(0, (len(ours), -1))
    close(ours[case['full']], released[case['full'], 0])


def test_early_grounding(case: dict) -> None:
    released = case['acts']['pixel_decoder.layer_4'][0].unflatten(0, case['early'].shape[:2])
    close(case['early'][case['full']], released[case['full']])


def test_reconstruction_and_verdict(case: dict) -> None:
    released = case['acts']['pixel_decoder.text_decoder'][0][0]
    close(case['cycle'].reconstructed[case['full']], released[case['full']])
    if 'neg_classifier' in case['acts']:
        close(case['cycle'].misalignment_logit[:, None], case['acts']['neg_classifier'][0])


def test_mask_features(case: dict) -> None:
    ours = case['seen']['neck.pyramid.mask_features'].unflatten(0, case['early'].shape[:2])
    close(ours[case['full']], case['out']['mask_features'][case['full']])


def test_query(case: dict) -> None:
    # (P, C) here, repeated over frames and queries there
    ours = case['seen']['mask_head.query_mixer']
    released = case['acts']['transformer.query_mixer'][0].unflatten(0, (len(ours), -1))
    close(ours[case['full']], released[case['full'], 0, 0])


def test_scores_and_boxes_of_every_layer(case: dict) -> None:
    full, out = case['full'], case['out']
    for ours, released in zip(case['layers'], [*out['aux_outputs'], out], strict=True):
        close(ours.scores[full][..., None], released['pred_logits'][full])
        close(ours.boxes[full], released['pred_boxes'][full])
