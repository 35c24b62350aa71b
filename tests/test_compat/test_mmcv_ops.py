"""The stand-in for MMCV's compiled operators."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import r2vos_mm
from r2vos_mm.compat import import_hooks, mmcv_ops
from r2vos_mm.compat.mmcv_ops import MissingOp, MissingOpError, PlaceholderExtension
from r2vos_mm.utils.kernels import has_compiled_mmcv

needs_lite = pytest.mark.skipif(has_compiled_mmcv(), reason='MMCV has compiled operators')


def test_missing_op_names_itself_and_the_remedy() -> None:
    with pytest.raises(MissingOpError, match=r"'nms'.*pip install .*mmcv==2.1.0"):
        PlaceholderExtension('mmcv._ext').nms(1, threshold=0.5)


def test_placeholder_has_no_dunder_names() -> None:
    assert not hasattr(PlaceholderExtension('mmcv._ext'), '__wrapped__')
    assert isinstance(PlaceholderExtension('mmcv._ext').roi_align_forward, MissingOp)


@needs_lite
def test_operator_raises_when_called() -> None:
    from mmcv.ops import nms

    boxes = torch.tensor([[0.0, 0.0, 1.0, 1.0]])
    with pytest.raises(MissingOpError, match='nms'):
        nms(boxes, torch.ones(1), 0.5)


@needs_lite
def test_environment_report_works() -> None:
    from mmcv.utils import collect_env

    assert collect_env()['MMCV Compiler'] == 'n/a'


@needs_lite
def test_deformable_attention_takes_pytorch_path_on_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """The switch that MMCV asks, beside the tensor's device, is off."""
    from mmcv.ops import multi_scale_deform_attn

    assert multi_scale_deform_attn.IS_CUDA_AVAILABLE is False


@needs_lite
def test_deformable_attention_runs_backward() -> None:
    from mmcv.ops import MultiScaleDeformableAttention

    torch.manual_seed(0)
    attention = MultiScaleDeformableAttention(8, num_heads=2, num_levels=1, num_points=2)
    query = torch.randn(4, 1, 8, requires_grad=True)
    output = attention(
        query,
        value=query,
        reference_points=torch.rand(1, 4, 1, 2),
        spatial_shapes=torch.tensor([[2, 2]]),
        level_start_index=torch.tensor([0]),
    )
    output.sum().backward()
    assert output.shape == (4, 1, 8)
    assert query.grad.abs().sum() > 0


@pytest.mark.parametrize(('gamma', 'alpha'), [(2.0, 0.25), (0.0, 0.5)])
def test_focal_loss_equals_that_of_mmdet(gamma: float, alpha: float) -> None:
    from mmdet.models.losses.focal_loss import py_sigmoid_focal_loss

    torch.manual_seed(0)
    logits, target = torch.randn(6, 3), torch.tensor([0, 1, 2, 3, 3, 0])
    one_hot = nn.functional.one_hot(target, 4)[:, :3]
    expected = py_sigmoid_focal_loss(logits, one_hot, gamma=gamma, alpha=alpha, reduction='none')
    actual = mmcv_ops.sigmoid_focal_loss(logits, target, gamma, alpha, None, 'none')
    torch.testing.assert_close(actual, expected)


def test_focal_loss_by_hand() -> None:
    """At logit 0, p = 1/2: -alpha (1-p)^2 ln p for the target, -(1-alpha) p^2 ln (1-p) else."""
    loss = mmcv_ops.sigmoid_focal_loss(torch.zeros(1, 2), torch.tensor([0]), reduction='none')
    log2 = torch.log(torch.tensor(2.0)).item()
    torch.testing.assert_close(loss, torch.tensor([[0.25 * log2 / 4, 0.75 * log2 / 4]]))
    summed = mmcv_ops.sigmoid_focal_loss(torch.zeros(1, 2), torch.tensor([0]), reduction='sum')
    torch.testing.assert_close(summed.item(), log2 / 4)


def test_focal_loss_weights_by_target_class() -> None:
    logits, target = torch.zeros(2, 2), torch.tensor([1, 2])
    plain = mmcv_ops.sigmoid_focal_loss(logits, target, reduction='none')
    weight = torch.tensor([3.0, 5.0])
    weighted = mmcv_ops.sigmoid_focal_loss(logits, target, weight=weight, reduction='none')
    torch.testing.assert_close(weighted, plain * torch.tensor([[5.0], [1.0]]))


@needs_lite
def test_installing_twice_adds_one_finder() -> None:
    import_hooks.install()
    finders = [f for f in sys.meta_path if isinstance(f, import_hooks._PlaceholderFinder)]
    assert len(finders) == 1


def test_compiled_operators_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other finders that know ``mmcv._ext`` come before the placeholder."""
    compiled = SimpleNamespace(name='mmcv._ext', loader=object())

    class Finder:
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> object:
            return compiled if name == 'mmcv._ext' else None

    monkeypatch.delitem(sys.modules, 'mmcv._ext', raising=False)
    monkeypatch.setattr(sys, 'meta_path', [*sys.meta_path[:-1], Finder(), sys.meta_path[-1]])
    if isinstance(sys.meta_path[-1], import_hooks._PlaceholderFinder):
        assert importlib.util.find_spec('mmcv._ext') is compiled


@needs_lite
def test_neighbours_import_in_a_fresh_process() -> None:
    code = (
        'import r2vos_mm, mmcv.ops, mmdet.models, mmdet.structures.mask, mmdet.datasets\n'
        'import mmseg.models'
    )
    result = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_configs_of_the_package_are_known_whatever_is_imported_first() -> None:
    code = (
        'from mmengine.config.utils import MODULE2PACKAGE\n'
        'from mmengine.utils import get_installed_path\n'
        'print(get_installed_path(MODULE2PACKAGE["r2vos_mm"]))'
    )
    folder = str(Path(r2vos_mm.__file__).parent)
    for first in ('import r2vos_mm', 'import mmengine, r2vos_mm'):
        command = [sys.executable, '-c', f'{first}\n{code}']
        result = subprocess.run(command, capture_output=True, text=True)
        assert result.stdout.strip() == folder, result.stderr
