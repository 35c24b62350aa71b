"""Robustness as VISA defines it for ReVOS; it shares no more than its letter with R of R2-VOS.

Yan et al., "VISA: Reasoning Video Object Segmentation via Large Language Models", ECCV 2024.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

VISA_EPSILON = 1e-6
REFERRING, REASONING, NO_TARGET = 0, 1, 2


def visa_robustness(pred: np.ndarray, gt: np.ndarray, foreground: np.ndarray) -> np.ndarray:
    """``max(1 - |P & ~G| / (|U| + 1e-6), 0)`` per frame.

    The released code computes in uint8, where a prediction stored as 255 or overlapping instances
    wrap around; bool masks are required here instead.

    Args:
        pred: predicted masks P, (T, H, W) or (H, W) bool.
        gt: annotated masks G of the sentence, same shape, bool.
        foreground: union U of all annotated foreground objects, same shape, bool.

    Returns:
        (T,) float64 in [0, 1]; T = 1 for (H, W).

    Raises:
        TypeError: if a mask is not a bool array.
        ValueError: if the shapes differ.
    """
    for name, masks in (('pred', pred), ('gt', gt), ('foreground', foreground)):
        if not isinstance(masks, np.ndarray) or masks.dtype != np.bool_:
            kind = getattr(masks, 'dtype', type(masks).__name__)
            raise TypeError(f'{name} must be a numpy array of bool, got {kind}')
        if masks.shape != pred.shape or masks.ndim not in (2, 3):
            raise ValueError(
                f'{name} has shape {masks.shape}, pred has {pred.shape}: all must be the same '
                '(T, H, W) or (H, W)'
            )
    return visa_robustness_of_counts(
        np.atleast_1d(np.count_nonzero(pred & ~gt, axis=(-2, -1))),
        np.atleast_1d(np.count_nonzero(foreground, axis=(-2, -1))),
    )


def visa_robustness_of_counts(outside: Sequence[int], foreground: Sequence[int]) -> np.ndarray:
    """The same from numbers of pixels.

    Args:
        outside: (T,) predicted pixels outside of the annotated object.
        foreground: (T,) pixels of all annotated objects.

    Returns:
        (T,) float64 in [0, 1].
    """
    share = np.asarray(outside) / (np.asarray(foreground) + VISA_EPSILON)
    return np.maximum(1 - share, 0)


def visa_mean(values: Sequence[float], types: Sequence[int]) -> float:
    """Mean over the groups "referring" (0) and "reasoning" (1) of the means over their sentences.

    Sentences without target (2) are left out, and so is a group without sentences; NaN if none is
    left. The released code rounds values to two decimals before it averages; here nothing is
    rounded.

    Args:
        values: (S,) one value per sentence: J, F or robustness, mean over its frames.
        types: (S,) type of each sentence, 0, 1 or 2.
    """
    values, types = np.asarray(values, dtype=np.float64), np.asarray(types)
    unknown = set(types.tolist()) - {REFERRING, REASONING, NO_TARGET}
    if values.shape != types.shape or unknown:
        raise ValueError(
            f'one type 0, 1 or 2 per value: {len(values)} values, {len(types)} types, unknown '
            f'types {sorted(unknown)}'
        )
    groups = [values[types == kind] for kind in (REFERRING, REASONING)]
    means = [group.mean() for group in groups if len(group)]
    return float(np.mean(means)) if means else float('nan')
