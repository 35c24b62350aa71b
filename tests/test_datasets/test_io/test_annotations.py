"""Reading the layout of Refer-YouTube-VOS, with everything that can be wrong in it."""

import doctest
import json
import shutil
from pathlib import Path

import pytest
from tiny_sets import write_json, write_set

from r2vos_mm.datasets import records
from r2vos_mm.datasets.io import annotations as layout
from r2vos_mm.datasets.io.annotations import LayoutReader, read_categories
from r2vos_mm.utils.data_issues import ProblemList
from r2vos_mm.utils.formats.expressions import is_plain_name, read_expressions

ENTRY = dict(frames=['00000', '00005'], expressions={'0': dict(exp='A  Dog', obj_id='1')})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_set(tmp_path / 'set', {'v': (2, {'1': 'dog'}, [('a dog', '1')])})


def read(
    root: Path, entry: object = ENTRY, *, video_id: str = 'v', need_masks: bool = True
) -> tuple[records.VideoRecord | None, list[str]]:
    """The record, and the problems as 'where: what -> consequence'."""
    problems = ProblemList('')
    reader = LayoutReader(
        root / 'train', categories={'v': {'1': 'dog'}}, problems=problems, need_masks=need_masks
    )
    record = reader.read_video(video_id, entry)
    return record, [f'{row.where}: {row.what} -> {row.consequence}' for row in problems.rows]


def test_examples_of_the_docstrings() -> None:
    assert doctest.testmod(layout).failed == 0
    assert doctest.testmod(records).failed == 0


def test_a_sound_video(root: Path) -> None:
    record, problems = read(root)
    assert problems == []
    assert record == records.VideoRecord(
        'v',
        ('00000', '00005'),
        root / 'train/JPEGImages/v',
        root / 'train/Annotations/v',
        (records.Expression('0', 'a dog', '1'),),
        {'1': 'dog'},
    )


@pytest.mark.parametrize('name', ['', '.', '..', 'a/b', '/etc', 'a\\b', '../x', 'c:x', 'a\0', 5])
def test_names_never_leave_their_folder(root: Path, name: object) -> None:
    assert not is_plain_name(name)
    record, problems = read(root, video_id=name)
    assert record is None
    assert problems == [f'{name}: video id is not a plain folder name -> video skipped']
    record, problems = read(root, ENTRY | dict(frames=['00000', name]))
    assert record.frames == ('00000',)
    assert problems == [f'v: frame name {name!r} is not a plain file name -> frame skipped']


@pytest.mark.parametrize('name', ['00000', 'breakdance-flare', '-abc', 'a.b', 'été'])
def test_plain_names(name: str) -> None:
    assert is_plain_name(name)


@pytest.mark.parametrize('obj_id', [1, 1.0, '01', '1.0'])
def test_forms_of_object_numbers(root: Path, obj_id: object) -> None:
    record, problems = read(root, ENTRY | dict(expressions={'0': dict(exp='x', obj_id=obj_id)}))
    assert (record.expressions[0].obj_id, problems) == ('1', [])


def test_expressions_without_object_do_not_unscore_the_others(root: Path) -> None:
    some = {'0': dict(exp='a dog', obj_id='1'), '1': dict(exp='it')}
    record, problems = read(root, ENTRY | dict(expressions=some), need_masks=False)
    assert [expression.exp_id for expression in record.expressions] == ['0']
    assert problems == [
        'v expression 1: has no object, others of its video do -> expression skipped'
    ]
    record, problems = read(root, ENTRY | dict(expressions={'1': some['1']}), need_masks=False)
    assert (len(record.expressions), problems) == (1, [])


def test_suffixes_in_any_case_and_side_files(root: Path) -> None:
    for folder, suffix in (('JPEGImages', 'jpg'), ('Annotations', 'png')):
        for path in (root / f'train/{folder}/v').glob(f'*.{suffix}'):
            path.with_name(f'._{path.name}').write_bytes(b'resource fork')
            path.rename(path.with_suffix(path.suffix.upper()))
        (root / f'train/{folder}/__MACOSX').mkdir()
    record, problems = read(root)
    assert (record.frames, problems) == (('00000', '00005'), [])
    problems = ProblemList('')
    reader = LayoutReader(root / 'train', categories={}, problems=problems, need_masks=True)
    reader.note_unlisted({'v'})
    assert problems.rows == []


