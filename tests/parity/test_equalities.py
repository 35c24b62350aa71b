"""Equalities inside the model: batched pairs and single ones, precisions, compilation.

Sizes are equal within a batch: group norm runs over padded cells, so that a clip padded in a batch
differs slightly from the same clip alone; that lies in the architecture.
"""
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from torch import Tensor, nn
from toy_models import CONFIGS, build_toy_segmentor

from r2vos_mm.compat.mmcv_ops import has_compiled_ops, sigmoid_focal_loss

SENTENCES = ['a dog', 'the man who is on the left side', 'a small white boat', 'something']


@pytest.fixture(scope='module', params=['r2vos_r50.py', 'r2vos_released.py'])
def model(request: pytest.FixtureRequest) -> nn.Module:
    """Both presets with a narrow backbone and fewer layers, random weights."""
    torch.set_num_threads(1)
    config = Config.fromfile(Path(CONFIGS, '_base_/models', request.param))
    config.merge_from_dict({
        'model.backbone.depth': 18, 'model.backbone.base_channels': 4,
        'model.backbone.init_cfg': None, 'model.neck.in_channels': [4, 8, 16, 32],
        'model.neck.input_proj.in_channels': [8, 16, 32], 'model.neck.encoder.num_layers': 1,
        'model.mask_head.decoder.num_layers': 2})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build_toy_segmentor(config.model)
        model.init_weights()
        for module in model.modules():  # boxes that move, references that matter
            if isinstance(module, nn.Linear) and not module.weight.any():
                nn.init.normal_(module.weight, std=0.02)
    return model.eval()


@torch.no_grad()
def outputs(model: nn.Module, clips: Tensor, sentences: list[str],
            to_clip: list[int]) -> dict[str, Tensor]:
    """Scores, boxes, masks, reconstructions and verdicts of P pairs."""
    features = model.extract_clips(clips, [tuple(clips.shape[-2:])] * len(clips))
    text = model.text_encoder(sentences)
    grounded = model.neck.ground(features, text, torch.tensor(to_clip))
    cycle = model.cycle_head(grounded.early, grounded.padding, grounded.position, text.sentence)
    slots = model.mask_head.last_layer(
        grounded.memory, model.neck.mask_features(features, grounded), text.sentence,
        cycle.reconstructed)
    return dict(scores=slots.scores, boxes=slots.boxes, masks=slots.masks,
                reconstructed=cycle.reconstructed, verdict=cycle.misalignment_logit)


def clips(count: int) -> Tensor:
    return torch.randn(count, 2, 3, 64, 96, generator=torch.Generator().manual_seed(1))


def test_pairs_together_equal_each_alone(model):
    """No word, cell or clip of another pair leaks; sentences of 1 to 8 words are padded."""
    frames, to_clip = clips(2), [0, 1, 1, 0]
    together = outputs(model, frames, SENTENCES, to_clip)
    for row, (sentence, clip) in enumerate(zip(SENTENCES, to_clip)):
        alone = outputs(model, frames[[clip]], [sentence], [0])
        for name, value in alone.items():
            torch.testing.assert_close(together[name][[row]], value, rtol=1e-4, atol=1e-4)


def test_bfloat16_stays_near_float32(model):
    """Autocast rounds every product to 8 bits: 3 % of the spread of an output is the bound."""
    exact = outputs(model, clips(1), SENTENCES[:2], [0, 0])
    with torch.autocast('cpu', torch.bfloat16):
        rounded = outputs(model, clips(1), SENTENCES[:2], [0, 0])
    for name, value in exact.items():
        error = (rounded[name].float() - value).square().mean().sqrt()
        assert error <= 0.03 * value.square().mean().sqrt(), name


def test_compiled_parts_equal_eager_ones(model):
    """``torch.compile`` down to the kernels of PyTorch (generating code takes minutes)."""
    frames = clips(1)
    eager = outputs(model, frames, SENTENCES[:1], [0])
    parts = [model.mask_head.mask_predictor, model.neck.pyramid]
    for part in parts:
        part.compile(backend='aot_eager')
    try:
        compiled = outputs(model, frames, SENTENCES[:1], [0])
    finally:
        for part in parts:
            part._compiled_call_impl = None
    for name, value in eager.items():
        torch.testing.assert_close(compiled[name], value, rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(
    not (has_compiled_ops() and torch.cuda.is_available()),
    reason='needs MMCV with compiled operators and a GPU, the only device they have kernels for')
def test_compiled_operators_equal_pytorch_path():
    """Deformable attention and focal loss: values and gradients."""
    from mmcv.ops.focal_loss import sigmoid_focal_loss as compiled_focal_loss
    from mmcv.ops.multi_scale_deform_attn import (
        MultiScaleDeformableAttnFunction,
        multi_scale_deformable_attn_pytorch,
    )
    generator = torch.Generator().manual_seed(0)
    shapes = torch.tensor([[6, 8], [3, 4]]).cuda()
    start = torch.tensor([0, 48]).cuda()
    value, places, weights = (
        torch.rand(*shape, generator=generator).cuda().requires_grad_()
        for shape in ((2, 60, 4, 8), (2, 5, 4, 2, 3, 2), (2, 5, 4, 2, 3)))
    compiled = MultiScaleDeformableAttnFunction.apply(value, shapes, start, places, weights, 64)
    plain = multi_scale_deformable_attn_pytorch(value, shapes, places, weights)
    compare(compiled, plain, [value, places, weights])
    logits = torch.randn(20, 3, generator=generator).cuda().requires_grad_()
    labels = torch.randint(0, 4, (20,), generator=generator).cuda()
    compare(compiled_focal_loss(logits, labels, 2.0, 0.25, None, 'none'),
            sigmoid_focal_loss(logits, labels, 2.0, 0.25, None, 'none'), [logits])


def compare(compiled: Tensor, plain: Tensor, inputs: list[Tensor]) -> None:
    """Two results and their gradients."""
    torch.testing.assert_close(compiled, plain, rtol=1e-5, atol=1e-5)
    gradients = (torch.autograd.grad(x.square().sum(), inputs) for x in (compiled, plain))
    for pair in zip(*gradients):
        torch.testing.assert_close(*pair, rtol=1e-4, atol=1e-4)
