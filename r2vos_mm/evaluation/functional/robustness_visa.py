"""Compute the robustness that VISA defines for ReVOS, which is not the R of R2-VOS.

Yan et al., "VISA: Reasoning Video Object Segmentation via Large Language Models", ECCV 2024.
"""

from collections.abc import Sequence

import numpy as np

REFERRING, REASONING, NO_TARGET = 0, 1, 2


def visa_robustness(outside: Sequence[int], foreground: Sequence[int]) -> np.ndarray:
    """Return ``max(1 - |P & ~G| / (|U| + 1e-6), 0)`` per frame, (T,) float64 in [0, 1].

    ``outside`` are the predicted pixels (T,) outside the annotated object, ``foreground`` those of
    all annotated objects, U. The released code counts in uint8, where predictions stored as 255 and
    overlapping instances wrap around; count on bool masks.
    """
    return np.maximum(1 - np.asarray(outside) / (np.asarray(foreground) + 1e-6), 0)


def visa_mean(values: Sequence[float], types: Sequence[int]) -> float:
    """Return the mean over "referring" (0) and "reasoning" (1) of the means over their expressions.

    Expressions without target (2) do not count, nor does a type without expressions; NaN if none
    is left. The released code rounds values to two decimals before it averages; here nothing is
    rounded.

    ``values`` (S,) are J, F or robustness of each expression, mean over its frames, ``types`` (S,)
    are 0, 1 or 2.
    """
    values, types = np.asarray(values, dtype=np.float64), np.asarray(types)
    unknown = sorted(set(types.tolist()) - {REFERRING, REASONING, NO_TARGET})
    if values.shape != types.shape or unknown:
        counts = f'{len(values)} values, {len(types)} types, unknown types {unknown}'
        raise ValueError(f'each value must have a type 0, 1 or 2: {counts}')
    means = [values[types == kind].mean() for kind in (REFERRING, REASONING) if kind in types]
    return float(np.mean(means)) if means else float('nan')
