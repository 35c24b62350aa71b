"""Which frames make a clip."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from r2vos_mm.datasets.frame_sampling import anchor_frames, sample_frame_indices


@st.composite
def cases(draw: st.DrawFn) -> tuple[int, int, int, int]:
    length = draw(st.integers(1, 40))
    return (
        length,
        draw(st.integers(1, 12)),
        draw(st.integers(0, length - 1)),
        draw(st.integers(0, 2**32)),
    )


@given(cases())
def test_clips_are_sorted_hold_the_anchor_and_repeat_only_what_they_must(case: tuple) -> None:
    length, clip_length, anchor, seed = case
    indices = sample_frame_indices(length, clip_length, anchor, np.random.default_rng(seed))
    assert len(indices) == clip_length
    assert indices == sorted(indices)
    assert all(isinstance(i, int) and 0 <= i < length for i in indices)
    assert len(set(indices)) == min(length, clip_length)
    if length > clip_length or clip_length == length:
        assert anchor in indices
    counts = np.bincount(indices, minlength=length)
    if length <= clip_length:
        assert counts.max() - counts.min() <= 1


@given(cases())
def test_pure_function_of_the_generator(case: tuple) -> None:
    length, clip_length, anchor, seed = case
    first, second = (
        sample_frame_indices(length, clip_length, anchor, np.random.default_rng(seed))
        for _ in range(2)
    )
    assert first == second


@given(st.integers(0, 2**32), st.integers(3, 16))
def test_neighbours_are_close(seed: int, anchor: int) -> None:
    low, middle, high = sample_frame_indices(20, 3, anchor, np.random.default_rng(seed))
    assert middle == anchor
    assert 1 <= anchor - low <= 3
    assert 1 <= high - anchor <= 3


@given(st.integers(0, 2**32))
def test_other_frames_lie_outside_the_neighbourhood(seed: int) -> None:
    indices = sample_frame_indices(30, 5, 15, np.random.default_rng(seed))
    position = indices.index(15)
    near = {i for i in indices if abs(i - 15) <= 3}
    assert 0 < position < 4
    assert len(near) >= 3


@pytest.mark.parametrize(
    ('length', 'clip_length', 'expected'),
    [
        (1, 1, [0]),
        (1, 5, [0] * 5),
        (2, 1, None),
        (2, 3, [0, 0, 1]),
        (2, 8, [0] * 4 + [1] * 4),
        (3, 3, [0, 1, 2]),
        (3, 8, [0, 0, 0, 1, 1, 1, 2, 2]),
    ],
)
def test_short_videos(length: int, clip_length: int, expected: list[int] | None) -> None:
    for anchor in range(length):
        indices = sample_frame_indices(length, clip_length, anchor, np.random.default_rng(0))
        assert indices == ([anchor] if expected is None else expected)


@pytest.mark.parametrize(
    ('length', 'clip_length', 'anchor'), [(0, 1, 0), (3, 0, 0), (3, 1, 3), (3, 1, -1)]
)
def test_impossible_wishes(length: int, clip_length: int, anchor: int) -> None:
    with pytest.raises(ValueError, match=f'video with {length} frames'):
        sample_frame_indices(length, clip_length, anchor, np.random.default_rng(0))


@given(st.integers(1, 50), st.integers(1, 12))
def test_an_epoch_has_an_anchor_per_clip_length(length: int, clip_length: int) -> None:
    # ceil(n / T)
    assert len(anchor_frames(length, clip_length)) == -(-length // clip_length)
