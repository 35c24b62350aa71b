"""Reading pairs files."""

from pathlib import Path

import pytest
from tiny_sets import write_json

from r2vos_mm.datasets import Pair
from r2vos_mm.datasets.records import read_pairs
from r2vos_mm.utils.data_issues import ProblemList
from r2vos_mm.utils.formats.pairs import read_pair_rows

GOOD = dict(
    pair_id='v/0/p',
    video='v',
    exp_video='v',
    exp_id='0',
    exp=' A  Dog ',
    obj_id='2',
    category='dog',
    label=1,
    kind='positive',
    rank=0,
)
NEGATIVE = GOOD | dict(pair_id='v/0/n0', video='w', label=0, kind='easy')


def read(path: Path, *rows: object) -> tuple[dict, ProblemList]:
    problems = ProblemList(str(path))
    write_json(path, dict(format='r2-pairs/1', pairs=list(rows)))
    return read_pairs(path, problems), problems


def test_pairs_by_the_video_shown(tmp_path: Path) -> None:
    pairs, problems = read(tmp_path / 'p.json', GOOD, NEGATIVE, GOOD | dict(pair_id='x', exp='B'))
    assert pairs == {
        'v': [Pair('a dog', 'v/0/p', '0', '2'), Pair('b', 'x', '0', '2')],
        'w': [Pair('a dog', 'v/0/n0', '0', '', 'easy', True)],
    }
    assert problems.rows == []


@pytest.mark.parametrize('obj_id', ['', None])
def test_object_may_be_unknown(tmp_path: Path, obj_id: str | None) -> None:
    pairs, _ = read(tmp_path / 'p.json', GOOD | dict(obj_id=obj_id))
    assert pairs['v'][0].obj_id == ''


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(exp='  '), "no text 'exp'"),
        (dict(exp=None), "no text 'exp'"),
        (dict(video=3), "no text 'video'"),
        (dict(label=2), 'label is 2'),
        (dict(label=0), "label 0 contradicts kind 'positive'"),
        (dict(obj_id='one'), "obj_id 'one'"),
        (dict(exp_id='../0'), 'not a plain name'),
    ],
)
def test_rows_that_cannot_be_used_are_noted(tmp_path: Path, change: dict, message: str) -> None:
    pairs, problems = read(tmp_path / 'p.json', GOOD | change, NEGATIVE, 'row')
    assert list(pairs) == ['w']
    assert [problem.where for problem in problems.rows] == ['p.json: row 0', 'p.json: row 2']
    assert message in problems.rows[0].what


@pytest.mark.parametrize(
    'content', [[], dict(format='r2-pairs/2', pairs=[]), dict(format='r2-pairs/1'), dict(videos={})]
)
def test_other_files_are_refused(tmp_path: Path, content: object) -> None:
    path = write_json(tmp_path / 'p.json', content)
    with pytest.raises(ValueError, match=r'p\.json is not a pairs file: expected format'):
        read_pairs(path, ProblemList(''))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r'p\.json does not exist'):
        read_pairs(tmp_path / 'p.json', ProblemList(''))


def test_a_pair_id_counts_once(tmp_path: Path) -> None:
    pairs, problems = read(tmp_path / 'p.json', GOOD, GOOD | dict(exp='b'))
    assert [pair.text for pair in pairs['v']] == ['a dog']
    assert [row.what for row in problems.rows] == ["pair id 'v/0/p' occurs twice"]


def test_without_a_list_of_problems_rows_are_errors(tmp_path: Path) -> None:
    read(tmp_path / 'p.json', GOOD, GOOD | dict(label=2))
    with pytest.raises(ValueError, match=r'p\.json: row 1 label is 2'):
        read_pair_rows(tmp_path / 'p.json')
