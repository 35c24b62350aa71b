"""ResNet with folded batch norms against MMDetection's."""

import pytest
import torch
from torch import nn

from r2vos_mm.registry import MODELS


def backbone(kind: str, **changes: object) -> nn.Module:
    """A narrow ResNet whose norms have learned statistics."""
    torch.manual_seed(0)
    config = dict(depth=50, base_channels=8, stem_channels=8, norm_eval=True, frozen_stages=1)
    model = MODELS.build(dict(type=kind, **(config | changes)))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values in (module.weight.data, module.running_var):
                nn.init.uniform_(values, 0.5, 1.5)
            for values in (module.bias.data, module.running_mean):
                nn.init.normal_(values, std=0.3)
    return model


@pytest.mark.parametrize(
    'changes',
    [{}, dict(depth=18), dict(avg_down=True, deep_stem=True), dict(with_cp=True)],
    ids=str,
)
def test_same_names_values_and_gradients_as_mmdet(changes):
    ours, theirs = (
        backbone('FoldedResNet', **changes),
        backbone('mmdet.ResNet', **(changes | dict(with_cp=False))),
    )
    assert list(ours.state_dict()) == list(theirs.state_dict())
    frames = torch.randn(2, 3, 64, 96)
    results = []
    for model in (ours, theirs):
        model.train()
        maps = model(frames)
        loss = sum((x * torch.linspace(-1, 1, x.numel()).view_as(x)).sum() for x in maps)
        used = [p for p in model.parameters() if p.requires_grad]
        results.append([*maps, *torch.autograd.grad(loss, used)])
        model.eval()
        with torch.no_grad():
            for folded, map_ in zip(model(frames), maps, strict=True):
                torch.testing.assert_close(folded, map_, rtol=1e-4, atol=1e-5)
    for value, expected in zip(*results, strict=True):
        torch.testing.assert_close(
            value, expected, rtol=1e-4, atol=1e-5 * expected.abs().max().item()
        )


def test_both_start_with_the_same_weights():
    """The last norm of each block starts at zero."""
    ours, theirs = (backbone(kind) for kind in ('FoldedResNet', 'mmdet.ResNet'))
    for model in (ours, theirs):
        torch.manual_seed(0)
        model.init_weights()
    assert not theirs.layer1[0].norm3.weight.any()
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=0, atol=0)


def test_batch_norms_in_training_are_not_folded():
    model = backbone('FoldedResNet', norm_eval=False, frozen_stages=-1)
    model.train()
    before = model.bn1.running_mean.clone()
    model(torch.randn(2, 3, 32, 32))
    assert not torch.equal(model.bn1.running_mean, before)


def test_no_batch_norm_runs_in_evaluation(monkeypatch):
    monkeypatch.setattr(nn.BatchNorm2d, 'forward', lambda *_: pytest.fail('a norm was not folded'))
    model = backbone('FoldedResNet')
    model.eval()
    maps = model(torch.randn(1, 3, 32, 32))
    assert [x.shape[1] for x in maps] == [32, 64, 128, 256]
