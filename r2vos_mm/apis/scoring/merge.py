"""Merge the scores of the parts of a data set into those of the whole, equal to the last digit.

A part is a JSON report of ``r2vos test --part`` or ``r2vos score --part``. It names all videos of
the data set, so that what is missing is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from r2vos_mm.evaluation.metrics.scores_csv import object_from_json, pair_from_json
from r2vos_mm.utils.data_issues import Problem, shown
from r2vos_mm.utils.files import read_json
from r2vos_mm.utils.parts import Part

from .mask_files import PROBLEMS, Outcome


@dataclass
class ScoredPart:
    """The scores in one report.

    Attributes:
        part: which part it is.
        videos: names of all videos of the data set, in order.
        settings: what the scores and metrics depend on; the same in all parts of a data set.
    """

    path: Path
    part: Part
    videos: list[str]
    settings: dict[str, Any]
    outcome: Outcome


def part_content(
    part: Part, videos: Sequence[str], settings: Mapping[str, Any], outcome: Outcome
) -> dict[str, Any]:
    """Return what the report of a part holds besides the scores."""
    problems = {name: list(map(asdict, getattr(outcome, name))) for name in PROBLEMS}
    return {**part._asdict(), 'videos': list(videos), 'settings': dict(settings), **problems}


def read_part(path: Path) -> ScoredPart:
    """Read a report.

    Raises:
        FileNotFoundError, ValueError: It does not exist, or is not the report of a part.
    """
    content = read_json(path)
    try:
        head = content['part']
        outcome = Outcome(
            [pair_from_json(row) for row in content['rows']],
            [object_from_json(row) for row in content['objects']],
            *([Problem(**item) for item in head.get(name, ())] for name in PROBLEMS),
        )
        part = Part.parse(f'{head["index"]}/{head["count"]}')
        return ScoredPart(path, part, list(head['videos']), dict(head['settings']), outcome)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f'{path} is not the report of a part ({type(error).__name__}: {error}): '
            'r2vos test --part and r2vos score --part --json write these'
        ) from error


def merge_parts(paths: Iterable[Path]) -> ScoredPart:
    """Return the scores of all parts of a data set, in the order of one scoring of the whole.

    Raises:
        FileNotFoundError, ValueError: A report cannot be read, parts overlap or are missing, or are
            of different data sets, settings or checkpoints; the message names them.
    """
    parts = [read_part(path) for path in paths]
    first = parts[0]
    for other in parts[1:]:
        _check_alike(first, other)
    _check_overlap(parts)
    _check_gaps(parts)
    outcome = Outcome()
    for part in parts:
        outcome.add(part.outcome)
    outcome.sort()
    return ScoredPart(first.path, Part(1, 1), first.videos, first.settings, outcome)


def _check_alike(first: ScoredPart, other: ScoredPart) -> None:
    both = f'{first.path} and {other.path}'
    if first.part.count != other.part.count:
        raise ValueError(f'{both} are parts {first.part} and {other.part} of different divisions')
    if first.videos != other.videos:
        differing = sorted(set(first.videos) ^ set(other.videos)) or ['their order']
        raise ValueError(f'{both} are of different data sets; they differ in {shown(differing)}')
    for name in sorted(first.settings.keys() | other.settings.keys()):
        values = first.settings.get(name), other.settings.get(name)
        if values[0] != values[1]:
            raise ValueError(f'{both} were scored with different {name}: {values[0]}, {values[1]}')


def _check_overlap(parts: Sequence[ScoredPart]) -> None:
    numbers: dict[int, Path] = {}
    owners: dict[str, Path] = {}
    for part in parts:
        known = numbers.setdefault(part.part.index, part.path)
        if known is not part.path:
            raise ValueError(f'part {part.part} is given twice: {known} and {part.path}')
        for entry in (*part.outcome.pairs, *part.outcome.objects):
            owner = owners.setdefault(entry.pair_id, part.path)
            if owner is not part.path:
                raise ValueError(f'pair {entry.pair_id!r} is in both {owner} and {part.path}')


def _check_gaps(parts: Sequence[ScoredPart]) -> None:
    count, videos = parts[0].part.count, parts[0].videos
    found = {part.part.index for part in parts}
    absent = [Part(index, count) for index in range(1, count + 1) if index not in found]
    if absent:
        lost = [video for part in absent for video in part.of(videos)]
        raise ValueError(
            f'part {", ".join(map(str, absent))} is missing: {len(lost)} videos, {shown(lost)}'
        )
    for part in parts:
        outcome = part.outcome
        scored = {entry.video for entry in (*outcome.pairs, *outcome.objects)}
        scored |= {problem.where for problem in outcome.unscored}
        lost = [video for video in part.part.of(videos) if video not in scored]
        if lost:
            raise ValueError(f'{part.path} lacks {len(lost)} of its videos: {shown(lost)}')
