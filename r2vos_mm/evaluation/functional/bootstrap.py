"""Compare two methods on the same samples with a paired bootstrap over clusters."""

from typing import NamedTuple

import numpy as np


class Ratio(NamedTuple):
    """A metric that is a sum of numerators / sum of denominators, as (C,) sums per cluster."""

    numerators: np.ndarray
    denominators: np.ndarray


class Difference(NamedTuple):
    """Values of methods A and B, and the interval ``low`` to ``high`` of A minus B."""

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
        first, second: the ratios of A and B, on the same clusters.
        weights: draws (B, C) of :func:`bootstrap_weights`.
        level: share of the draws inside the interval.
    """
    draws = mean_of_ratios(first, weights) - mean_of_ratios(second, weights)
    ones = np.ones((1, weights.shape[1]))
    whole = (float(mean_of_ratios(side, ones)[0]) for side in (first, second))
    return Difference(*whole, *interval_of(draws, level=level))


def interval_of(draws: np.ndarray, *, level: float = 0.95) -> tuple[float, float]:
    """Return the percentile interval of draws (B,); draws that are NaN are ignored.

    Both ends are NaN if all draws are.
    """
    known = draws if np.isnan(draws).all() else draws[~np.isnan(draws)]
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def mean_of_ratios(ratios: list[Ratio], weights: np.ndarray) -> np.ndarray:
    """Return the mean (B,) of the ratios for clusters that count ``weights`` (B, C) times."""
    sums = [(weights @ numerators, weights @ denominators) for numerators, denominators in ratios]
    nan = np.full(len(weights), np.nan)
    return np.mean([np.divide(n, d, out=nan.copy(), where=d != 0) for n, d in sums], axis=0)
