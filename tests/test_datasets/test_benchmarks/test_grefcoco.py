"""gRefCOCO: several targets as one mask, expressions about nothing as negative pairs."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from public_sets import square, write_grefcoco
from samples import evaluate
from tiny_sets import PIPELINE

from r2vos_mm.datasets import GRefCOCODataset
from r2vos_mm.registry import DATASETS
from r2vos_mm.utils.files import read_json, write_json

IMAGE = 'COCO_train2014_{:012d}'.format


def build(root: Path, **kwargs: object) -> GRefCOCODataset:
    options = dict(type='GRefCOCODataset', data_root=str(root), clip_length=1, pipeline=PIPELINE)
    return DATASETS.build(options | kwargs)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_grefcoco(tmp_path)


def test_the_target_is_the_union_of_the_objects(root: Path) -> None:
    pairs = build(root)[0]['data_samples'].gt_pairs
    assert (pairs.texts, pairs.obj_ids) == (['the dog and the cat'], ['1+2'])
    # the polygon of the dog covers the same pixels as a square
    assert (pairs.masks[0, 0].numpy() == square(4) | square(20)).all()
    assert pairs.text_types == ['several']


def test_objects_without_area_and_crowds_in_a_union(root: Path, warnings_logged: Callable) -> None:
    dataset = build(root)
    pairs = dataset[2]['data_samples'].gt_pairs
    # of annotations 3, 4 (a crowd) and 5 (a line), the line adds nothing
    assert (pairs.texts, pairs.obj_ids) == (['all dogs and the line'], ['3+4'])
    assert (pairs.masks[0, 0].numpy() == square(4) | square(2)).all()
    (table,) = warnings_logged()
    for problem in ('text is empty', 'no annotation with a mask', 'fewer than three points'):
        assert problem in table
    assert '3 problem(s)' in table


@pytest.mark.parametrize('form', ['.json', '.p'])
def test_absent_expressions_are_negative_pairs_in_testing(tmp_path: Path, form: str) -> None:
    root = write_grefcoco(tmp_path, form=form)
    dataset = build(root, split='val', test_mode=True, ann_file=f'grefcoco/grefs(unc){form}')
    (item,) = dataset
    pairs = item['data_samples'].gt_pairs
    assert pairs.texts == ['a cat', 'two zebras', 'a zebra']
    assert pairs.kinds == ['positive', 'no_target', 'no_target']
    assert pairs.pair_ids == [f'{IMAGE(7)}/{i}' for i in ('80/p', '90/no_target', '91/no_target')]
    assert [bool(mask.any()) for mask in pairs.masks] == [True, False, False]


def test_images_without_positive_expressions_are_for_testing(root: Path) -> None:
    assert IMAGE(8) not in [video.video_id for video in build(root).videos]
    images = [video.video_id for video in build(root, test_mode=True).videos]
    assert images == [IMAGE(5), IMAGE(6), IMAGE(8)]


def test_absent_expressions_are_drawn_as_negatives(root: Path) -> None:
    negatives = dict(type='TrainNegatives', per_clip=1, shares=dict(no_target=1.0))
    dataset = build(root, negatives=negatives)
    drawn = {dataset[i]['data_samples'].gt_pairs.texts[-1] for i in range(len(dataset))}
    assert drawn == {'a giraffe', 'the bus'}


def test_the_same_number_twice_in_an_image(root: Path, warnings_logged: Callable) -> None:
    path = root / 'grefcoco/grefs(unc).json'
    refs = read_json(path)
    refs[1]['sentences'][0]['sent_id'] = refs[0]['sentences'][0]['sent_id']
    write_json(path, refs)
    assert len(build(root)) == 2
    assert 'number occurs twice' in warnings_logged()[0]


@pytest.mark.parametrize('change', [dict(ann_id=[[1]]), dict(sentences=['the dog'])])
def test_references_of_another_form(root: Path, change: dict) -> None:
    path = root / 'grefcoco/grefs(unc).json'
    refs = read_json(path)
    write_json(path, [*refs, refs[0] | change])
    with pytest.raises(ValueError, match='is not a list of references'):
        build(root)


def test_images_of_other_names(root: Path) -> None:
    path = root / 'grefcoco/instances.json'
    content = read_json(path)
    content['images'] = [dict(id=5, file_name='mine.png'), dict(id=6, file_name='../no.jpg')]
    write_json(path, content)
    (root / f'train2014/{IMAGE(5)}.jpg').rename(root / 'train2014/mine.png')
    dataset = build(root)
    assert [video.video_id for video in dataset.videos] == [IMAGE(6), 'mine']
    assert dataset[1]['inputs'].shape == (1, 3, 24, 32)


def test_the_protocol(root: Path) -> None:
    """gIoU, cIoU, N-acc and T-acc of the validation image, by hand."""
    (item,) = build(root, split='val', test_mode=True)
    sample = item['data_samples']
    predicted = np.zeros(sample.gt_pairs.masks.shape, bool)
    predicted[0, 0, 3:9, 4:7] = True  # half of the 36 pixels of the cat
    predicted[1, 0, :2, :2] = True  # 4 pixels of zebras
    sample.set_field(sample.gt_pairs.new(masks=predicted), 'pred_pairs')
    values = evaluate([sample], protocols=['refcoco'], groups=['quality', 'no_target', 'cgf1'])
    assert (values['N_acc'], values['T_acc']) == (50, 100)
    assert values['gIoU'] == pytest.approx(100 * (0.5 + 0 + 1) / 3)
    assert values['cIoU'] == pytest.approx(100 * 18 / (36 + 4))
    assert (values['Pr@0.7'], values['oIoU/one']) == (0, 50)
    # one positive is answered; of two negatives, one is
    assert values['IL_MCC'] == pytest.approx((1 * 1 - 1 * 0) / (2 * 1 * 2 * 1) ** 0.5, abs=1e-5)
