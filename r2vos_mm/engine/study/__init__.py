"""Studies: the same budget and seeds for several methods, one table at the end."""

from .execution import Failure, StudyRunner
from .plan import Row, Run, Setup, Study, Table, plan_runs, read_study
from .report import FILES, Report
from .run_folder import Result, RunFolder
from .tables import Statistic, figure_of, lines_of

__all__ = [
    'FILES',
    'Failure',
    'Report',
    'Result',
    'Row',
    'Run',
    'RunFolder',
    'Setup',
    'Statistic',
    'Study',
    'StudyRunner',
    'Table',
    'figure_of',
    'lines_of',
    'plan_runs',
    'read_study',
]
