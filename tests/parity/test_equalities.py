"""Equalities inside the model: batches and single clips, processes, precisions, compilation.

A clip that is padded in a batch of clips of several sizes equals itself padded alike alone, but not
itself without padding: group norm averages over padded cells, convolutions carry their biases into
them and back over the border, and the backbone's windows see them. That lies in the architecture;
released models behave so too.
"""

from pathlib import Path

import pytest
import torch
from gloo_processes import gloo_process
from mmengine.config import Config
from released_toys import NARROW
from torch import Tensor, distributed, multiprocessing, nn
from torch.nn.parallel import DistributedDataParallel
from toy_models import CONFIGS, build_toy_segmentor, clip, sample

from r2vos_mm.compat.mmcv_ops import sigmoid_focal_loss
from r2vos_mm.utils.kernels import has_compiled_mmcv

SENTENCES = ['a dog', 'the man who is on the left side', 'a small white boat', 'something']
PRESETS = ['r2vos_r50.py', 'r2vos_released.py']
SIZE = (64, 96)


@pytest.fixture(scope='module', params=PRESETS)
def model(request: pytest.FixtureRequest) -> nn.Module:
    torch.set_num_threads(1)
    return narrow_model(request.param)


def narrow_model(preset: str) -> nn.Module:
    """A preset with a narrow backbone and fewer layers, random weights, in eval mode."""
    config = Config.fromfile(Path(CONFIGS, '_base_/models', preset))
    config.merge_from_dict(NARROW)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build_toy_segmentor(config.model)
        model.init_weights()
        for module in model.modules():  # boxes that move, references that matter
            if isinstance(module, nn.Linear) and not module.weight.any():
                nn.init.normal_(module.weight, std=0.02)
    return model.eval()


@torch.no_grad()
def outputs(
    model: nn.Module,
    clips: Tensor,
    sentences: list[str],
    to_clip: list[int],
    *,
    sizes: list[tuple[int, int]] | None = None,
) -> dict[str, Tensor]:
    """Scores, boxes, masks, reconstructions and verdicts of P pairs.

    ``sizes`` are those of the clips before padding, by default as they are.
    """
    features = model.extract_clips(clips, sizes or [tuple(clips.shape[-2:])] * len(clips))
    text = model.text_encoder(sentences)
    grounded = model.neck.ground(features, text, torch.tensor(to_clip))
    cycle = model.cycle_head(grounded.early, grounded.padding, grounded.position, text.sentence)
    queries = model.mask_head(
        grounded.memory,
        model.neck.mask_features(features, grounded).compute(),
        text.sentence,
        cycle.reconstructed,
        last_only=True,
    )[-1]
    return dict(
        scores=queries.scores,
        boxes=queries.boxes,
        masks=queries.masks,
        reconstructed=cycle.reconstructed,
        verdict=cycle.misalignment_logit,
    )


def clips(count: int) -> Tensor:
    return torch.randn(count, 2, 3, *SIZE, generator=torch.Generator().manual_seed(1))


def test_pairs_together_equal_each_alone(model):
    """No word, cell or clip of another pair leaks; sentences of 1 to 8 words are padded."""
    frames, to_clip = clips(2), [0, 1, 1, 0]
    together = outputs(model, frames, SENTENCES, to_clip)
    for row, (sentence, which) in enumerate(zip(SENTENCES, to_clip)):
        alone = outputs(model, frames[[which]], [sentence], [0])
        for name, value in alone.items():
            torch.testing.assert_close(together[name][[row]], value, rtol=1e-4, atol=1e-4)


def test_clips_of_several_sizes_equal_each_padded_alone(model):
    """Nothing of a neighbour leaks: only the size of the batch counts."""
    sizes, to_clip = [SIZE, (40, 64), (64, 50)], [0, 1, 2, 1]
    frames = clips(3)
    for row, (height, width) in enumerate(sizes):
        frames[row, ..., height:, :] = 0
        frames[row, ..., width:] = 0
    together = outputs(model, frames, SENTENCES, to_clip, sizes=sizes)
    for row, (sentence, which) in enumerate(zip(SENTENCES, to_clip)):
        alone = outputs(model, frames[[which]], [sentence], [0], sizes=[sizes[which]])
        for name, value in alone.items():
            torch.testing.assert_close(together[name][[row]], value, rtol=1e-4, atol=1e-4)


