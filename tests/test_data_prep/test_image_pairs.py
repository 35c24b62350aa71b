"""Negative pairs of images: RefCOCO and gRefCOCO in the same builder as videos."""

from pathlib import Path

import pytest
from mmengine.config import Config
from public_sets import write_grefcoco, write_refcoco
from tiny_sets import write_json

from r2vos_mm.data_prep.r2_pairs import R2Pairs, build_r2_pairs
from r2vos_mm.datasets import RefCOCODataset
from r2vos_mm.registry import DATASETS

CONFIGS = Path(__file__).parents[2] / 'configs/_base_/datasets'
IMAGE = 'COCO_train2014_{:012d}'.format


def shown(pairs: R2Pairs) -> list[tuple[str, str, int]]:
    """(last digit of the image, expression, label) of each pair."""
    return [(row['video'][-1], row['exp'], row['label']) for row in pairs.content['pairs']]


def test_refcoco(tmp_path: Path) -> None:
    path = write_refcoco(tmp_path) / 'refcoco/refs(unc).p'
    pairs = build_r2_pairs(path, split='train')
    # image 5 has a dog and a cat, and so has image 6: no image is without them
    assert shown(pairs) == [
        ('5', 'the left dog', 1),
        ('5', 'a dog', 1),
        ('5', 'cat', 1),
        ('6', 'a dog', 1),
    ]
    assert pairs.content['name'] == 'r2-refcoco-train2-easy-n1'
    assert pairs.content['params']['categories'] == 'annotated'
    assert pairs.content['counts']['short'] == 4
    with pytest.raises(ValueError, match="has no split ''; it has train, val"):
        build_r2_pairs(path)


@pytest.mark.parametrize('name', ['r2_refcoco', 'r2_refcocoplus', 'r2_refcocog'])
def test_base_configs_read_the_pairs(tmp_path: Path, name: str) -> None:
    config = Config.fromfile(CONFIGS / f'{name}.py').val_dataloader.dataset
    folder = config.ann_file.split('/')[0]
    root = write_refcoco(tmp_path, name=folder)
    (root / folder / 'refs(unc).p').rename(root / config.ann_file)
    pairs = build_r2_pairs(root / config.ann_file, split='val', kind='swap')
    write_json(root / config.pairs_file, pairs.content)
    dataset = DATASETS.build(config | dict(data_root=str(root), pipeline=[]))
    kinds = [pair.kind for video in dataset.videos for pair in dataset.test_pairs(video)]
    assert kinds == ['positive', 'swap']


def test_negatives_show_images_without_the_category(tmp_path: Path) -> None:
    root = write_grefcoco(tmp_path)
    path = root / 'grefcoco/grefs(unc).json'
    pairs = build_r2_pairs(path, split='train')
    negatives = [row for row in shown(pairs) if row[2] == 0]
    # image 8 has no annotated object, so nothing is known of it; every other image has a dog
    assert negatives == [('5', 'a giraffe', 0), ('6', 'the bus', 0), ('8', 'a hat', 0)]
    swapped = build_r2_pairs(path, split='train', kind='swap')
    row = next(r for r in swapped.content['pairs'] if r['kind'] == 'swap')
    assert row['video'] == row['exp_video'] == IMAGE(5)
    assert 'dog' not in row['exp']


def test_the_data_set_shows_the_pairs(tmp_path: Path) -> None:
    root = write_grefcoco(tmp_path)
    pairs = build_r2_pairs(root / 'grefcoco/grefs(unc).json', split='train', kind='swap')
    write_json(root / 'pairs/some.json', pairs.content)
    dataset = RefCOCODataset(
        data_root=str(root),
        ann_file='grefcoco/grefs(unc).json',
        pairs_file='pairs/some.json',
        test_mode=True,
        pipeline=[],
    )
    found = {p.pair_id: p for video in dataset.videos for p in dataset.test_pairs(video)}
    assert found.keys() == {row['pair_id'] for row in pairs.content['pairs']}
    # of several objects, the file names none
    joint = next(row for row in pairs.content['pairs'] if row['exp'] == 'the dog and the cat')
    assert (joint['obj_id'], found[joint['pair_id']].obj_id) == ('', '1+2')


def test_nouns_stand_in_for_categories(tmp_path: Path) -> None:
    path = write_refcoco(tmp_path) / 'refcoco/instances_refcoco_train.json'
    pairs = build_r2_pairs(path, split='train')
    assert pairs.content['params']['categories'] == 'lexical'
    # only image 5 has a sentence with a cat
    assert [row for row in shown(pairs) if row[2] == 0] == [('6', 'cat', 0)]
