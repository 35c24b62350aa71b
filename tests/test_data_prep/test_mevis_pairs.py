"""MeViS tested with a pairs file: targets of its own sentences, negatives, unusable rows."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mmengine.structures import InstanceData
from public_sets import square, write_mevis
from tiny_sets import PIPELINE, write_json

from r2vos_mm.data_prep.r2_pairs import build_r2_pairs
from r2vos_mm.datasets import MeViSDataset
from r2vos_mm.evaluation import JFRMetric

BOTH = dict(
    pair_id='a/1/p',
    video='a',
    exp_video='a',
    exp_id='1',
    exp='both moving',
    obj_id='',
    label=1,
    kind='positive',
    rank=0,
)
GIRAFFE = BOTH | dict(pair_id='a/2/p', exp_id='2', exp='a giraffe')
CAT = BOTH | dict(
    pair_id='b/0/n0', exp_video='b', exp_id='0', exp='a cat running', label=0, kind='easy'
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_mevis(tmp_path)


def build(root: Path, *rows: dict, split: str = 'valid_u', **kwargs: object) -> MeViSDataset:
    write_json(root / 'pairs/p.json', dict(format='r2-pairs/1', pairs=list(rows)))
    options = dict(pairs_file='pairs/p.json', test_mode=True, pipeline=PIPELINE) | kwargs
    return MeViSDataset(data_root=str(root), split=split, **options)


@pytest.mark.parametrize('obj_id', ['', None, '1'])
def test_the_target_is_that_of_the_videos_own_sentence(root: Path, obj_id: str | None) -> None:
    dataset = build(root, BOTH | dict(obj_id=obj_id), CAT)
    pairs = dataset[0]['data_samples'].gt_pairs
    # The second video has no pair.
    assert len(dataset) == 1
    assert pairs.pair_ids == ['a/1/p', 'b/0/n0']
    assert pairs.exp_ids == ['1', '0']
    assert pairs.obj_ids == ['11+12', '']
    assert pairs.is_negative.tolist() == [False, True]
    assert (pairs.masks[0, 0].numpy() == (square(2) | square(5))).all()
    assert not pairs.masks[1].any()


def test_a_video_with_negatives_only(root: Path) -> None:
    pairs = build(root, CAT)[0]['data_samples'].gt_pairs
    assert pairs.kinds == ['easy']
    assert pairs.masks.shape == (1, 3, 24, 32)
    assert not pairs.masks.any()


def test_a_sentence_about_nothing_is_never_positive(root: Path, warnings_logged: Callable) -> None:
    pairs = build(root, BOTH, GIRAFFE)[0]['data_samples'].gt_pairs
    assert pairs.pair_ids == ['a/1/p', 'a/2/no_target']
    assert pairs.kinds == ['positive', 'no_target']
    assert pairs.is_negative.tolist() == [False, True]
    assert not pairs.masks[1].any()
    assert (
        'a expression 2  positive in the pairs file, but about nothing in the video  -> shown '
        'as a negative pair' in warnings_logged()[0]
    )


@pytest.mark.parametrize(
    ('change', 'problem'),
    [
        (
            dict(video='gone'),
            'gone  in p.json, but not among the usable videos  -> 1 pair(s) skipped',
        ),
        (
            dict(exp_id='9'),
            'a expression 9  in the pairs file, but not among the usable expressions',
        ),
        (
            dict(exp='all still'),
            "a expression 1  is 'all still' in the pairs file, but 'both moving'",
        ),
    ],
)
def test_what_cannot_be_shown_is_told(
    root: Path, warnings_logged: Callable, change: dict, problem: str
) -> None:
    dataset = build(root, BOTH | change, CAT)
    assert dataset[0]['data_samples'].gt_pairs.pair_ids == ['b/0/n0']
    assert str(root / 'pairs/p.json') in warnings_logged()[0]
    assert problem in warnings_logged()[0]


def test_a_file_without_any_usable_pair(root: Path) -> None:
    with pytest.raises(ValueError, match='no usable video'):
        build(root, BOTH | dict(video='gone'))


def test_without_masks_there_is_no_ground_truth(tmp_path: Path) -> None:
    root = write_mevis(tmp_path, split='valid', with_masks=False)
    pairs = build(root, BOTH | dict(obj_id='1'), CAT, split='valid')[0]['data_samples'].gt_pairs
    assert 'masks' not in pairs
    assert pairs.is_negative.tolist() == [False, True]


def test_pairs_files_are_for_testing(root: Path) -> None:
    with pytest.raises(ValueError, match="type='PairsFileNegatives', pairs_file='pairs/p.json'"):
        build(root, BOTH, test_mode=False)


def test_built_pairs_are_scored(test_data: Path, tmp_path: Path) -> None:
    root = test_data / 'data/fixtures/mevis'
    built = build_r2_pairs(root / 'valid_u/meta_expressions.json')
    # No noun in a sentence with a target; one sentence of each video is about nothing.
    assert built.content['counts'] == dict(positive=4, negative=2, short=4, videos=2)
    assert built.content['name'] == 'r2-mevis-valid_u2-easy-lexical-n1'
    path = write_json(tmp_path / 'p.json', built.content)
    dataset = MeViSDataset(
        data_root=str(root),
        split='valid_u',
        pairs_file=str(path),
        test_mode=True,
        pipeline=PIPELINE,
    )
    own = MeViSDataset(data_root=str(root), split='valid_u', test_mode=True, pipeline=PIPELINE)
    assert [dataset.test_pairs(video) for video in dataset.videos] == [
        own.test_pairs(video) for video in own.videos
    ]
    metric = JFRMetric()
    for item in dataset:
        sample = item['data_samples']
        masks, negative = sample.gt_pairs.masks, torch.as_tensor(sample.gt_pairs.is_negative)
        sample.pred_pairs = InstanceData(
            masks=masks,
            ungated_masks=masks,
            scores=torch.ones(masks.shape[:2]),
            consensus=1 - negative.float(),
            misalignment_logits=negative.float(),
        )
        metric.process({}, [sample.to_dict()])
    values = metric.evaluate(len(dataset))
    # Every target is found, and nothing for the sentences about nothing.
    assert (values['J&F'], values['R'], values['AUROC']) == (100, 100, 1)
