"""MeViS: unions of objects, sentences about nothing, masks as run-length codes."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from public_sets import SIZE, rle, square, write_mevis
from tiny_sets import write_json

from r2vos_mm.datasets import MeViSDataset
from r2vos_mm.registry import DATASETS

PIPELINE = [
    dict(
        type='TransformBroadcaster',
        share_random_params=True,
        transforms=[dict(type='LoadVideoFrame'), dict(type='LoadMasks')],
    ),
    dict(type='SwapLeftRight'),
    dict(type='PackReferringInputs'),
]
NEGATIVES = dict(type='TrainNegatives', per_clip=1, shares=dict(no_target=1.0))


def build(root: Path, **kwargs: object) -> MeViSDataset:
    options = dict(type='MeViSDataset', data_root=str(root), split='valid_u', pipeline=PIPELINE)
    return DATASETS.build(options | kwargs)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_mevis(tmp_path)


def test_testing_shows_a_video_with_all_sentences(root: Path) -> None:
    dataset = build(root, test_mode=True)
    sample = dataset[0]['data_samples']
    pairs = sample.gt_pairs
    assert (len(dataset), sample.video_id, sample.dataset) == (2, 'a', 'mevis')
    # Sentences about nothing come last, as negative pairs.
    assert pairs.texts == ['the left one moving', 'both moving', 'the other one', 'a giraffe']
    assert pairs.kinds == ['positive'] * 3 + ['no_target']
    assert pairs.pair_ids == ['a/0/p', 'a/1/p', 'a/3/p', 'a/2/no_target']
    assert pairs.obj_ids == ['11', '11+12', '12', '']
    assert pairs.is_negative.tolist() == [False] * 3 + [True]


def test_the_target_is_the_union_also_where_objects_overlap(root: Path) -> None:
    masks = build(root, test_mode=True)[0]['data_samples'].gt_pairs.masks.numpy()
    assert (masks[0, 0] == square(2)).all()
    assert (masks[2, 0] == square(5)).all()
    assert (masks[1] == masks[0] | masks[2]).all()
    # Squares of 6 x 6 at columns 2 and 5 share 3 columns: 36 + 36 - 18.
    assert masks[1, 0].sum() == 54


def test_null_codes_are_frames_without_the_object(root: Path) -> None:
    pairs = build(root, test_mode=True)[0]['data_samples'].gt_pairs
    assert pairs.valid.tolist() == [[True] * 3, [True] * 3, [True, True, False], [False] * 3]
    assert not pairs.masks[2, 2].any()
    assert not pairs.boxes[2, 2].any()


def test_items_of_training_are_sentences_with_a_target(root: Path) -> None:
    # 3 sentences x ceil(3 frames / 2), and one of a single frame.
    dataset = build(root, clip_length=2)
    assert len(dataset) == 3 * 2 + 1
    for index in range(len(dataset)):
        pairs = dataset[index]['data_samples'].gt_pairs
        assert pairs.kinds == ['positive']
        assert pairs.valid[0].any()


def test_sentences_about_nothing_are_negatives_of_training(root: Path) -> None:
    dataset = build(root, clip_length=2, negatives=NEGATIVES)
    kinds = Counter(
        (dataset[i]['data_samples'].video_id, kind)
        for i in range(len(dataset))
        for kind in dataset[i]['data_samples'].gt_pairs.kinds
    )
    # The second video has none.
    assert kinds == {('a', 'positive'): 6, ('a', 'no_target'): 6, ('b', 'positive'): 1}


def test_more_targets_than_bits_of_a_byte(tmp_path: Path) -> None:
    root = write_mevis(tmp_path)
    codes = {str(i): [rle(square(i))] * 3 for i in range(20)}
    write_json(root / 'valid_u/mask_dict.json', codes)
    path = root / 'valid_u/meta_expressions.json'
    content = json.loads(path.read_text())
    content['videos'] = dict(
        a=content['videos']['a']
        | dict(
            expressions={
                str(i): dict(exp=f'number {i}', obj_id=[i], anno_id=[i]) for i in range(20)
            }
        )
    )
    write_json(path, content)
    resized = [
        dict(
            type='TransformBroadcaster',
            transforms=[
                *PIPELINE[0]['transforms'],
                dict(type='Resize', scale=(64, 48)),
                dict(type='RandomFlip', prob=1.0),
            ],
        ),
        *PIPELINE[1:],
    ]
    dataset = build(root, clip_length=3, positives_per_clip=20, pipeline=resized)
    pairs = dataset[0]['data_samples'].gt_pairs
    assert len(pairs) == 20
    for obj_id, mask in zip(pairs.obj_ids, pairs.masks[:, 0].numpy()):
        expected = square(int(obj_id)).repeat(2, 0).repeat(2, 1)[:, ::-1]
        assert (mask == expected).all()


def test_numbers_may_be_ints_or_strings(root: Path) -> None:
    path = root / 'valid_u/meta_expressions.json'
    content = json.loads(path.read_text())
    content['videos']['a']['expressions']['0']['anno_id'] = ['11']
    write_json(path, content)
    assert build(root, test_mode=True)[0]['data_samples'].gt_pairs.masks[0].any()


def test_the_validation_of_the_server_has_no_masks(tmp_path: Path) -> None:
    root = write_mevis(tmp_path, split='valid', with_masks=False)
    pairs = build(root, split='valid', test_mode=True)[0]['data_samples'].gt_pairs
    assert 'masks' not in pairs
    assert pairs.kinds == ['positive'] * 4
    with pytest.raises(FileNotFoundError, match=r'mask_dict\.json does not exist'):
        build(root, split='valid')


@pytest.mark.parametrize(
    ('change', 'problem'),
    [
        (dict(anno_id=[99]), 'annotation 99 is not in mask_dict.json'),
        (dict(anno_id=11), 'anno_id 11 is not a list'),
        (dict(anno_id=None), "has no 'anno_id'"),
        (dict(anno_id='12'), "anno_id '12' is not a list"),
        (dict(exp=' '), 'text is empty'),
        (dict(exp=3), "has no text 'exp'"),
    ],
)
def test_sentences_that_cannot_be_used(
    root: Path, warnings_logged: Callable, change: dict, problem: str
) -> None:
    path = root / 'valid_u/meta_expressions.json'
    content = json.loads(path.read_text())
    content['videos']['a']['expressions']['0'].update(change)
    write_json(path, content)
    assert len(build(root, clip_length=3)) == 3
    assert f'a expression 0  {problem}' in warnings_logged()[0]


def test_short_lists_of_masks_are_not_invisible_objects(
    root: Path, warnings_logged: Callable
) -> None:
    content = json.loads((root / 'valid_u/meta_expressions.json').read_text())
    name = str(content['videos']['a']['expressions']['0']['anno_id'][0])
    path = root / 'valid_u/mask_dict.json'
    codes = json.loads(path.read_text())
    length = len(codes[name])
    codes[name].pop()
    write_json(path, codes)
    build(root, test_mode=True)
    told = f'annotation {name} has {length - 1} masks for {length} frames'
    assert f'a expression 0  {told}' in warnings_logged()[0]


def test_masks_of_another_form(root: Path) -> None:
    write_json(root / 'valid_u/mask_dict.json', [])
    with pytest.raises(ValueError, match='is not a dict of lists'):
        build(root)


def test_reference_data(test_data: Path) -> None:
    dataset = build(test_data / 'data/fixtures/mevis', test_mode=True)
    samples = [dataset[i]['data_samples'] for i in range(len(dataset))]
    assert [len(sample.frame_ids) for sample in samples] == [6, 1]
    assert all(sample.gt_pairs.kinds == ['positive', 'positive', 'no_target'] for sample in samples)
    pairs = samples[0].gt_pairs
    assert (pairs.masks[0] <= pairs.masks[1]).all()
    assert not pairs.masks[2].any()
    # One object is absent in frame 2: the union is the other one there.
    assert (pairs.masks[0, 2] == pairs.masks[1, 2]).all()
    assert pairs.masks[0, 0].shape == (54, 96)
    assert np.prod(SIZE) < pairs.masks[0].sum()
