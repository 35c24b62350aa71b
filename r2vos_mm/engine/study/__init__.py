"""Studies: the same budget and seeds for several methods, one table at the end."""

from r2vos_mm.engine.study.execution import Failure, StudyRunner
from r2vos_mm.engine.study.plan import Row, Run, Setup, Study, Table, plan_runs, read_study
from r2vos_mm.engine.study.report import FILES, Report
from r2vos_mm.engine.study.run_folder import Result, RunFolder
from r2vos_mm.engine.study.tables import Statistic, figure_of, lines_of

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
