"""Settings that recompute activations change no gradient and keep less for the backward pass."""

import pytest
import torch
from torch import Tensor, nn
from toy_models import clip, sample, tiny_segmentor

SETTINGS = {
    'core': {'neck__encoder__layer_cfg__self_attn_cfg__with_cp': True},
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


@pytest.fixture(scope='module')
def plain() -> tuple[dict[str, Tensor], int]:
    return train_step()


@pytest.mark.parametrize(('setting', 'share'), [('core', 0.98), ('encoder', 0.87), ('all', 0.8)])
def test_same_gradients_in_less_memory(setting, share, plain):
    gradients, kept = train_step(**SETTINGS[setting])
    assert gradients.keys() == plain[0].keys()
    for name, value in gradients.items():
        # the gradients of the biases of keys are zero, up to rounding
        bound = 1e-5 * plain[0][name].abs().max().item() + 1e-6
        torch.testing.assert_close(value, plain[0][name], rtol=1e-4, atol=bound, msg=name)
    assert kept < share * plain[1], kept / plain[1]
