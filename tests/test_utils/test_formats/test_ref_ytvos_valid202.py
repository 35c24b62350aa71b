"""The validation list of Refer-YouTube-VOS: 202 scored of 507, and the objects of its sentences."""

import doctest
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_sets import PIPELINE, write_frame, write_json, write_set

from r2vos_mm.datasets import R2VOSDataset
from r2vos_mm.datasets.benchmarks import r2vos_dataset
from r2vos_mm.datasets.benchmarks.r2vos_dataset import with_objects
from r2vos_mm.datasets.io.annotations import read_categories
from r2vos_mm.registry import DATASETS
from r2vos_mm.utils.data_issues import ProblemList
from r2vos_mm.utils.formats.expressions import read_expressions
from r2vos_mm.utils.formats.ref_ytvos_valid202 import bundled_ids, scored_videos

SHA256 = '6e9d13a9fdcfbce7b2fd0a48b7809b67e9b33a0d00add51fd7218af5e8e58258'


@pytest.fixture
def listed() -> dict[str, dict]:
    """A list of 507 videos: the scored ones and 305 others."""
    return dict.fromkeys([*bundled_ids(), *(f'test{i:06d}' for i in range(305))], {})


def chosen(listed: dict, root: Path, split: str = 'valid') -> tuple[set[str], list[str]]:
    problems = ProblemList('')
    return scored_videos(listed, root, split, problems), [row.what for row in problems.rows]


def make_folders(root: Path, names: list[str]) -> None:
    for name in names:
        (root / 'valid/JPEGImages' / name).mkdir(parents=True)


def test_the_bundled_ids_are_the_known_ones() -> None:
    ids = sorted(bundled_ids())
    assert len(ids) == 202
    assert hashlib.sha256(''.join(f'{i}\n' for i in ids).encode()).hexdigest() == SHA256


def test_first_the_removed_file(listed: dict, tmp_path: Path) -> None:
    others = {name: dict(frames=[], expressions={}) for name in listed if name not in bundled_ids()}
    write_json(tmp_path / 'meta_expressions/test/meta_expressions.json', dict(videos=others))
    make_folders(tmp_path, sorted(listed)[:202])
    assert chosen(listed, tmp_path) == (set(bundled_ids()), [])


def test_second_the_folders_if_they_are_as_many(listed: dict, tmp_path: Path) -> None:
    make_folders(tmp_path, sorted(bundled_ids())[1:] + ['test000000'])
    ids, notes = chosen(listed, tmp_path)
    assert ids == {path.name for path in (tmp_path / 'valid/JPEGImages').iterdir()}
    missing = min(bundled_ids())
    assert notes == [
        f'1 of 202 are missing: {missing}',
        '1 of 202 are not among them, but used: test000000',
    ]


def test_third_the_bundled_ids(listed: dict, tmp_path: Path) -> None:
    make_folders(tmp_path, sorted(listed))
    assert chosen(listed, tmp_path) == (set(bundled_ids()), [])
    # What the list lacks is said, and the others are used.
    del listed[min(bundled_ids())]
    ids, notes = chosen(listed, tmp_path)
    assert len(ids) == 201
    assert notes == [f'1 of 202 are missing: {min(bundled_ids())}']


@pytest.mark.parametrize('split', ['train', 'holdout'])
def test_other_parts_are_used_whole(listed: dict, tmp_path: Path, split: str) -> None:
    assert chosen(listed, tmp_path, split) == (set(listed), [])


def test_other_sets_are_used_whole(tmp_path: Path) -> None:
    mine = {f'mine{i}': {} for i in range(300)}
    assert chosen(mine, tmp_path) == (set(mine), [])
    only_scored = dict.fromkeys(bundled_ids(), {})
    assert chosen(only_scored, tmp_path) == (set(only_scored), [])


