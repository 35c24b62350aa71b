"""What the files of Refer-YouTube-VOS are known to have; docs/datasets.md lists all of it."""

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
from tiny_sets import PIPELINE, write_frame, write_json, write_set

from r2vos_mm.datasets import EpochIndex, R2VOSDataset
from r2vos_mm.registry import DATASETS

OTHER_VIDEO = dict(type='TrainNegatives', per_clip=4, shares=dict(other_video=1.0))


def build(root: Path, **kwargs: object) -> R2VOSDataset:
    options = dict(type='R2VOSDataset', data_root=str(root), clip_length=2, pipeline=PIPELINE)
    return DATASETS.build(options | kwargs)


def change(path: Path, edit: Callable[[dict], None]) -> None:
    content = json.loads(path.read_text())
    edit(content['videos'])
    write_json(path, content)


def negatives(dataset: R2VOSDataset) -> dict[str, set[str]]:
    """{video: negative sentences it gets in five epochs}."""
    found: dict[str, set[str]] = {}
    for index, epoch in product(range(len(dataset)), range(5)):
        sample = dataset[EpochIndex(index, epoch=epoch)]['data_samples']
        pairs = sample.gt_pairs
        found.setdefault(sample.video_id, set()).update(
            text for text, negative in zip(pairs.texts, pairs.is_negative) if negative
        )
    return found


def test_meta_json_may_be_missing(tiny_set: Path, warnings_logged: Callable) -> None:
    (tiny_set / 'train/meta.json').unlink()
    dataset = build(tiny_set, negatives=OTHER_VIDEO)
    assert {video.video_id: video.categories for video in dataset.videos} == {
        'v0': {},
        'v1': {},
        'v2': {},
    }
    assert all(dataset[i]['data_samples'].gt_pairs.valid[0].any() for i in range(len(dataset)))
    assert '3 of 3 videos' in warnings_logged()[-1]


def test_meta_json_may_lack_a_video(tiny_set: Path) -> None:
    change(tiny_set / 'train/meta.json', lambda videos: videos.pop('v1'))
    dataset = build(tiny_set, negatives=OTHER_VIDEO)
    assert dataset.videos[1].categories == {}
    assert dataset.videos[1].expressions[0].obj_id == '1'


def test_categories_of_any_name(tiny_set: Path) -> None:
    def rename(videos: dict) -> None:
        videos['v0']['objects']['1']['category'] = 'small_panda'

    change(tiny_set / 'train/meta.json', rename)
    assert negatives(build(tiny_set, negatives=OTHER_VIDEO))['v2'] == {
        'a dog on the left',
        'a red cat',
        'the dog',
        'a small train',
    }


def test_visibility_comes_from_the_masks(tmp_path: Path) -> None:
    """``frames`` of meta.json are those from the first appearance on, not those it is seen in."""
    root = write_set(tmp_path, {'v': (4, {'1': 'dog'}, [('a dog', '1')])})
    for frame in ('00000', '00010'):
        write_frame(root, 'train', 'v', frame, [])
    frames = ['00005', '00010', '00015']
    change(
        root / 'train/meta.json', lambda videos: videos['v']['objects']['1'].update(frames=frames)
    )
    pairs = build(root, test_mode=True)[0]['data_samples'].gt_pairs
    assert pairs.valid.tolist() == [[False, True, False, True]]
    assert pairs.boxes[0, 2].tolist() == [0, 0, 0, 0]


def test_frames_keep_the_names_that_are_listed(tmp_path: Path) -> None:
    root = tmp_path
    for frame in ('00095', '00100', '00120'):
        write_frame(root, 'valid', 'v', frame, ['1'])
    write_json(
        root / 'meta_expressions/valid/meta_expressions.json',
        dict(
            videos=dict(
                v=dict(frames=['00120', '00095', '00100'], expressions={'0': dict(exp='a dog')})
            )
        ),
    )
    sample = build(root, split='valid', test_mode=True)[0]['data_samples']
    assert sample.frame_ids == ['00095', '00100', '00120']
    assert [Path(path).stem for path in sample.frame_paths] == sample.frame_ids


@pytest.mark.parametrize('test_mode', [False, True])
def test_sentences_have_one_form_in_training_and_testing(tmp_path: Path, test_mode: bool) -> None:
    root = write_set(tmp_path, {'v': (2, {'1': 'dog'}, [(' A  Dog\ton the road ', '1')])})
    pairs = build(root, test_mode=test_mode)[0]['data_samples'].gt_pairs
    assert pairs.texts == ['a dog on the road']


def test_one_sentence_may_be_about_two_objects(tmp_path: Path) -> None:
    """Both are items; each with its own mask; never is one a negative of the other's video."""
    root = write_set(
        tmp_path,
        {
            'v': (2, {'1': 'dog', '2': 'dog'}, [('a dog', '1'), ('A dog ', '2')]),
            'w': (2, {'1': 'cat'}, [('a dog', '1'), ('a cat', '1')]),
        },
    )
    dataset = build(root, negatives=OTHER_VIDEO)
    assert len(dataset) == 4
    masks = [dataset[i]['data_samples'].gt_pairs.masks[0] for i in range(2)]
    assert not (masks[0] & masks[1]).any()
    # 'w' is annotated as a cat, but has the very sentence.
    assert 'a dog' not in negatives(dataset)['v'] | negatives(dataset)['w']


def test_objects_without_a_sentence_count_for_negatives(tmp_path: Path) -> None:
    root = write_set(
        tmp_path,
        {
            'v': (2, {'1': 'dog', '2': 'zebra'}, [('a dog', '1')]),
            'w': (2, {'1': 'zebra'}, [('a zebra', '1')]),
        },
    )
    dataset = build(root, negatives=OTHER_VIDEO)
    assert len(dataset) == 2
    assert dataset.videos[0].categories == {'1': 'dog', '2': 'zebra'}
    # 'v' has a zebra that no sentence names: 'a zebra' is not wrong there.
    assert negatives(dataset) == {'v': set(), 'w': {'a dog'}}


def test_a_video_of_two_frames_gives_long_clips(tmp_path: Path) -> None:
    root = write_set(tmp_path, {'v': (2, {'1': 'dog'}, [('a dog', '1')])})
    assert build(root, clip_length=8)[0]['data_samples'].frame_ids == ['00000'] * 4 + ['00005'] * 4
