"""Submissions to the servers of Refer-YouTube-VOS, MeViS and Ref-DAVIS17."""

from .layouts import LAYOUTS, Layout, layout_named, scored_expressions
from .validator import SubmissionReport, check_submission
from .writer import SubmissionWriter, remaining_expressions

__all__ = [
    'LAYOUTS',
    'Layout',
    'SubmissionReport',
    'SubmissionWriter',
    'check_submission',
    'layout_named',
    'remaining_expressions',
    'scored_expressions',
]
