"""A setting with a wrong name, or of the wrong kind, is reported before anything is built."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from fuzzing import NASTY, OUTCOMES, fuzz, time_limit, used_or_refused
from hypothesis import given, note
from hypothesis import strategies as st
from mmengine.config import Config
from mmengine.registry import init_default_scope

from r2vos_mm.engine.config import read_config
from r2vos_mm.engine.unread_settings import check_options, check_settings
from r2vos_mm.utils.cli import UsageError, cfg_options

CONFIG = Path(__file__).parents[2] / 'configs' / 'r2vos_tiny_refshapes.py'
# Keys below these are names of the user's or of other libraries.
FREE = {
    'custom_keys',
    'metainfo',
    'norm_cfg',
    'act_cfg',
    'conv_cfg',
    'plugins',
    'dist_cfg',
    'shares',
}


def keys_of(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the keys that lead to the settings of a config, outside of lists.

    Dicts without a type inside of the model are arguments, wrong ones are found when it is built.
    """
    for key, item in value.items() if isinstance(value, Mapping) else ():
        if key not in FREE:
            if 'type' in value or path[:1] != ('model',):
                yield (*path, key)
            yield from keys_of(item, (*path, key))


@pytest.fixture(scope='module')
def config() -> Config:
    init_default_scope('r2vos_mm')
    return Config.fromfile(CONFIG)


KEYS = [path for path in keys_of(Config.fromfile(CONFIG).to_dict()) if path[-1] != 'type']


@st.composite
def misspelt(draw: st.DrawFn, word: str) -> str:
    """Draw a word with a letter too many, too few, or two letters in the other order."""
    at = draw(st.integers(0, max(len(word) - 2, 0)))
    kind = draw(st.sampled_from(['twice', 'drop', 'swap', 'more']))
    if kind == 'twice':
        return word[:at] + word[at] + word[at:]
    if kind == 'drop' and len(word) > 1:
        return word[:at] + word[at + 1 :]
    if kind == 'swap':
        return word[:at] + word[at : at + 2][::-1] + word[at + 2 :]
    return word + 's'


def check(config: Config, option: str) -> None:
    """Check a config as it is at the start of a training."""
    check_options(config, [option])
    check_settings(config)


@fuzz
@given(data=st.data())
def test_a_misspelt_name_is_reported(config: Config, data: st.DataObject) -> None:
    *lead, key = data.draw(st.sampled_from(KEYS))
    wrong = data.draw(misspelt(key))
    changed = config.to_dict()
    parent = changed
    for step in lead:
        parent = parent[step]
    if wrong in parent or wrong == key:
        return
    option = '.'.join([*lead, wrong])
    note(option)
    with_option = Config(changed, filename=str(CONFIG))
    with_option.merge_from_dict({option: parent[key]})
    with pytest.raises(UsageError) as caught, time_limit():
        check(with_option, option)
    OUTCOMES['refused'] += 1
    assert wrong in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@fuzz
@given(
    option=st.one_of(
        st.text(max_size=12).map(lambda text: f'model.{text}'),
        st.text(max_size=12),
        st.sampled_from([f'{".".join(path)}=' for path in KEYS]),
    ),
    value=st.sampled_from([str(value) for value in NASTY] + ['[', '(1,', '"', '{}', "[('a',)]"]),
)
def test_options_of_any_form(option: str, value: str) -> None:
    """Reading options ends with a config, or with an error that names the option."""
    text = option if option.endswith('=') else f'{option}={value}'
    text = f'{option}{value}' if option.endswith('=') else text
    used_or_refused(lambda: read_config(CONFIG, cfg_options([text])), option.split('=')[0], text)