def loss_and_gradients(model: nn.Module, rows: slice) -> dict[str, dict[str, Tensor]]:
    """Losses of some of four clips, and the gradients of their sum.

    Clips have other numbers of positive and negative pairs and of frames with an object. The
    relational terms have weight 0: random weights reconstruct nearly one sentence for all pairs,
    whose tiny distances, divided by their mean, are noise. The test of the cycle head has them.
    """
    inner = getattr(model, 'module', model)
    inner.cycle_head.loss_dist.loss_weight = inner.cycle_head.loss_angle.loss_weight = 0.0
    samples = [
        sample(SENTENCES[:3], [False, False, True]),
        sample(SENTENCES[1:], [False, True, True]),
        sample(SENTENCES[2:], [False, False]),
        sample(SENTENCES[3:], [False], present=False),
    ]
    samples[0].gt_pairs.valid[1, 0] = False
    # With these clips no ReLU is so close to its kink that rounding switches it.
    frames = [clip(k, 2, 3, 64, 64) for k in range(20, 24)]
    data = dict(inputs=frames[rows], data_samples=samples[rows])
    losses = model(**inner.data_preprocessor(data, training=True), mode='loss')
    model.zero_grad()
    sum(losses.values()).backward()
    return dict(
        losses={name: value.detach() for name, value in losses.items()},
        gradients={name: p.grad for name, p in inner.named_parameters() if p.grad is not None},
    )


def train_in_process(rank: int, folder: str, preset: str) -> None:
    with gloo_process(rank, folder):
        model = DistributedDataParallel(narrow_model(preset), broadcast_buffers=False)
        # three clips in the first process, one in the second
        results = loss_and_gradients(model, slice(0, 3) if rank == 0 else slice(3, 4))
        torch.save(results, f'{folder}/{rank}.pt')


@pytest.mark.slow
@pytest.mark.skipif(not distributed.is_gloo_available(), reason='PyTorch was built without gloo')
def test_two_processes_equal_one_with_the_same_global_batch(tmp_path):
    """The mean of the processes' losses, and the gradients that DDP gives both, of all parts."""
    preset = 'r2vos_released.py'
    multiprocessing.spawn(train_in_process, args=(str(tmp_path), preset), nprocs=2)
    first, second = (torch.load(tmp_path / f'{rank}.pt', weights_only=True) for rank in range(2))
    torch.set_num_threads(1)
    alone = loss_and_gradients(narrow_model(preset), slice(0, 4))
    for name, value in alone['losses'].items():
        mean = (first['losses'][name] + second['losses'][name]) / 2
        assert torch.allclose(mean, value, rtol=1e-5, atol=1e-5), (name, mean, value)
    assert first['gradients'].keys() == alone['gradients'].keys()
    for name, value in alone['gradients'].items():
        bound = 1e-5 * max(value.abs().max().item(), 1)
        for found in (first['gradients'][name], second['gradients'][name]):
            assert (found - value).abs().max() <= bound, name


def test_bfloat16_stays_near_float32(model):
    """Autocast rounds every product to 8 bits: 3 % of the spread of an output is the bound."""
    exact = outputs(model, clips(1), SENTENCES[:2], [0, 0])
    with torch.autocast('cpu', torch.bfloat16):
        rounded = outputs(model, clips(1), SENTENCES[:2], [0, 0])
    for name, value in exact.items():
        error = (rounded[name].float() - value).square().mean().sqrt()
        assert error <= 0.03 * value.square().mean().sqrt(), name


def test_compiled_parts_equal_eager_ones(model):
    """``torch.compile`` down to the kernels of PyTorch (generating code takes minutes).

    The segmentor itself takes samples and strings; its parts take tensors.
    """
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


@pytest.mark.cuda
@pytest.mark.skipif(
    not (has_compiled_mmcv() and torch.cuda.is_available()),
    reason='needs MMCV with compiled operators and a GPU, the only device they have kernels for',
)
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
        for shape in ((2, 60, 4, 8), (2, 5, 4, 2, 3, 2), (2, 5, 4, 2, 3))
    )
    compiled = MultiScaleDeformableAttnFunction.apply(value, shapes, start, places, weights, 64)
    plain = multi_scale_deformable_attn_pytorch(value, shapes, places, weights)
    compare(compiled, plain, [value, places, weights])
    logits = torch.randn(20, 3, generator=generator).cuda().requires_grad_()
    labels = torch.randint(0, 4, (20,), generator=generator).cuda()
    compare(
        compiled_focal_loss(logits, labels, 2.0, 0.25, None, 'none'),
        sigmoid_focal_loss(logits, labels, 2.0, 0.25, None, 'none'),
        [logits],
    )


def compare(compiled: Tensor, plain: Tensor, inputs: list[Tensor]) -> None:
    """Two results and their gradients."""
    torch.testing.assert_close(compiled, plain, rtol=1e-5, atol=1e-5)
    gradients = (torch.autograd.grad(x.square().sum(), inputs) for x in (compiled, plain))
    for pair in zip(*gradients):
        torch.testing.assert_close(*pair, rtol=1e-4, atol=1e-4)
