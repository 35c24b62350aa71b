"""Manifests in JSON Lines, CSV and folders, and the lines that mistakes are told with."""

import json
from pathlib import Path

import pytest

from r2vos_mm.apis.collection.manifest import Job, digest, read_manifest
from r2vos_mm.utils.cli import UsageError


def written(folder: Path, *rows: object, name: str = 'jobs.jsonl') -> Path:
    path = folder / name
    path.write_text(''.join((r if isinstance(r, str) else json.dumps(r)) + '\n' for r in rows))
    return path


def test_json_lines(tmp_path: Path) -> None:
    """Blank lines and other keys are ignored; expressions of the call are for rows without any."""
    path = written(
        tmp_path,
        dict(id='a', video='a.mp4', expressions=['A dog'], note='x'),
        '',
        dict(id='b', video='https://host/b.mp4', span=[3, 9], frames=20),
    )
    first, second = read_manifest(path, ['a cat'])
    assert first == Job('a', 'a.mp4', ('A dog',), folder=str(tmp_path))
    assert first.path == str(tmp_path / 'a.mp4')
    assert second[:5] == ('b', 'https://host/b.mp4', ('a cat',), (3, 9), 20)
    assert second.path == 'https://host/b.mp4'


def test_csv_means_the_same(tmp_path: Path) -> None:
    table = 'id,video,expressions,start,end,frames\na,a.mp4, A dog | a cat ,,,\nb,b.mp4,x,3,9,20'
    path = written(tmp_path, table, name='jobs.csv')
    rows = [
        dict(id='a', video='a.mp4', expressions=['A dog', 'a cat']),
        dict(id='b', video='b.mp4', expressions=['x'], span=[3, 9], frames=20),
    ]
    assert read_manifest(path) == read_manifest(written(tmp_path, *rows))


def test_folder(tmp_path: Path) -> None:
    """Video files and folders of images, at all depths; other and hidden files are not videos."""
    for name in ('b.mp4', 'sub/a.MOV', 'frames/1.jpg', 'notes.txt', '.x.mp4', '.hidden/c.mp4'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text('')
    jobs = read_manifest(tmp_path, ['a dog'])
    assert [(job.id, job.path) for job in jobs] == [
        (name, str(tmp_path / name)) for name in ('b.mp4', 'frames', 'sub/a.MOV')
    ]
    with pytest.raises(UsageError, match='give the expressions'):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('{"id": "a"', 'line 2: not JSON'),
        ('[]', 'line 2: expected an object, got list'),
        ('{"id": "first", "video": "b.mp4"}', "line 2: id 'first' is that of line 1"),
        ('{"id": 3, "video": "b.mp4"}', "line 2: 'id' is 3, not text"),
        ('{"id": "a"}', "line 2: 'video' is None, not text"),
        ('{"id": "a", "video": "b", "expressions": "x"}', "line 2: 'expressions' are 'x'"),
        ('{"id": "a", "video": "b", "expressions": [" "]}', "line 2: 'expressions' are"),
        ('{"id": "a", "video": "b", "span": [4, 4]}', "line 2: 'span' is"),
        ('{"id": "a", "video": "b", "frames": -1}', "line 2: 'frames' is -1"),
    ],
)
def test_mistakes_are_told_with_their_line(tmp_path: Path, line: str, message: str) -> None:
    path = written(tmp_path, dict(id='first', video='a.mp4'), line, '{}')
    with pytest.raises(UsageError) as error:
        read_manifest(path, ['a dog'])
    assert f'{path}: {message}' in str(error.value)
    assert str(error.value).endswith('(and 1 more)')


def test_files_that_are_no_manifests(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match='has no rows'):
        read_manifest(written(tmp_path, ''))
    with pytest.raises(UsageError, match='cannot be read'):
        read_manifest(tmp_path / 'nowhere.jsonl')
    (tmp_path / 'utf16.jsonl').write_bytes('{"id": "ä"}'.encode('utf-16'))
    with pytest.raises(UsageError, match='not in UTF-8'):
        read_manifest(tmp_path / 'utf16.jsonl')
    with pytest.raises(UsageError, match='is not a table in CSV .field larger'):
        read_manifest(written(tmp_path, 'id,video', f'a,{"b" * 2**18}', name='long.csv'), ['a'])
    with pytest.raises(UsageError, match='line 2: start, end and frames are numbers'):
        read_manifest(written(tmp_path, 'id,video,start', 'a,b,x', name='x.csv'), ['a'])


def test_names_that_rows_cannot_hold(tmp_path: Path) -> None:
    try:
        (tmp_path / 'd\udce9j\udce0.mp4').write_text('')
    except (OSError, UnicodeError):
        pytest.skip('this file system takes names in UTF-8 only')
    with pytest.raises(UsageError, match='is not in UTF-8: rename the file'):
        read_manifest(tmp_path, ['a dog'])


def test_rows_of_failures_are_a_manifest(tmp_path: Path) -> None:
    """Elsewhere, with the same videos."""
    job = Job('a', 'a.mp4', ('x', 'y'), (2, 5), folder=str(tmp_path))
    (tmp_path / 'out').mkdir()
    [again] = read_manifest(written(tmp_path / 'out', {**job.as_dict(), 'error': 'broken'}))
    assert (again.id, again.path, again.texts, again.span) == (job.id, job.path, *job[2:4])


def test_digest_knows_what_rows_depend_on() -> None:
    job = Job('a', 'a.mp4', ('x',), None, 7, '/here')
    assert digest([job]) == digest([job._replace(frames=None, folder='/there')])
    others = [dict(id='b'), dict(video='b'), dict(texts=('y',)), dict(span=(0, 3))]
    assert len({digest([job._replace(**change)]) for change in [{}, *others]}) == 5
