"""Settings that recompute activations change no gradient and keep less for the backward pass."""

import pytest
import torch
from torch import Tensor, nn
from toy_models import clip, sample, tiny_segmentor

from r2vos_mm.models.layers import deformable_sampling

SETTINGS = {
    'encoder': {'neck__encoder__num_cp': 1},
    'all': {
        'neck__encoder__num_cp': 1,
        'neck__pyramid__with_cp': True,
        'backbone__type': 'FoldedResNet',
        'backbone__with_cp': True,
    },
}


def train_step(**changes: object) -> tuple[dict[str, Tensor], int]:
    """Gradients of one step with dropout, and the bytes kept for the backward pass."""
    model = tiny_segmentor(neck__encoder__layer_cfg__ffn_cfg__ffn_drop=0.1, **changes).train()
    pairs = sample(['a red square', 'a blue circle'], [False, True])
    data = dict(inputs=[clip(0, 2, 3, 64, 64)], data_samples=[pairs])
    inputs = model.data_preprocessor(data, training=True)
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, nn.Parameter):
            storage = tensor.untyped_storage()
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    torch.manual_seed(0)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        losses = model(**inputs, mode='loss')
    sum(losses.values()).backward()
    gradients = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    return gradients, sum(kept.values())


def assert_equal(gradients: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert gradients.keys() == expected.keys()
    for name, value in gradients.items():
        # the gradients of the biases of keys are zero, up to rounding
        bound = 1e-5 * expected[name].abs().max().item() + 1e-6
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=bound, msg=name)


@pytest.fixture(scope='module')
def plain() -> tuple[dict[str, Tensor], int]:
    return train_step()


@pytest.fixture
def plain_samples(monkeypatch) -> tuple[dict[str, Tensor], int]:
    """A step as on other devices or in other types, which sample maps."""
    monkeypatch.setattr(deformable_sampling, '_can_gather', lambda *inputs: False)
    return train_step()


def test_samples_are_recomputed(plain_samples):
    core = {'neck__encoder__layer_cfg__self_attn_cfg__with_cp': True}
    gradients, kept = train_step(**core)
    assert_equal(gradients, plain_samples[0])
    assert kept < 0.98 * plain_samples[1]


@pytest.mark.parametrize(('setting', 'share'), [('encoder', 0.92), ('all', 0.84)])
def test_same_gradients_in_less_memory(setting, share, plain):
    gradients, kept = train_step(**SETTINGS[setting])
    assert_equal(gradients, plain[0])
    assert kept < share * plain[1], kept / plain[1]
