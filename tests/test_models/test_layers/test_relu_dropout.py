import pytest
import torch
from torch import nn

from r2vos_mm.models.layers.relu_dropout import ReluDropout


@pytest.mark.parametrize('p', [0.1, 0.5])
def test_it_equals_two_modules_and_their_gradients(p):
    x = torch.linspace(-3, 3, 4000).view(2, 40, 50)[:, :, ::2].requires_grad_()
    slope = torch.arange(2000.0).sin().view_as(x)
    results = []
    for layers in (nn.Sequential(nn.ReLU(), nn.Dropout(p)), ReluDropout(p)):
        torch.manual_seed(1)
        # Layers may change what they get, such as the output of a linear layer, in place.
        output = layers(x * 1)
        results.append((output, *torch.autograd.grad(output, x, slope), torch.rand(1)))
    assert 0.4 * (1 - p) < (results[1][0] > 0).float().mean() < 0.6 * (1 - p)
    for expected, found in zip(*results):
        assert torch.equal(found, expected)


def test_it_keeps_only_its_output():
    x, kept = torch.ones(3, 4, requires_grad=True), []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x) or x, lambda x: x):
        output = ReluDropout(0.1)(x)
    assert [tensor.data_ptr() for tensor in kept] == [output.data_ptr()]


def test_it_drops_nothing_in_evaluation():
    x = torch.linspace(-1, 1, 100)
    assert torch.equal(ReluDropout(0.5).eval()(x.clone()), x.relu())
