"""Compare two methods on the same samples with a paired bootstrap over clusters."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Ratio:
    """A metric of the form sum of numerators / sum of denominators, summed per cluster.

    A mean over samples has the number of samples of each cluster as denominators.

    Attributes:
        numerators: (C,) float.
        denominators: (C,) float.
    """

    numerators: np.ndarray
    denominators: np.ndarray

    def values(self, weights: np.ndarray) -> np.ndarray:
        """Return the metric (B,) for clusters that count ``weights`` (B, C) times, NaN if none."""
        total = weights @ self.denominators
        out = np.full(len(total), np.nan)
        return np.divide(weights @ self.numerators, total, out=out, where=total != 0)


@dataclass(frozen=True)
class Difference:
    """A metric of methods A and B on the same samples.

    Attributes:
        first: value of A.
        second: value of B.
        low, high: interval of ``first - second``.
    """

    first: float
    second: float
    low: float
    high: float

    @property
    def difference(self) -> float:
        """A minus B."""
        return self.first - self.second


def bootstrap_weights(num_clusters: int, *, resamples: int = 10000, seed: int = 0) -> np.ndarray:
    """Return how often each cluster is drawn, (B, C) int: C draws with replacement, B times."""
    if num_clusters < 1:
        raise ValueError('num_clusters must be at least 1: there is nothing to draw from')
    shares = np.full(num_clusters, 1 / num_clusters)
    return np.random.default_rng(seed).multinomial(num_clusters, shares, size=resamples)


def paired_difference(
    first: list[Ratio], second: list[Ratio], weights: np.ndarray, *, level: float = 0.95
) -> Difference:
    """Return the difference of two methods with its percentile interval.

    Both methods see the same draws, so that the difficulty of a sample cancels. A metric made of
    several ratios is their mean, as J&F is of J and F.

    Args:
        first: the ratios of A.
        second: those of B, on the same clusters.
        weights: draws (B, C) of :func:`bootstrap_weights`.
        level: share of the draws inside the interval.
    """
    everything = np.ones((1, weights.shape[1]))
    whole_first, whole_second = (_mean(ratios, everything) for ratios in (first, second))
    draws = _mean(first, weights) - _mean(second, weights)
    low, high = np.nanquantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Difference(float(whole_first[0]), float(whole_second[0]), float(low), float(high))


def _mean(ratios: list[Ratio], weights: np.ndarray) -> np.ndarray:
    """Return the mean of the ratios for each draw, (B,)."""
    return np.mean([ratio.values(weights) for ratio in ratios], axis=0)
