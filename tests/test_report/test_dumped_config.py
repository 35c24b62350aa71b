"""Configs that a test has written are read without running them, and compared."""

from pathlib import Path

import pytest
from mmengine.config import Config

from r2vos_mm.report.dumped_config import (
    MISSING,
    config_difference,
    config_sha256,
    read_dumped_config,
)

SETTINGS = dict(
    model=dict(type='A', lr=-1e-4, sizes=(1, 2), none=None, names={'a b': 1, 3: 'x'}),
    steps=[dict(type='Load'), dict(type='Resize', scale=(640, 360))],
    empty={},
)


def test_what_mmengine_dumps_is_read(tmp_path: Path):
    Config(SETTINGS).dump(tmp_path / 'config.py')
    found = read_dumped_config(tmp_path / 'config.py')
    assert found['model'] == SETTINGS['model'] | dict(sizes=[1, 2], names={'a b': 1, '3': 'x'})
    assert found['steps'][1]['scale'] == [640, 360]
    assert found['empty'] == {}


@pytest.mark.parametrize('text', ['import os', 'a = dict(1)', 'a =', 'a = ' + '-' * 99999])
def test_other_files_are_refused(tmp_path: Path, text: str):
    (tmp_path / 'config.py').write_text(text)
    with pytest.raises(ValueError, match='config.py is not a config that a run has written'):
        read_dumped_config(tmp_path / 'config.py')


def test_only_what_differs_is_listed():
    first = dict(model=dict(a=1, b=dict(c=2, d=3)), steps=[dict(x=1), dict(x=2)], work_dir='a')
    second = dict(model=dict(a=1, b=dict(c=2, d=4, e=5)), steps=[dict(x=1), dict(x=3)])
    assert [tuple(entry) for entry in config_difference([first, second])] == [
        (0, 'model', (), 'model'),
        (1, 'b', (), 'model.b'),
        (2, 'd', (3, 4), 'model.b.d'),
        (2, 'e', (MISSING, 5), 'model.b.e'),
        (0, 'steps', (), 'steps'),
        (1, '[1]', (), 'steps[1]'),
        (2, 'x', (2, 3), 'steps[1].x'),
    ]
    assert config_difference([first, first, first]) == []
    assert config_difference([]) == []


def test_parts_of_different_form_are_compared_whole():
    values = [dict(a=[dict(x=1)]), dict(a=[dict(x=1), dict(x=2)]), dict(a=None)]
    (entry,) = config_difference(values)
    assert entry.values == ([{'x': 1}], [{'x': 1}, {'x': 2}], None)


def test_hash_leaves_out_order_and_outputs():
    first = dict(a=1, b=dict(c=[dict(csv_path='x', d=2)]), work_dir='x')
    assert config_sha256(first) == config_sha256(dict(b=dict(c=[dict(d=2)]), a=1))
    assert config_sha256(first) != config_sha256(first | dict(a=2))