def test_videos_without_scores_are_no_problem(
    listed: dict, tmp_path: Path, warnings_logged: Callable
) -> None:
    names = sorted(bundled_ids())
    for name in names[:2]:
        write_frame(tmp_path, 'valid', name, '00000', ['1'])
    make_folders(tmp_path, names[2:])
    entry = dict(frames=['00000'], expressions={'0': dict(exp='a dog')})
    write_json(
        tmp_path / 'meta_expressions/valid/meta_expressions.json',
        dict(videos=dict.fromkeys(listed, entry)),
    )
    dataset = DATASETS.build(
        dict(
            type='R2VOSDataset',
            data_root=str(tmp_path),
            split='valid',
            test_mode=True,
            pipeline=PIPELINE,
        )
    )
    assert [video.video_id for video in dataset.videos] == names[:2]
    assert not any('test0' in message for message in warnings_logged())


class TestObjects:
    def first_release(self, root: Path) -> R2VOSDataset:
        """The set of one video, whose sentences lack their objects, with the first release."""
        write_set(
            root,
            {'v': (2, {'1': 'dog', '2': 'cat'}, [('a dog', '1'), ('a cat', '2')])},
            split='valid',
        )
        path = root / 'meta_expressions/valid/meta_expressions.json'
        content = json.loads(path.read_text())
        for entry in content['videos']['v']['expressions'].values():
            del entry['obj_id']
        write_json(path, content)
        (root / 'valid/meta.json').unlink()
        objects = {
            number: dict(category=name, expressions=[f'a {name}'], frames=['00000'])
            for number, name in (('1', 'dog'), ('2', 'eyeglasses'))
        }
        objects['2']['expressions'] = ['a cat']
        write_json(root / 'first.json', dict(videos=dict(v=dict(objects=objects))))
        return DATASETS.build(
            dict(
                type='R2VOSDataset',
                data_root=str(root),
                split='valid',
                test_mode=True,
                objects_file='first.json',
                pipeline=PIPELINE,
            )
        )

    def test_example_of_the_docstring(self) -> None:
        assert doctest.testmod(r2vos_dataset).failed == 0

    def test_the_first_release_tells_objects_and_categories(self, tmp_path: Path) -> None:
        dataset = self.first_release(tmp_path)
        pairs = dataset[0]['data_samples'].gt_pairs
        assert pairs.obj_ids == ['1', '2']
        assert pairs.masks.flatten(1).any(1).all()
        # Names beyond the 65 usual categories are fine.
        assert dataset.videos[0].categories == {'1': 'dog', '2': 'eyeglasses'}

    def test_a_sentence_of_another_text_stays_unknown(self) -> None:
        problems = ProblemList('')
        entries = dict(v=dict(expressions={'0': dict(exp='a cow')}, frames=[]))
        known = dict(v=dict(expressions={'0': dict(exp='a dog', obj_id='1')}))
        assert with_objects(entries, known, problems)['v']['expressions'] == {
            '0': dict(exp='a cow')
        }
        assert [row.where for row in problems.rows] == ['v']

    def test_all_sentences_of_the_official_list(self, test_data: Path) -> None:
        folder = test_data / 'data/refer_youtube_vos_valid'
        entries = read_expressions(folder / 'meta_expressions.json')
        first = folder / 'meta_expressions_valid_first_and_full.json'
        problems = ProblemList('')
        completed = with_objects(entries, read_expressions(first), problems)
        categories = read_categories(first, problems)
        known = [
            (video_id, item.get('obj_id'))
            for video_id, entry in completed.items()
            for item in entry['expressions'].values()
        ]
        assert (len(completed), len(known)) == (507, 2096)
        assert all(obj_id in categories[video_id] for video_id, obj_id in known)
        assert not problems.rows
        scored = scored_videos(entries, folder, 'valid', problems)
        assert sum(len(completed[video_id]['expressions']) for video_id in scored) == 834
        names = {category for objects in categories.values() for category in objects.values()}
        assert len(names) == 92
