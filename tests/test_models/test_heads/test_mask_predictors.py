"""Dynamic masks against the form with one copy of the features per query, and by hand."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from r2vos_mm.models.heads import DynamicMaskPredictor

_FILE = Path(__file__).parents[3] / 'tools/analysis_tools/benchmark_mask_predictors.py'
_SPEC = importlib.util.spec_from_file_location('benchmark_mask_predictors', _FILE)
benchmark = importlib.util.module_from_spec(_SPEC)
sys.modules['benchmark_mask_predictors'] = benchmark
_SPEC.loader.exec_module(benchmark)


def inputs(
    *,
    size: tuple[int, int] = (20, 28),
    pairs: int = 2,
    frames: int = 2,
    queries: int = 3,
    channels: int = 8,
) -> 'benchmark.Inputs':
    return benchmark.Inputs.random(
        pairs=pairs, frames=frames, queries=queries, channels=channels, size=size, device='cpu'
    )


def test_released_number_of_weights():
    # 8 * (256 + 2) + 8 * 8 + 8 weights, 8 + 8 + 1 biases
    predictor = DynamicMaskPredictor()
    assert predictor.parts == (2064, 64, 8, 8, 8, 1)
    assert predictor.controller.layers[-1].out_features == 2153


@given(
    rows=st.integers(1, 6),
    columns=st.integers(1, 6),
    queries=st.integers(1, 4),
    hidden=st.integers(1, 9),
    stride=st.sampled_from([2, 4, 8]),
)
@settings(max_examples=25, deadline=None)
def test_equals_naive_form(rows, columns, queries, hidden, stride):
    torch.manual_seed(0)
    predictor = DynamicMaskPredictor(8, hidden=hidden, stride=stride).double()
    given = inputs(size=(4 * rows, 4 * columns), queries=queries)
    given = benchmark.Inputs(
        given.queries.double(), given.mask_features.double(), given.references.double()
    )
    # the fast form ends in float32
    torch.testing.assert_close(
        run(predictor.float(), given).double(),
        benchmark.naive_masks(predictor.double(), given),
        rtol=1e-4,
        atol=1e-4,
    )


def run(predictor: DynamicMaskPredictor, given: 'benchmark.Inputs') -> torch.Tensor:
    return predictor(given.queries.float(), given.mask_features.float(), given.references.float())


def test_gradients_equal_naive_form():
    torch.manual_seed(0)
    predictor, given = DynamicMaskPredictor(8), inputs()
    leaves = [given.queries, given.mask_features, *predictor.parameters()]
    ours = torch.autograd.grad(run(predictor, given).square().mean(), leaves)
    naive = torch.autograd.grad(benchmark.naive_masks(predictor, given).square().mean(), leaves)
    for a, b in zip(ours, naive):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4 * b.abs().max().item())


def test_by_hand():
    """One channel, one hidden unit, one cell in the second row and third column of stride 4.

    Its centre is (4 * 2 + 2, 4 * 1 + 2) = (10, 6); the query's point is (13, 4), so it lies at
    (3, -2). With first weights (feature 2, x 5, y 7) and bias 0.5 and a feature of 1.5 the hidden
    value is 2 * 1.5 + 5 * 3 - 7 * 2 + 0.5 = 4.5; then 3 * 4.5 + 1 = 14.5; then -1 * 14.5 + 2.
    """
    predictor = DynamicMaskPredictor(1, hidden=1)
    for layer in predictor.controller.layers:
        torch.nn.init.zeros_(layer.weight)
    with torch.no_grad():
        predictor.controller.layers[-1].bias.copy_(torch.tensor([2, 5, 7, 3, -1, 0.5, 1, 2]))
    masks = predictor(
        torch.zeros(1, 1, 1, 1), torch.full((1, 1, 1, 2, 3), 1.5), torch.tensor([[[[13.0, 4.0]]]])
    )
    assert masks.shape == (1, 1, 1, 2, 3)
    assert masks[0, 0, 0, 1, 2].item() == pytest.approx(-12.5)


def test_masks_follow_the_point():
    """A point moved by one cell, with features that are equal everywhere, moves the mask."""
    torch.manual_seed(0)
    predictor = DynamicMaskPredictor(8)
    queries, features = torch.randn(1, 1, 1, 8), torch.ones(1, 1, 8, 5, 6)
    point = torch.tensor([[[[9.0, 7.0]]]])
    here = predictor(queries, features, point)
    moved = predictor(queries, features, point + 4)
    torch.testing.assert_close(moved[..., 1:, 1:], here[..., :-1, :-1], rtol=1e-4, atol=1e-4)


def test_coordinates_keep_their_digits_in_bfloat16():
    """Far from the point bfloat16 coordinates would be off by pixels."""
    torch.manual_seed(0)
    predictor, given = DynamicMaskPredictor(16), inputs(size=(64, 640), channels=16)
    exact = run(predictor, given)
    with torch.autocast('cpu', torch.bfloat16):
        half = run(predictor, given)
    assert half.dtype == torch.float32
    assert (half - exact).abs().max() < 0.01 * exact.abs().max()


def test_benchmark_prints_a_table(capsys):
    benchmark.main(
        [
            '--size',
            '16',
            '16',
            '--frames',
            '1',
            '--channels',
            '8',
            '--repeats',
            '1',
            '--threads',
            '1',
            '--device',
            'cpu',
        ]
    )
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert all(line.count('|') == 5 for line in lines)
