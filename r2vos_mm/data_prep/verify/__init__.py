"""Checks whether a data set is complete and sound."""

from pathlib import Path

from .known_sets import KNOWN_SETS, KnownSet
from .layout_check import check_layout
from .record_check import check_records
from .report import COLUMNS, CheckReport, Tally

__all__ = [
    'COLUMNS',
    'KNOWN_SETS',
    'CheckReport',
    'KnownSet',
    'Tally',
    'check_layout',
    'check_records',
    'check_set',
]


def check_set(
    data_root: Path, *, known: KnownSet | None = None, sample: int | None = 200, workers: int = 1
) -> CheckReport:
    """Checks a set as its kind needs it; see :func:`check_layout` for the arguments."""
    check = check_records if known is not None and known.readers else check_layout
    return check(data_root, known=known, sample=sample, workers=workers)
