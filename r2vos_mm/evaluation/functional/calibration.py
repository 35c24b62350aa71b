"""Measure how well the consensus is calibrated, and fit its temperature and threshold.

A pair has an alignment logit z, larger = more likely that the expression belongs to the video, and
a label: 1 if it does (positive pairs), else 0. The consensus at temperature T is sigmoid(z / T).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .verdict import verdict_curve

MIN_TEMPERATURE, MAX_TEMPERATURE = 0.05, 20.0
NUM_BINS = 15


def consensus_at(logits: Sequence[float], temperature: float = 1.0) -> np.ndarray:
    """Return sigmoid(logits / temperature), float64."""
    from scipy.special import expit

    return expit(np.asarray(logits, np.float64) / temperature)


def brier_score(consensus: Sequence[float], labels: Sequence[bool]) -> float:
    """Return the mean squared difference between consensus and label; best 0 (Brier, 1950)."""
    consensus, labels = _checked(consensus, labels)
    return float(np.mean((consensus - labels) ** 2))


def expected_calibration_error(
    consensus: Sequence[float], labels: Sequence[bool], *, bins: int = NUM_BINS
) -> float:
    """Return the mean difference between consensus and share of positives; best 0.

    Pairs are put into bins of equal width by their consensus, of which 1 is in the last; the
    absolute differences of the bins are weighted by their numbers of pairs (Guo et al., 2017).
    """
    consensus, labels = _checked(consensus, labels)
    index = np.minimum((consensus * bins).astype(int), bins - 1)
    return float(np.abs(np.bincount(index, consensus - labels, bins)).sum() / len(labels))


def fit_temperature(logits: Sequence[float], labels: Sequence[bool]) -> float:
    """Return the temperature with the highest likelihood of the labels (Guo et al., 2017).

    It is between :data:`MIN_TEMPERATURE`, reached where all signs are right, and
    :data:`MAX_TEMPERATURE`, reached where the logits are no better than chance.

    Raises:
        ValueError: a class is absent, or a logit is not finite.
    """
    from scipy.optimize import minimize_scalar

    logits, labels = _checked(logits, labels)
    if labels.min() == labels.max():
        raise ValueError('a temperature needs positive and negative pairs')
    margins = np.where(labels == 1, logits, -logits)

    def loss(log_temperature: float) -> float:
        return float(np.logaddexp(0, -margins / np.exp(log_temperature)).mean())

    bounds = np.log([MIN_TEMPERATURE, MAX_TEMPERATURE])
    found = minimize_scalar(loss, bounds=bounds, method='bounded', options={'xatol': 1e-6})
    return float(np.exp(found.x))


def fit_threshold(consensus: Sequence[float], labels: Sequence[bool]) -> float:
    """Return the threshold with the highest balanced accuracy; of equal ones, the nearest to 0.5.

    Pairs with a consensus at the threshold or above are accepted. The threshold lies in the middle
    between two values of the consensus (or the lowest value and 0).

    Raises:
        ValueError: a class is absent.
    """
    consensus, labels = _checked(consensus, labels)
    curve = verdict_curve(consensus[labels == 1], consensus[labels == 0])
    accuracy = (curve.true_positive_rate + 1 - curve.false_positive_rate) / 2
    middles = (curve.thresholds + np.append(curve.thresholds[1:], 0)) / 2
    best = middles[np.isclose(accuracy, accuracy.max(), rtol=0, atol=1e-12)]
    return float(best[np.argmin(np.abs(best - 0.5))])


def _checked(values: Sequence[float], labels: Sequence[bool]) -> tuple[np.ndarray, np.ndarray]:
    """Return values and labels (0 or 1) as float64 (P,).

    Raises:
        ValueError: there is none, they do not fit, or a value is not finite.
    """
    values, labels = np.asarray(values, np.float64), np.asarray(labels, np.float64)
    if values.ndim != 1 or values.shape != labels.shape or not len(values):
        raise ValueError(f'one value per pair is needed, got {values.shape} and {labels.shape}')
    if not np.isfinite(values).all() or not np.isin(labels, (0, 1)).all():
        raise ValueError('values must be finite, labels 0 or 1')
    return values, labels
