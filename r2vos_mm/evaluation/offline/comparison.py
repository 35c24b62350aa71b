"""Two methods on the same pairs, side by side, from their rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..functional.bootstrap import Difference, Ratio, bootstrap_weights, paired_difference
from ..metrics.pair_rows import PairRow


def compare_rows(
    first: Sequence[PairRow], second: Sequence[PairRow], *, resamples: int = 10000, seed: int = 0
) -> dict[str, Difference]:
    """J, F, J&F, and with negative pairs R and J&F&R of two methods, in percent.

    Videos are drawn, not pairs: sentences of one video are not independent. A negative pair goes
    with the video of its sentence. R is the form of the paper, ``R`` of :class:`JFRMetric`.

    Args:
        first, second: rows of both methods, after the gate; the same pairs.
        resamples: draws.
        seed: of the draws.

    Raises:
        ValueError: if the pairs are not the same, or none is annotated.
    """
    rows = {row.pair_id: row for row in first}
    others = {row.pair_id: row for row in second}
    _check_same(rows, others)
    cluster_of = {row.stem: row.video for row in first if not row.is_negative}
    names = sorted(set(cluster_of.values()))
    if not any(row.gt_areas is not None for row in first):
        raise ValueError('no pair is annotated: there is no J and F to compare')
    weights = bootstrap_weights(len(names), resamples=resamples, seed=seed)
    position = {name: index for index, name in enumerate(names)}
    clusters = {stem: position[video] for stem, video in cluster_of.items()}
    measures = [_measures(list(side.values()), clusters, len(names)) for side in (rows, others)]
    figures = {'J': ['J'], 'F': ['F'], 'J&F': ['J', 'F']}
    if any(row.is_negative and row.stem in clusters for row in first):
        figures.update({'R': ['R'], 'J&F&R': ['J', 'F', 'R']})
    return {
        name: paired_difference(*([side[part] for part in parts] for side in measures), weights)
        for name, parts in figures.items()
    }


def format_comparison(differences: dict[str, Difference], names: tuple[str, str]) -> str:
    """A table: both figures, A minus B and its 95 % interval; a star where 0 is outside."""
    width = max(12, *(len(name) + 2 for name in names))
    lines = [f'{"":8}' + ''.join(f'{name:>{width}}' for name in names) + f'{"A - B":>9}   95 %']
    for name, entry in differences.items():
        star = ' *' if entry.low > 0 or entry.high < 0 else ''
        lines.append(
            f'{name:8}{entry.first:>{width}.2f}{entry.second:>{width}.2f}'
            f'{entry.difference:>+9.2f}   [{entry.low:+.2f}, {entry.high:+.2f}]{star}'
        )
    return '\n'.join(lines)


def _measures(
    rows: Sequence[PairRow], clusters: dict[str, int], num_clusters: int
) -> dict[str, Ratio]:
    """J, F and R in percent as sums per cluster."""
    annotated = [row for row in rows if row.gt_areas is not None]

    def total(values: Callable[[PairRow], float], of: Sequence[PairRow]) -> np.ndarray:
        index = [clusters[row.stem] for row in of]
        return np.bincount(index, [values(row) for row in of], num_clusters)

    count = total(lambda row: 1.0, annotated)
    means: dict[str, list[int]] = {}
    for row in rows:
        if row.is_negative and row.stem in clusters:
            means.setdefault(row.stem, []).append(row.gated.area)
    paired = [row for row in rows if not row.is_negative and row.stem in means]
    own = total(lambda row: row.gated.area, paired)
    other = total(lambda row: float(np.mean(means[row.stem])), paired)
    return {
        'J': Ratio(100 * total(lambda row: float(np.mean(row.gated.region)), annotated), count),
        'F': Ratio(100 * total(lambda row: float(np.mean(row.gated.contour)), annotated), count),
        'R': Ratio(100 * (own - other), own),
    }


def _check_same(first: dict[str, PairRow], second: dict[str, PairRow]) -> None:
    """Raise unless both methods were scored on the same pairs."""
    only = sorted(set(first) ^ set(second))
    if only:
        raise ValueError(
            f'the two methods were not scored on the same pairs: {len(only)} are in one of them '
            f'only, such as {", ".join(map(repr, only[:5]))}'
        )
    for pair_id, row in first.items():
        if row.identity != second[pair_id].identity:
            raise ValueError(f'pair {pair_id!r} is not the same one in the two methods')
