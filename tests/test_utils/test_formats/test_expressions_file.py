"""Names, object numbers and expressions of JSON files that people write."""

import doctest
from pathlib import Path

import pytest
from tiny_sets import write_json

from r2vos_mm.utils.formats import expressions as expressions_file
from r2vos_mm.utils.formats.expressions import (
    frame_order,
    is_plain_name,
    is_text,
    object_number,
    read_expressions,
)


def test_examples_of_the_docstrings() -> None:
    assert doctest.testmod(expressions_file).failed == 0


@pytest.mark.parametrize(
    'value', [None, True, [], ['1'], {}, '', '-1', -1, 256, 1.5, 'nan', '9' * 5000, '1e2']
)
def test_no_object_numbers(value: object) -> None:
    assert object_number(value) is None


def test_object_numbers_of_spreadsheets_and_of_coco() -> None:
    assert [object_number(value) for value in (' 7 ', '07', 7.0, '7.00', 255)] == ['7'] * 4 + [
        '255'
    ]
    assert object_number(1_719_310, largest=10**17) == '1719310'


@pytest.mark.parametrize('name', ['x' * 300, 'é' * 130, 'a\ud800'])
def test_names_that_no_file_can_have(name: str) -> None:
    assert not is_plain_name(name)


def test_text() -> None:
    assert is_text('a dog')
    assert not any(is_text(value) for value in ('', ' \n', 'a \ud83d dog', None, 3))


def test_order_of_endless_numbers() -> None:
    assert sorted(['9' * 5000, '2', 'a'], key=frame_order) == ['2', '9' * 5000, 'a']


@pytest.mark.parametrize(
    'item', [dict(expressions='a dog'), dict(frames='00000'), dict(frames=[0]), dict(frames=[[]])]
)
def test_objects_of_another_form_stay_as_they_are(tmp_path: Path, item: dict) -> None:
    """A string is not a list of its letters; the reader of the layout reports the entry."""
    videos = {'v': dict(objects={'1': item})}
    assert read_expressions(write_json(tmp_path / 'm.json', dict(videos=videos))) == videos


def test_null_lists_are_empty(tmp_path: Path) -> None:
    objects = {'1': dict(expressions=None, frames=None), '2': dict(expressions=['a'], frames=['0'])}
    path = write_json(tmp_path / 'm.json', dict(videos={'v': dict(objects=objects)}))
    assert read_expressions(path)['v'] == dict(
        expressions={'0': dict(exp='a', obj_id='2')}, frames=['0']
    )