def test_frames_are_put_in_order_once(root: Path) -> None:
    record, _ = read(root, ENTRY | dict(frames=['00005', '00000', '00005']))
    assert record.frames == ('00000', '00005')


@pytest.mark.parametrize(
    ('entry', 'problem'),
    [
        ([], 'v: entry is a list, not a dict -> video skipped'),
        (
            dict(frames=['00000'], sentences={}),
            "v: has no dict 'expressions' (keys: frames, sentences) -> video skipped",
        ),
        (dict(expressions={}), "v: has no list 'frames' (keys: expressions) -> video skipped"),
        (ENTRY | dict(frames=[]), 'v: has no usable frame -> video skipped'),
        (ENTRY | dict(expressions={}), 'v: has no usable expression -> video skipped'),
    ],
)
def test_entries_of_another_form(root: Path, entry: object, problem: str) -> None:
    assert read(root, entry) == (None, [problem])


@pytest.mark.parametrize(
    ('expression', 'problem'),
    [
        (dict(exp='', obj_id='1'), 'text is empty'),
        (dict(exp=' \t\n', obj_id='1'), 'text is empty'),
        (dict(sentence='a dog', obj_id='1'), "has no text 'exp'"),
        (dict(exp=None, obj_id='1'), "has no text 'exp'"),
        ('a dog', "has no text 'exp'"),
        (dict(exp='a dog'), "has no 'obj_id'"),
        (dict(exp='a dog', obj_id='dog'), "obj_id 'dog' is not a number from 1 to 255"),
        (dict(exp='a dog', obj_id='0'), "obj_id '0' is not a number from 1 to 255"),
        (dict(exp='a dog', obj_id=256), 'obj_id 256 is not a number from 1 to 255'),
        (dict(exp='a dog', obj_id=[1]), 'obj_id [1] is not a number from 1 to 255'),
        (dict(exp='a dog', obj_id=1.5), 'obj_id 1.5 is not a number from 1 to 255'),
        (dict(exp='a \ud83d', obj_id=1), 'text has half a character (a lone surrogate)'),
    ],
)
def test_sentences_that_cannot_be_used(root: Path, expression: object, problem: str) -> None:
    entry = ENTRY | dict(expressions={'0': expression, '1': dict(exp='the dog', obj_id=1)})
    record, problems = read(root, entry)
    assert record.expressions == (records.Expression('1', 'the dog', '1'),)
    assert problems == [f'v expression 0: {problem} -> expression skipped']


def test_in_testing_the_object_may_be_unknown(root: Path) -> None:
    entry = ENTRY | dict(expressions={'0': dict(exp='a dog')})
    record, problems = read(root, entry, need_masks=False)
    assert record.expressions == (records.Expression('0', 'a dog', ''),)
    assert problems == []


@pytest.mark.parametrize(
    ('kind', 'name'), [('JPEGImages', '00005.jpg'), ('Annotations', '00005.png')]
)
def test_missing_files_cost_their_frame(root: Path, kind: str, name: str) -> None:
    (root / 'train' / kind / 'v' / name).unlink()
    record, problems = read(root)
    assert record.frames == ('00000',)
    assert problems == [f'v: {kind}/v/{name} is missing -> frame skipped']


def test_masks_of_first_frames_are_no_truth(tmp_path: Path) -> None:
    """The challenge gives out the masks of the frames in which objects appear first."""
    root = write_set(tmp_path / 'set', {'v': (3, {'1': 'dog'}, [('a dog', '1')])})
    names = sorted(path.stem for path in (root / 'train/JPEGImages/v').iterdir())
    for name in names[1:]:
        (root / f'train/Annotations/v/{name}.png').unlink()
    entry = ENTRY | dict(frames=names)
    record, problems = read(root, entry, need_masks=False)
    assert (record.frames, record.mask_dir) == (tuple(names), None)
    assert problems == ['v: 1 of 3 frames have a mask -> masks unused']
    assert read(root, entry)[0].frames == (names[0],)  # in training frames with a mask are used


