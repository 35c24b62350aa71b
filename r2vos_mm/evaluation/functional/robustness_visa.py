"""Compute the robustness that VISA defines for ReVOS, which is not the R of R2-VOS.

Yan et al., "VISA: Reasoning Video Object Segmentation via Large Language Models", ECCV 2024.
"""

from collections.abc import Sequence

import numpy as np

REFERRING, REASONING, NO_TARGET = 0, 1, 2


def visa_robustness(outside: Sequence[int], foreground: Sequence[int]) -> np.ndarray:
    """Return ``max(1 - |P & ~G| / (|U| + 1e-6), 0)`` per frame.

    The released code counts pixels in uint8, where predictions stored as 255 and overlapping
    instances wrap around; count them on bool masks.

    Args:
        outside: (T,) predicted pixels outside the annotated object, ``|P & ~G|``.
        foreground: (T,) pixels of all annotated objects, ``|U|``.

    Returns:
        (T,) float64 in [0, 1].
    """
    return np.maximum(1 - np.asarray(outside) / (np.asarray(foreground) + 1e-6), 0)


def visa_mean(values: Sequence[float], types: Sequence[int]) -> float:
    """Return the mean over "referring" (0) and "reasoning" (1) of the means over their expressions.

    Expressions without target (2) do not count, nor does a type without expressions; NaN if none
    is left. The released code rounds values to two decimals before it averages; here nothing is
    rounded.

    Args:
        values: (S,) one value per expression: J, F or robustness, mean over its frames.
        types: (S,) type of each expression, 0, 1 or 2.

    Raises:
        ValueError: The lengths differ, or a type is unknown.
    """
    values, types = np.asarray(values, dtype=np.float64), np.asarray(types)
    unknown = set(types.tolist()) - {REFERRING, REASONING, NO_TARGET}
    if values.shape != types.shape or unknown:
        raise ValueError(
            f'one type 0, 1 or 2 per value: {len(values)} values, {len(types)} types, unknown '
            f'types {sorted(unknown)}'
        )
    means = [values[types == kind].mean() for kind in (REFERRING, REASONING) if kind in types]
    return float(np.mean(means)) if means else float('nan')
