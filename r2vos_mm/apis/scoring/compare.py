"""Compare two methods that were scored on the same pairs, with intervals from a bootstrap."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from r2vos_mm.evaluation.functional.bootstrap import (
    Difference,
    Ratio,
    bootstrap_weights,
    paired_difference,
)
from r2vos_mm.evaluation.metrics.pair_scores import PairScores


def compare_scores(first: list[PairScores], second: list[PairScores]) -> dict[str, Difference]:
    """Return J, F, J&F, and with negative pairs R and J&F&R of two methods, in percent.

    Scores are those after the gate, R is the form of the paper. Videos are drawn, not pairs: the
    expressions of one video are not independent. A negative pair belongs to the video of its
    expression.

    Raises:
        ValueError: The pairs are not the same, or none is annotated.
    """
    _check_same(*({pair.pair_id: pair for pair in side} for side in (first, second)))
    if not any(pair.gt_areas is not None for pair in first):
        raise ValueError('no pair is annotated: there is no J and F to compare')
    positives = [pair for pair in first if not pair.is_negative]
    videos, numbers = np.unique([pair.video for pair in positives], return_inverse=True)
    clusters = dict(zip((pair.stem for pair in positives), numbers))
    parts = {'J': ['J'], 'F': ['F'], 'J&F': ['J', 'F']}
    if any(pair.is_negative and pair.stem in clusters for pair in first):
        parts |= {'R': ['R'], 'J&F&R': ['J', 'F', 'R']}
    sides = [ratios_per_video(side, clusters, len(videos)) for side in (first, second)]
    weights = bootstrap_weights(len(videos))
    return {
        name: paired_difference(*([side[key] for key in keys] for side in sides), weights)
        for name, keys in parts.items()
    }


def format_comparison(differences: dict[str, Difference], names: tuple[str, str]) -> str:
    """Return a table of both values, A minus B and its 95 % interval; a star if it excludes 0."""
    width = max(12, *(len(name) + 2 for name in names))
    lines = [f'{"":8}' + ''.join(f'{name:>{width}}' for name in names) + f'{"A - B":>9}   95 %']
    for name, entry in differences.items():
        star = ' *' if entry.low > 0 or entry.high < 0 else ''
        lines.append(
            f'{name:8}{entry.first:>{width}.2f}{entry.second:>{width}.2f}'
            f'{entry.difference:>+9.2f}   [{entry.low:+.2f}, {entry.high:+.2f}]{star}'
        )
    return '\n'.join(lines)


def ratios_per_video(
    pairs: list[PairScores], clusters: dict[str, int], size: int
) -> dict[str, Ratio]:
    """Return J, F and R in percent as sums per cluster.

    Args:
        pairs: the scores; negative pairs count for the positive pair with the same stem.
        clusters: numbers of the clusters by the stems of pairs.
        size: number of clusters.
    """

    def total(of: list[PairScores], values: list[float]) -> np.ndarray:
        return np.bincount([clusters[pair.stem] for pair in of], values, size)

    areas = defaultdict(list)
    for pair in pairs:
        if pair.is_negative:
            areas[pair.stem].append(pair.area)
    paired = [pair for pair in pairs if not pair.is_negative and pair.stem in areas]
    own = total(paired, [pair.area for pair in paired])
    other = total(paired, [np.mean(areas[pair.stem]) for pair in paired])
    annotated = [pair for pair in pairs if pair.gt_areas is not None]
    count = total(annotated, [1] * len(annotated))
    region = total(annotated, [np.mean(pair.region) for pair in annotated])
    contour = total(annotated, [np.mean(pair.contour) for pair in annotated])
    ratios = {'J': (region, count), 'F': (contour, count), 'R': (own - other, own)}
    return {name: Ratio(100 * part, whole) for name, (part, whole) in ratios.items()}


def _check_same(first: dict[str, PairScores], second: dict[str, PairScores]) -> None:
    """Raise unless both methods were scored on the same pairs."""
    only = sorted(set(first) ^ set(second))
    if only:
        names = ', '.join(map(repr, only[:5]))
        raise ValueError(f'pairs differ: {len(only)} are in one of them only, such as {names}')
    for pair_id, pair in first.items():
        if pair.identity != second[pair_id].identity:
            raise ValueError(f'pair {pair_id!r} differs between the two methods')