def test_missing_folders_cost_the_video(root: Path) -> None:
    assert read(root, video_id='w') == (
        None,
        ['w: listed, but JPEGImages/w is missing -> video skipped'],
    )
    shutil.rmtree(root / 'train/Annotations/v')
    assert read(root) == (None, ['v: has no folder Annotations/v -> video skipped'])
    record, problems = read(root, need_masks=False)
    assert (record.mask_dir, problems) == (None, [])
    shutil.rmtree(root / 'train/JPEGImages')
    with pytest.raises(FileNotFoundError, match='JPEGImages is not a folder. Check data_root'):
        read(root)


def test_unlisted_folders_are_noted(root: Path) -> None:
    problems = ProblemList('')
    LayoutReader(root / 'train', categories={}, problems=problems, need_masks=True).note_unlisted(
        set()
    )
    assert [(row.where, row.what) for row in problems.rows] == [('v', 'folder, but not listed')]


@pytest.mark.parametrize('content', [dict(video={}), [], dict(videos=[])])
def test_sentences_file_of_another_form(tmp_path: Path, content: object) -> None:
    path = write_json(tmp_path / 'meta.json', content)
    with pytest.raises(ValueError, match=r"meta\.json has no dict 'videos'.*Expected"):
        read_expressions(path)


def test_files_that_are_missing_or_no_json(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r'm\.json does not exist. Check data_root'):
        read_expressions(tmp_path / 'm.json')
    (tmp_path / 'm.json').write_text('{"videos": ')
    with pytest.raises(ValueError, match=r'm\.json is not valid JSON .*again'):
        read_expressions(tmp_path / 'm.json')


def test_the_first_release_lists_by_object(tmp_path: Path) -> None:
    objects = {
        '10': dict(expressions=['c'], frames=['00005']),
        '2': dict(expressions=['a', 'b'], expressions_first_frame=['x'], frames=['00000', '00005']),
    }
    path = write_json(tmp_path / 'm.json', dict(videos={'v': dict(objects=objects)}))
    assert read_expressions(path) == {
        'v': dict(
            expressions={
                '0': dict(exp='a', obj_id='2'),
                '1': dict(exp='b', obj_id='2'),
                '2': dict(exp='c', obj_id='10'),
            },
            frames=['00000', '00005'],
        )
    }


def test_first_release_and_challenge_have_the_same_sentences(test_data: Path) -> None:
    folder = test_data / 'data/refer_youtube_vos_valid'
    first = read_expressions(folder / 'meta_expressions_valid_first_and_full.json')
    challenge = read_expressions(folder / 'meta_expressions.json')
    assert len(challenge) == 507
    assert first.keys() == challenge.keys()
    for video_id, entry in challenge.items():
        sentences = {i: item['exp'] for i, item in first[video_id]['expressions'].items()}
        assert sentences == {i: item['exp'] for i, item in entry['expressions'].items()}


def test_categories(tmp_path: Path) -> None:
    problems = ProblemList('')
    path = tmp_path / 'meta.json'
    assert read_categories(path, problems) == {}
    assert problems.rows == []
    good = dict(objects={'1': dict(category='dog'), '2': dict(kind='cat'), '3': 5})
    write_json(path, dict(videos=dict(a=good, b={})))
    assert read_categories(path, problems) == {'a': {'1': 'dog'}}
    assert [(row.where, row.what) for row in problems.rows] == [
        ('meta.json: b', "has no dict 'objects'")
    ]
    path.write_text(json.dumps([]))
    assert read_categories(path, problems) == {}
    assert problems.rows[-1].what == "has no dict 'videos'"


def test_the_report_is_one_record_and_limited() -> None:
    problems = ProblemList('m.json', max_rows=2)
    for number in range(5):
        problems.add(f'v{number}', 'is missing', 'video skipped')
    assert problems.table().splitlines() == [
        '  v0  is missing  -> video skipped',
        '  v1  is missing  -> video skipped',
        '  ... and 3 more',
    ]
