"""Which proposal is scored against which object, when identities are not given."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment


@dataclass(frozen=True)
class Assignment:
    """Result of a matching.

    Attributes:
        proposals: (O,) index of the proposal assigned to each object.
        qualities: (O,) quality of the assigned pairs.
    """

    proposals: tuple[int, ...]
    qualities: tuple[float, ...]


def match_proposals(quality: np.ndarray) -> Assignment:
    """Give each object its own proposal so that the summed quality is largest (Hungarian method).

    Args:
        quality: (N, O) of N proposals and O <= N objects; in the unsupervised protocol of DAVIS
            2017 the mean over frames of (J + F) / 2.

    Raises:
        ValueError: if there are fewer proposals than objects, or a quality is not finite.
    """
    quality = np.asarray(quality, dtype=np.float64)
    if quality.ndim != 2 or quality.shape[0] < quality.shape[1]:
        raise ValueError(
            f'quality must be (proposals, objects) with at least as many proposals, got '
            f'{quality.shape}: pad with empty proposals'
        )
    if not np.isfinite(quality).all():
        raise ValueError(f'quality must be finite, got {quality}')
    proposals, objects = linear_sum_assignment(quality, maximize=True)
    chosen = proposals[np.argsort(objects)]
    return Assignment(
        tuple(chosen.tolist()), tuple(quality[chosen, np.arange(quality.shape[1])].tolist())
    )
