"""Geometry of 3-D windows."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from r2vos_mm.models.backbones.windows import (
    CACHED_LAYOUTS,
    fit_window,
    merge,
    partition,
    relative_position_index,
    shifted_layout,
)

CPU = torch.device('cpu')
sizes = st.tuples(st.integers(1, 6), st.integers(1, 9), st.integers(1, 9))
windows = st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))


@settings(deadline=None, max_examples=50)
@given(size=sizes, window=windows, shifted=st.booleans())
def test_merge_undoes_partition(size: tuple, window: tuple, shifted: bool) -> None:
    maps = torch.arange(2 * size[0] * size[1] * size[2] * 3.0).view(2, *size, 3)
    grid = fit_window(size, window, shifted=shifted)
    assert torch.equal(merge(partition(maps, grid), grid), maps)


@settings(deadline=None, max_examples=50)
@given(size=sizes, window=windows)
def test_tokens_see_neighbours_only(size: tuple, window: tuple) -> None:
    """Two tokens of a shifted window see each other iff no rolled border lies between them.

    Coordinates after the roll run over shift..padded-1 and then 0..shift-1; inside one window
    the true distance along an axis is below the window exactly when both are on one side.
    """
    grid = fit_window(size, window, shifted=True)
    if not grid.is_shifted:
        return
    padded = [count * extent for count, extent in zip(grid.counts, grid.window)]
    axes = [torch.arange(cells) for cells in padded]
    coordinates = torch.stack(torch.meshgrid(*axes, indexing='ij'), dim=-1)[None]
    whole = type(grid)(size=tuple(padded), window=grid.window, shift=grid.shift)
    layout = shifted_layout(grid, CPU)
    tokens = partition(coordinates, whole)[layout.order, 0]
    rolled_in = tokens < torch.tensor(grid.shift)
    in_last = tokens.amax(1, keepdim=True) == torch.tensor(padded) - 1
    side = rolled_in & in_last
    forbidden = (side[:, :, None] != side[:, None]).any(-1)
    expected = layout.forbidden.repeat_interleave(torch.tensor(layout.group_sizes), dim=0)
    assert torch.equal(forbidden, expected)
    assert torch.equal(layout.order[layout.inverse], torch.arange(layout.order.numel()))


def test_window_clipped_to_small_map_is_not_shifted_there() -> None:
    grid = fit_window((3, 7, 8), (8, 7, 7), shifted=True)
    assert grid.window == (3, 7, 7)
    assert grid.shift == (0, 0, 3)
    assert grid.counts == (1, 1, 2)
    assert grid.padding == (0, 0, 6)


def test_relative_position_index_counts_offsets() -> None:
    """Row = ((dt + wt-1)(2wh-1) + dh + wh-1)(2ww-1) + dw + ww-1, offsets being query - key."""
    index = relative_position_index((2, 2, 3), 12, CPU)
    # Token 11 is (1, 1, 2), token 0 is (0, 0, 0): ((1+1)*3 + 1+1)*5 + 2+2 = 44, the last row.
    assert index[11, 0] == 44
    assert index[0, 11] == 0
    # No offset: ((0+1)*3 + 0+1)*5 + 0+2 = 22.
    assert (index.diagonal() == 22).all()
    assert index.unique().numel() == 45


def test_index_of_window_clipped_in_time_is_that_of_its_offsets() -> None:
    full = relative_position_index((4, 2, 2), 16, CPU)
    assert torch.equal(relative_position_index((4, 2, 2), 8, CPU), full[:8, :8])


def test_layouts_are_shared_and_bounded() -> None:
    grid = fit_window((4, 8, 8), (2, 4, 4), shifted=True)
    assert shifted_layout(grid, CPU) is shifted_layout(grid, CPU)
    assert shifted_layout.cache_info().maxsize == CACHED_LAYOUTS
    assert relative_position_index.cache_info().maxsize == CACHED_LAYOUTS


def test_layout_built_in_inference_mode_serves_training() -> None:
    shifted_layout.cache_clear()
    with torch.inference_mode():
        layout = shifted_layout(fit_window((4, 8, 8), (2, 4, 4), shifted=True), CPU)
    assert not layout.order.is_inference()
    assert not layout.forbidden.is_inference()


@pytest.mark.parametrize(('frames', 'groups'), [(1, 4), (8, 4), (9, 8)])
def test_groups_of_windows(frames: int, groups: int) -> None:
    """Each shifted axis doubles the kinds of windows; time shifts only beyond one window."""
    layout = shifted_layout(fit_window((frames, 20, 20), (8, 7, 7), shifted=True), CPU)
    assert len(layout.group_sizes) == groups
    assert sum(layout.group_sizes) == layout.order.numel() == 9 * -(-frames // 8)
