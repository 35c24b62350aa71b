"""Options of ``r2vos test``."""

import pytest
from mmengine.config import Config

from r2vos_mm.cli.test import write_scores
from r2vos_mm.utils.cli import UsageError


def test_scores_of_pairs_are_written_by_the_metric():
    one = Config(dict(test_evaluator=dict(type='JFRMetric')))
    write_scores(one, 'a.csv')
    assert one.test_evaluator.csv_path == 'a.csv'
    several = Config(dict(test_evaluator=[dict(type='Other'), dict(type='JFRMetric')]))
    write_scores(several, 'a.csv')
    assert several.test_evaluator == [
        dict(type='Other'),
        dict(type='JFRMetric', csv_path='a.csv'),
    ]
    with pytest.raises(UsageError, match='--out a.csv: the test_evaluator of the config has no'):
        write_scores(Config({}), 'a.csv')
