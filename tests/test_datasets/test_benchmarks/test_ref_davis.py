"""Ref-DAVIS17: four sentences an object, void pixels, annotations of another folder."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_sets import write_json, write_set

from r2vos_mm.datasets import RefDAVIS17Dataset
from r2vos_mm.registry import DATASETS

SENTENCES = [(f'{name} {k}', str(obj)) for obj, name in ((1, 'dog'), (2, 'cat')) for k in range(4)]
UNSUPERVISED = 'DAVIS/Annotations_unsupervised/480p'


def build(root: Path, *, void_id: int | None = None, **kwargs: object) -> RefDAVIS17Dataset:
    pipeline = [
        dict(
            type='TransformBroadcaster',
            transforms=[dict(type='LoadVideoFrame'), dict(type='LoadMasks')],
        ),
        dict(type='PackReferringInputs', void_id=void_id),
    ]
    return DATASETS.build(
        dict(
            type='RefDAVIS17Dataset',
            data_root=str(root),
            split='valid',
            test_mode=True,
            pipeline=pipeline,
        )
        | kwargs
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_set(tmp_path, {'v': (2, {'1': 'dog', '2': 'cat'}, SENTENCES)}, split='valid')


def test_four_annotators(root: Path) -> None:
    pairs = build(root)[0]['data_samples'].gt_pairs
    assert len(pairs) == 8
    # Sentence 4 o + k is about object o + 1.
    assert [int(exp_id) // 4 + 1 for exp_id in pairs.exp_ids] == list(map(int, pairs.obj_ids))


@pytest.mark.parametrize('annotator', range(4))
def test_one_annotator(root: Path, annotator: int) -> None:
    sample = build(root, annotators=[annotator])[0]['data_samples']
    assert sample.gt_pairs.texts == [f'dog {annotator}', f'cat {annotator}']
    assert sample.gt_pairs.exp_ids == [str(annotator), str(4 + annotator)]
    assert sample.dataset == 'ref_davis17'


@pytest.mark.parametrize('annotators', [[4], [-1, 0], []])
def test_unknown_annotators(root: Path, annotators: list[int]) -> None:
    with pytest.raises(ValueError, match='annotators of Ref-DAVIS17 are 0 to 3'):
        build(root, annotators=annotators)


def test_masks_of_the_unsupervised_release(root: Path) -> None:
    folder = root / UNSUPERVISED / 'v'
    folder.mkdir(parents=True)
    ids = np.zeros((24, 32), np.uint8)
    ids[:4], ids[-2:] = 1, 255
    for frame in ('00000', '00005'):
        Image.fromarray(ids).save(folder / f'{frame}.png')
    sample = build(root, mask_folder=UNSUPERVISED, void_id=255)[0]['data_samples']
    assert sample.gt_pairs.masks[0].sum().item() == 2 * 4 * 32
    assert sample.gt_void.sum().item() == 2 * 2 * 32
    assert not (sample.gt_pairs.masks & sample.gt_void).any()


def test_more_than_nine_objects_are_ordered_by_number(tmp_path: Path) -> None:
    """As strings, object 10 would come before object 2, and every sentence would be another's."""
    sentences = [(f'number {obj} {k}', str(obj)) for obj in range(1, 12) for k in range(4)]
    root = write_set(tmp_path, {'v': (1, {'1': 'dog'}, sentences)}, split='valid')
    path = root / 'meta_expressions/valid/meta_expressions.json'
    content = json.loads(path.read_text())
    write_json(path, content)
    pairs = build(root)[0]['data_samples'].gt_pairs
    assert [int(exp_id) // 4 + 1 for exp_id in pairs.exp_ids] == list(map(int, pairs.obj_ids))


def test_the_official_sentences(test_data: Path) -> None:
    path = test_data / 'data/refdavis17_val/meta_expressions.json'
    videos = json.loads(path.read_text())['videos']
    numbers = [
        (int(exp_id), int(entry['obj_id']))
        for video in videos.values()
        for exp_id, entry in video['expressions'].items()
    ]
    assert (len(videos), len(numbers)) == (30, 244)
    assert all(exp_id // 4 + 1 == obj_id for exp_id, obj_id in numbers)
