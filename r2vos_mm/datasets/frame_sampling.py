"""Choose the frames of a training clip."""

import numpy as np

from r2vos_mm.registry import TASK_UTILS

NEIGHBOUR_DISTANCE = 3


def anchor_frames(length: int, clip_length: int) -> range:
    """Return the anchors of one expression in an epoch, as ReferFormer's: frames 0, T, 2T, ..."""
    return range(0, length, clip_length)


def sample_frame_indices(
    length: int, clip_length: int, anchor: int, rng: np.random.Generator
) -> list[int]:
    """Choose the frames of a clip: the anchor, a close frame on either side, the rest farther off.

    ReferFormer's scheme (its training set for Refer-YouTube-VOS): with distances r1, r2 drawn from
    {1, 2, 3} the clip has ``anchor``, ``anchor - r1`` and ``anchor + r2``; the other
    ``clip_length - 3`` frames are drawn without replacement outside that span. Where the original
    repeats frames (at the ends of a video) or fails (clips longer than the video), more frames are
    drawn from outside the span, then inside it; only videos shorter than the clip repeat frames.

    Args:
        length: number of frames n of the video, at least 1.
        clip_length: number of frames T to choose, at least 1.
        anchor: index in [0, n) that is always chosen.
        rng: the only source of randomness.

    Returns:
        T indices in ascending order; distinct if n >= T.

    Raises:
        ValueError: a length is below 1, or the anchor is outside the video.
    """
    if length < 1 or clip_length < 1 or not 0 <= anchor < length:
        raise ValueError(
            f'cannot sample {clip_length} frames around {anchor} of a video with {length} frames'
        )
    if length <= clip_length:
        return sorted(i % length for i in range(clip_length))
    chosen = _anchor_and_neighbours(length, clip_length, anchor, rng)
    low, high = min(chosen), max(chosen)
    outside = [i for i in range(length) if i < low or i > high]
    inside = [i for i in range(low, high) if i not in chosen]
    for candidates in (outside, inside):
        count = min(clip_length - len(chosen), len(candidates))
        chosen.update(int(i) for i in rng.choice(candidates, count, replace=False) if count)
    return sorted(chosen)


def _anchor_and_neighbours(
    length: int, clip_length: int, anchor: int, rng: np.random.Generator
) -> set[int]:
    """Return the anchor and, as far as T and the video allow, a frame on either side."""
    before, after = rng.integers(1, NEIGHBOUR_DISTANCE + 1, size=2)
    neighbours = [max(0, anchor - int(before)), min(length - 1, anchor + int(after))]
    if rng.integers(2):
        neighbours.reverse()
    neighbours = [i for i in neighbours if i != anchor]
    return {anchor, *neighbours[: clip_length - 1]}


@TASK_UTILS.register_module()
class AnchoredFrames:
    """Frames close to the anchor and far from it, as ReferFormer draws them."""

    def __call__(
        self, length: int, clip_length: int, anchor: int, rng: np.random.Generator
    ) -> list[int]:
        """See :func:`sample_frame_indices`."""
        return sample_frame_indices(length, clip_length, anchor, rng)


@TASK_UTILS.register_module()
class ConsecutiveFrames:
    """The T frames that begin at the anchor, as MTTR cuts videos (Sec. 4.1).

    With the anchors of an epoch (0, T, 2T, ...) the clips do not overlap, except that the last one
    is moved back into the video. A video shorter than T repeats its last frame.
    """

    def __call__(
        self, length: int, clip_length: int, anchor: int, rng: np.random.Generator
    ) -> list[int]:
        """Return T ascending indices in [0, length); nothing is drawn from ``rng``.

        >>> ConsecutiveFrames()(10, 4, 8, None), ConsecutiveFrames()(3, 4, 0, None)
        ([6, 7, 8, 9], [0, 1, 2, 2])
        """
        first = max(0, min(anchor, length - clip_length))
        return [min(index, length - 1) for index in range(first, first + clip_length)]
