"""Settings are read from the text of a config without running it."""

import pytest
from mmengine.config import Config

from r2vos_mm.utils.settings import changed_settings, read_settings, walk


def test_text_of_a_config_is_read() -> None:
    cfg = Config(dict(a=dict(b=[1, (2, -3.5)], c='x'), d=None, e={'key.with-dots': float('inf')}))
    settings = read_settings(cfg.pretty_text)
    assert settings['a'] == {'b': [1, [2, -3.5]], 'c': 'x'}
    assert settings['d'] is None
    assert settings['e'] == {'key.with-dots': 'inf'}


@pytest.mark.parametrize('text', ['a = ', 'no config', '(' * 9999, '\0', 'a = dict(1)'])
def test_other_text_gives_no_settings(text: str) -> None:
    assert read_settings(text) == {}


def test_nothing_is_run(tmp_path) -> None:
    path = tmp_path / 'touched'
    settings = read_settings(f'import os\na = open({str(path)!r}, "w")\nb = 1')
    assert settings['b'] == 1
    assert read_settings('a = {**b}') == {'a': '{**b}'}
    assert not path.exists()


def test_changes_are_named_with_both_values() -> None:
    old = {'model': {'a': 1, 'b': {'c': [1, 2]}}, 'seed': 0}
    new = {'model': {'a': 1, 'b': {'c': [1, 3]}, 'd': 4}, 'seed': 0}
    assert changed_settings(old, new) == [('model.b.c.1', 2, 3), ('model.d', None, 4)]
    assert changed_settings({'a': [1]}, {'a': [1, 2]}) == [('a', [1], [1, 2])]


def test_walk_gives_every_value_with_its_path_the_outermost_first():
    settings = {'a': [{'b': 1}, (2,)], 3: 'text'}
    assert list(walk(settings, 'top')) == [
        (('top',), settings),
        (('top', 'a'), [{'b': 1}, (2,)]),
        (('top', 'a', '0'), {'b': 1}),
        (('top', 'a', '0', 'b'), 1),
        (('top', 'a', '1'), (2,)),
        (('top', 'a', '1', '0'), 2),
        (('top', '3'), 'text'),
    ]
