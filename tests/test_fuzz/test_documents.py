"""Damaged annotation files, pairs files and tables are used, listed or refused, never misread."""

import csv
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from fuzzing import NASTY, damaged, damaged_bytes, fuzz, used_or_refused
from hypothesis import given
from hypothesis import strategies as st
from tiny_sets import VIDEOS, write_set

from r2vos_mm.data_prep.csv_annotations import make_meta, read_table
from r2vos_mm.datasets import R2VOSDataset
from r2vos_mm.utils.data_issues import ProblemList, collected_problems
from r2vos_mm.utils.formats.expressions import normalize_text
from r2vos_mm.utils.formats.pairs import read_pair_rows

FRAMES = {video: [f'{5 * i:05d}' for i in range(length)] for video, (length, *_) in VIDEOS.items()}
OBJECTS = {video: set(objects) for video, (_, objects, _) in VIDEOS.items()}
META = {
    'videos': {
        video: {
            'frames': FRAMES[video],
            'expressions': {
                str(i): {'exp': exp, 'obj_id': obj} for i, (exp, obj) in enumerate(sentences)
            },
        }
        for video, (_, _, sentences) in VIDEOS.items()
    }
}
PAIRS = {
    'format': 'r2-pairs/1',
    'name': 'toy',
    'pairs': [
        {'pair_id': f'v0/{i}/{kind}{i}', 'video': video, 'exp_video': 'v0', 'exp_id': str(i),
         'exp': 'a dog', 'obj_id': '1', 'label': label, 'kind': kind, 'rank': 0}
        for i, (video, label, kind) in enumerate(
            [('v0', 1, 'positive'), ('v1', 0, 'other_video'), ('v2', 0, 'attribute')]
        )
    ],
}  # fmt: skip
TABLE = [('v0', '1', 'dog', 'a dog, on the left'), ('v0', '2', 'cat', 'a "red"\ncat'),
         ('v1', '1', 'train', 'a small train'), ('v2', '1', 'zebra', 'one zebra')]  # fmt: skip


@pytest.fixture(scope='module')
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(tmp_path_factory.mktemp('fuzz') / 'tiny')


def load(root: Path) -> tuple[R2VOSDataset, list]:
    with collected_problems() as problems:
        return R2VOSDataset(data_root=str(root), split='train', pipeline=[]), problems


def is_sound(video: str, entry: Any) -> bool:
    """Whether an expression of a listed video is beyond doubt."""
    return (
        isinstance(entry, dict)
        and isinstance(entry.get('exp'), str)
        and entry['exp'].isprintable()
        and bool(entry['exp'].strip())
        and entry.get('obj_id') in OBJECTS[video]
    )


def is_named(problems: list, *names: str) -> bool:
    return any(name in str(problem) for name in names for problem in problems)


def assert_faithful(dataset: R2VOSDataset, problems: list, content: Any) -> None:
    """Sound expressions are used or named; used ones are those of the file."""
    videos = {video.video_id: video for video in dataset.videos}
    for name, video in videos.items():
        listed = content['videos'][name]
        assert set(video.frames) <= set(FRAMES[name])
        assert all(frame in listed['frames'] for frame in video.frames)
        for expression in video.expressions:
            entry = listed['expressions'][expression.exp_id]
            assert expression.text == normalize_text(entry['exp'])
            assert not isinstance(entry['obj_id'], bool)
            assert int(expression.obj_id) == int(float(entry['obj_id']))
            # Objects that are in no mask are named by the metric, by check.py and in training.
            assert 0 < int(expression.obj_id) < 256
    for name, entry in content['videos'].items():
        expressions = entry.get('expressions') if isinstance(entry, dict) else None
        used = {e.exp_id for e in videos[name].expressions} if name in videos else set()
        for exp_id, item in expressions.items() if isinstance(expressions, dict) else ():
            if exp_id not in used:
                assert is_named(problems, f'expression {exp_id}', f'{name}:'), (name, exp_id)
            elif name in OBJECTS and not is_sound(name, item):
                assert item['exp'].strip()
                assert int(float(item['obj_id']))
    for name in OBJECTS.keys() - videos.keys():
        assert is_named(problems, name)


@fuzz
@given(content=damaged(META))
def test_expressions(root: Path, content: Any) -> None:
    path = root / 'meta_expressions' / 'train' / 'meta_expressions.json'
    path.write_bytes(json.dumps(content).encode('utf-8', 'surrogatepass'))
    loaded = used_or_refused(lambda: load(root), str(path), str(root))
    if loaded is not None:
        assert_faithful(*loaded, content)


