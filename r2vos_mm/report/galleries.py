"""Show the worst pairs of runs, with pictures where frames and masks are found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from r2vos_mm.evaluation.metrics.pair_scores import PairScores
from r2vos_mm.utils.cli import UserError, one_line

from .cases import (
    PairFrames,
    PairScene,
    Picture,
    draw_pair,
    false_alarms,
    open_run_masks,
    worst_positives,
)
from .curves import mean_jf
from .runs import Run

MAX_DRAWN_RUNS = 3
# Errors that users' files raise if they are missing, broken or of another kind.
_READ_ERRORS = (UserError, ValueError, LookupError, TypeError, OSError)


class CaseRow(NamedTuple):
    """A run in a case: its scores, pictures, and what is missing in them."""

    run: int
    name: str
    scores: str
    pictures: list[Picture]
    note: str = ''


class Case(NamedTuple):
    """One pair of a gallery; ``repeats`` if an earlier gallery has its pictures."""

    anchor: str
    pair: PairScores
    rows: list[CaseRow]
    repeats: bool = False


class Gallery(NamedTuple):
    """The worst pairs of one run."""

    run: int
    name: str
    title: str
    empty: str
    cases: list[Case]


def galleries_of(
    runs: Sequence[Run],
    pairs: Sequence[Sequence[PairScores]],
    *,
    data_root: Path | None,
    count: int,
) -> list[Gallery]:
    """Return the worst positive pairs and false alarms of each run, with pictures."""
    if not count:
        return []
    drawer, by_id = _Drawer(runs, data_root), [{p.pair_id: p for p in own} for own in pairs]
    galleries, anchors = [], {}
    for number, own in enumerate(pairs):
        for title, empty, chosen in (
            ('Worst positive pairs', 'No pair is annotated.', worst_positives(own, count)),
            ('Largest false alarms', 'No negative pair has foreground.', false_alarms(own, count)),
        ):
            cases = []
            for pair in chosen:
                repeats = pair.pair_id in anchors
                anchor = anchors.setdefault(pair.pair_id, f'case{len(anchors)}')
                rows = [] if repeats else drawer.rows(pair.pair_id, number, by_id)
                cases.append(Case(anchor, pair, rows, repeats))
            galleries.append(Gallery(number, runs[number].name, title, empty, cases))
    return galleries


class _Drawer:
    """Draw pairs with the masks of several runs, and note what is missing."""

    def __init__(self, runs: Sequence[Run], data_root: Path | None) -> None:
        self.runs = runs
        self.masks = [_or_reason(open_run_masks, run) for run in runs]
        config = next((run.config for run in runs if run.config is not None), None)
        self.source: PairFrames | str = 'no run has a config that names its data'
        if config is not None:
            self.source = _or_reason(PairFrames, config, data_root)

    def rows(
        self, pair_id: str, number: int, by_id: Sequence[Mapping[str, PairScores]]
    ) -> list[CaseRow]:
        """Return one row per run, the one of ``number`` first, at most MAX_DRAWN_RUNS drawn."""
        scene = self.source
        if isinstance(scene, PairFrames):
            common = set.intersection(*(set(own[pair_id].frame_ids) for own in by_id))
            scene = _or_reason(scene.load, by_id[number][pair_id], common)
        order = [number, *(run for run in range(len(self.runs)) if run != number)]
        rows = []
        for place, run in enumerate(order):
            pair = by_id[run][pair_id]
            drawn = self._draw(pair, scene, run) if place < MAX_DRAWN_RUNS else ([], '')
            rows.append(CaseRow(run, self.runs[run].name, scores_of(pair), *drawn))
        return rows

    def _draw(
        self, pair: PairScores, scene: PairScene | str, run: int
    ) -> tuple[list[Picture], str]:
        """Return pictures, and what is missing in them."""
        if isinstance(scene, str):
            return [], f'No frames: {scene}'
        masks, threshold = self.masks[run], self.runs[run].gate_threshold
        if not isinstance(masks, str):
            found = _or_reason(draw_pair, pair, scene, masks, threshold)
            if not isinstance(found, str):
                return found, ''
            masks = found
        return draw_pair(pair, scene, None, threshold), f'No masks: {masks}'


def _or_reason(function: Any, *args: Any) -> Any:
    """Return the result of a function, or why it failed on a user's files."""
    try:
        return function(*args)
    except _READ_ERRORS as error:
        return one_line(error)


def scores_of(pair: PairScores) -> str:
    """Return the scores of a pair in words."""
    parts = [f'{100 * pair.fraction:.1f} % of the pixels']
    if pair.region is not None and not pair.is_negative:
        parts = [f'J&F {100 * mean_jf(pair):.1f}']
    if pair.consensus is not None:
        parts.append(f'consensus {pair.consensus:.2f}')
    if pair.before_gate is not None and not pair.area:
        parts.append('emptied by the gate')
    return ', '.join(parts)
