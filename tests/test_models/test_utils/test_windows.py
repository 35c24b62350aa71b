"""Videos are cut into near-equal windows; a long one that is not cut is warned about."""

from collections.abc import Callable

import torch

from r2vos_mm.models.utils.windows import MANY_FRAMES, Window, cut_windows, split_windows


def test_windows_are_near_equal() -> None:
    assert split_windows(7, 3) == [slice(0, 2), slice(2, 4), slice(4, 7)]
    assert split_windows(7, None) == split_windows(7, 7) == [slice(0, 7)]
    assert split_windows(7, 3, full=True) == [slice(0, 3), slice(3, 6), slice(6, 7)]
    assert split_windows(6, 3, full=True) == [slice(0, 3), slice(3, 6)]


def test_only_windows_with_frames_to_predict() -> None:
    video = torch.arange(7.0).view(7, 1, 1, 1)
    (window,) = cut_windows(video, 3, torch.tensor([5]))
    assert window.frames.flatten().tolist() == [4, 5, 6]
    assert window.annotated.tolist() == [1]


def test_windows_are_padded_to_one_length() -> None:
    window = Window(torch.ones(2, 3, 4, 5), torch.tensor([1]))
    padded = window.padded(5)
    assert padded.frames.flatten(1).sum(1).tolist() == [60, 60, 0, 0, 0]
    assert padded.num_frames.item() == 2
    assert padded.annotated.tolist() == [1]
    assert window.padded(1).frames.shape[0] == 2


def test_a_long_video_at_once_is_warned_about(warnings_logged: Callable[[], list[str]]) -> None:
    video = torch.zeros(MANY_FRAMES + 1, 1, 1, 1)
    list(cut_windows(video, 36, None))
    list(cut_windows(video[1:], None, None))
    assert warnings_logged() == []
    list(cut_windows(video, None, None))
    assert f'{MANY_FRAMES + 1} frames pass through the model at once' in warnings_logged()[0]