@fuzz
@given(data=damaged_bytes(json.dumps(META).encode()))
def test_bytes_of_expressions(root: Path, data: bytes) -> None:
    path = root / 'meta_expressions' / 'train' / 'meta_expressions.json'
    path.write_bytes(data)
    loaded = used_or_refused(lambda: load(root), str(path), str(root))
    if loaded is not None:
        assert_faithful(*loaded, json.loads(data.decode('utf-8-sig')))


@fuzz
@given(content=damaged(PAIRS))
def test_pairs(root: Path, content: Any) -> None:
    path = root / 'pairs.json'
    path.write_text(json.dumps(content))
    problems = ProblemList('pairs.json')
    rows = used_or_refused(lambda: read_pair_rows(path, problems), str(path))
    if rows is None:
        return
    assert len(rows) + len(problems.rows) >= len(content['pairs'])
    assert len({row['pair_id'] for row in rows}) == len(rows)
    for row in rows:
        assert any(
            row | {'obj_id': None} == given | {'obj_id': None}
            for given in content['pairs']
            if isinstance(given, dict)
        )
        assert row['label'] in (0, 1)
        assert (row['label'] == 1) == (row['kind'] == 'positive')
        assert all(isinstance(row[key], str) for key in ('video', 'exp', 'exp_id', 'pair_id'))


def as_csv(rows: list[tuple[str, ...]], delimiter: str = ',') -> str:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerows([('video', 'obj_id', 'category', 'exp'), *rows])
    return out.getvalue()


CELL = st.text(st.characters(codec='utf-8', exclude_characters='\x00'), max_size=12)


@fuzz
@given(sentences=st.lists(CELL, min_size=1, max_size=4), delimiter=st.sampled_from(',;\t'))
def test_tables_as_spreadsheets_write_them(
    root: Path, sentences: list[str], delimiter: str
) -> None:
    """Whatever a cell holds, the rows read are the rows written."""
    path = root / 'table.csv'
    rows = [('v0', '1', 'dog', sentence) for sentence in sentences]
    path.write_bytes(as_csv(rows, delimiter).encode('utf-8-sig'))
    read = used_or_refused(lambda: read_table(path), str(path))
    if read is not None:
        assert [' '.join(row.exp.split()) for row in read] == [
            ' '.join(s.split()) for s in sentences
        ]


@fuzz
@given(data=damaged_bytes(as_csv(TABLE).encode()))
def test_bytes_of_tables(root: Path, data: bytes) -> None:
    """A damaged table gives the rows of a strict reader, or is refused."""
    path = root / 'table.csv'
    path.write_bytes(data)
    read = used_or_refused(lambda: read_table(path), str(path))
    if read is None:
        return
    text = data.decode('utf-8-sig')
    strict = list(csv.reader(io.StringIO(text, newline=''), strict=True, skipinitialspace=True))
    header, lines = (
        [cell.strip().lower() for cell in strict[0]],
        [row for row in strict[1:] if any(cell.strip() for cell in row)],
    )
    assert all(len(line) <= len(header) for line in lines)
    expected = Counter(tuple(cell.strip() for cell in line) for line in lines)
    # Rows of white space alone may count.
    assert expected.total() <= len(read) <= sum(any(row) for row in strict[1:])


@fuzz
@given(
    video=st.sampled_from(['v0', 'v1', 'V0', '', '..', 'x' * 300, '[/]', '\u202e']),
    obj_id=st.sampled_from([str(value) for value in NASTY if not isinstance(value, (dict, list))]),
    exp=st.sampled_from(['a dog', '', ' ', 'x' * 3000, '\u2028', '[/]']),
)
def test_rows_of_tables(root: Path, video: str, obj_id: str, exp: str) -> None:
    """Of each row: it is in the file that is written, or a problem names it."""
    path = root / 'table.csv'
    row = (video, obj_id, 'dog', exp)
    path.write_bytes(as_csv([('v2', '1', 'zebra', 'one zebra'), row]).encode('utf-8', 'replace'))
    made = used_or_refused(lambda: make_meta(path, root), str(path))
    if made is None:
        return
    entry = made.meta_expressions['videos'].get(video.strip(), {}).get('expressions', {})
    texts = [item['exp'] for item in entry.values()]
    is_in = exp.strip() in texts and obj_id.strip() and int(float(obj_id)) in (1, 2)
    is_listed = any(
        f'line {n}' in problem.where for n in (3, 4, 5) for problem in made.problems.rows
    )
    named = any((video.strip() or '(no video)') in problem.where for problem in made.problems.rows)
    assert is_in or is_listed or named or not exp.strip()
