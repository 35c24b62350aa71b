"""Compute robustness R: how much less a model segments for expressions not about the video.

Metric R of R2-VOS: ``R = 1 - sum of areas on negative pairs / sum of areas on positive pairs``. The
annotation is not in the formula: over-segmenting positives raises R, so read it next to J and to
the ratio of predicted to annotated area.
"""

import warnings
from collections.abc import Sequence

import numpy as np


def robustness(
    positive_areas: Sequence[float],
    negative_areas: Sequence[float],
    *,
    positive_fractions: Sequence[float],
    negative_fractions: Sequence[float],
    positive_of_negative: Sequence[int] | None = None,
) -> dict[str, float]:
    """Return all forms of R, each at most 1; NaN without positives or without negatives.

    ``R``: the form of the paper, the ratio of summed areas in pixels, unbounded below.
    ``R_frac``: ratio of mean area *fractions*, which long or large videos do not dominate,
    unbounded below.
    ``R_pair``: see :func:`pairwise_robustness`; NaN without ``positive_of_negative``.

    Args:
        positive_areas, negative_areas: (P,) and (N,) predicted foreground pixels of each pair.
        positive_fractions, negative_fractions: (P,) and (N,) mean over frames of predicted
            foreground / pixels of a frame.
        positive_of_negative: see :func:`relative_robustness`.
    """
    fractions = positive_fractions, negative_fractions
    owners = {'positive_of_negative': positive_of_negative}
    paper = relative_robustness(positive_areas, negative_areas, **owners)
    values = {'R': paper, 'R_frac': relative_robustness(*fractions, **owners)}
    is_known = positive_of_negative is not None
    return values | {'R_pair': pairwise_robustness(*fractions, **owners) if is_known else np.nan}


def relative_robustness(
    positives: Sequence[float],
    negatives: Sequence[float],
    *,
    positive_of_negative: Sequence[int] | None = None,
) -> float:
    """Return ``1 - area on negatives / area on positives``.

    The number of negatives per positive plays no part. With ``positive_of_negative`` the negatives
    of positive k are averaged first: ``1 - sum_k mean_j(a_kj) / sum_k a_k`` over the positives k
    that have negatives, which with n negatives for each is ``1 - (sum_j a_j / n) / sum_k a_k``.
    Without it, all negatives count alike: ``1 - mean_j(a_j) / mean_k(a_k)``, the same number when
    the counts are even.

    Args:
        positives, negatives: (P,) and (N,) areas or area fractions of the pairs.
        positive_of_negative: (N,) index of the positive that each negative was made from.

    Returns:
        R, unclipped. NaN without positives or without negatives. When the model segments nothing on
        positives: 1 if it segments nothing on negatives either, else 0 with a warning.
    """
    positives, negatives = _as_areas(positives, negatives)
    if not len(positives) or not len(negatives):
        return float('nan')
    if positive_of_negative is None:
        own, other = positives.mean(), negatives.mean()
    else:
        owners, means = _mean_per_positive(negatives, positive_of_negative, len(positives))
        own, other = positives[owners].sum(), means.sum()
    if own == 0 and other > 0:
        what = 'nothing is segmented on positive pairs, something on negative ones'
        warnings.warn(f'R is set to 0: {what}', stacklevel=2)
    return float(1 - other / own) if own > 0 else float(other == 0)


def pairwise_robustness(
    positives: Sequence[float], negatives: Sequence[float], *, positive_of_negative: Sequence[int]
) -> float:
    """Return R_pair: mean of ``1 - min(1, mean_j(a_kj) / a_k)`` over positives k with negatives.

    For a_k = 0 the term is 1 if the negatives are empty too, else 0. NaN when no positive has
    negatives. Arguments are area fractions, otherwise as for :func:`relative_robustness`.
    """
    positives, negatives = _as_areas(positives, negatives)
    if not len(positives) or not len(negatives):
        return float('nan')
    owners, means = _mean_per_positive(negatives, positive_of_negative, len(positives))
    own = positives[owners]
    ratios = np.divide(means, own, out=(means > 0).astype(np.float64), where=own > 0)
    return float((1 - np.minimum(ratios, 1)).mean())


def _as_areas(*areas_of_pairs: Sequence[float]) -> list[np.ndarray]:
    """Return the areas of positives and negatives as float64, checked to be finite and >= 0."""
    arrays = [np.asarray(areas, dtype=np.float64) for areas in areas_of_pairs]
    for name, areas in zip(('positive', 'negative'), arrays):
        if areas.ndim != 1 or not (np.isfinite(areas) & (areas >= 0)).all():
            raise ValueError(f'areas of {name} pairs must be finite numbers >= 0, got {areas}')
    return arrays


def _mean_per_positive(
    negatives: np.ndarray, positive_of_negative: Sequence[int], num_positives: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the positives (K,) that have negatives, and the mean (K,) over those of each."""
    indices = np.asarray(positive_of_negative, dtype=np.int64)
    if indices.shape != negatives.shape or (indices < 0).any() or (indices >= num_positives).any():
        counts = f'{len(negatives)} negatives one of {num_positives} positives'
        raise ValueError(f'positive_of_negative must give each of {counts}, got {indices}')
    owners, which, counts = np.unique(indices, return_inverse=True, return_counts=True)
    return owners, np.bincount(which, weights=negatives) / counts
