"""Exported files give what the model gives, for full and short windows and any number of words."""

import json
import math
from pathlib import Path

import pytest
import torch
from torch import nn
from toy_models import build_toy_config

from r2vos_mm.apis.model_export import (
    Comparison,
    OutputDifference,
    WindowNetwork,
    compare_export,
    export_examples,
    export_model,
    load_export,
)
from r2vos_mm.utils.cli import UsageError

TEXTS = ['a red square']
SMALL = {'mask_head.decoder.num_layers': 1}


@pytest.fixture(scope='module')
def frames() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8, generator=generator)


def toy(preset: str, **changes: object) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_toy_config(preset, **SMALL, **changes).eval()


@pytest.mark.slow
def test_torch_export_with_features(frames: torch.Tensor, tmp_path: Path) -> None:
    """The gathers of exported deformable attention give what sampling gives."""
    network = WindowNetwork(
        toy('r2vos_tiny', **{'cycle_head.decoder.num_layers': 1}), text='features'
    )
    examples, path = export_examples(network, frames, 3, TEXTS), tmp_path / 'model.pt2'
    export_model(network, examples[0].inputs, path, format='torch')
    files = {'r2vos_mm': ''}
    graph = torch.export.load(path, extra_files=files).graph
    assert not [node for node in graph.nodes if 'grid_sampler' in str(node.target)]
    assert json.loads(files['r2vos_mm'])['gate_threshold'] == 0.5
    result = compare_export(network, path, examples)
    assert {row.output for row in result.differences} == {
        'scores',
        'boxes',
        'masks',
        'misalignment_logit',
    }
    assert result.is_within(1e-5)


@pytest.mark.slow
def test_onnx_with_tokens(frames: torch.Tensor, tmp_path: Path) -> None:
    pytest.importorskip('onnxscript')
    pytest.importorskip('onnxruntime')
    network, path = WindowNetwork(toy('mttr_tiny')), tmp_path / 'model.onnx'
    examples = export_examples(network, frames, 3, TEXTS)
    export_model(network, examples[0].inputs, path, format='onnx')
    result = compare_export(network, path, examples)
    assert len(result.differences) == 2 * len(examples)
    assert result.is_within(1e-5)


def test_tolerance_is_relative_to_large_values_only() -> None:
    rows = [
        OutputDifference('video', 'masks', 0.02, 0.001),
        OutputDifference('video', 'scores', 0.0, 0.0),
    ]
    assert Comparison(rows, 1.0, 1.0).is_within(0.001)
    assert not Comparison(rows, 1.0, 1.0).is_within(0.0009)


def test_values_that_are_not_numbers_are_never_within() -> None:
    assert not Comparison([OutputDifference('video', 'masks', math.nan, math.nan)], 1, 1).is_within(
        1.0
    )


def test_unknown_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r'model\.pth: the suffix is none of \.pt2, \.onnx'):
        load_export(tmp_path / 'model.pth')
    with pytest.raises(UsageError, match="text='words' is unknown; choose from tokens, features"):
        WindowNetwork(nn.Module(), text='words')
