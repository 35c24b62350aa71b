"""Sets joined in configs: epochs reach every part, and what is held out stays out."""

import copy
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from public_sets import (
    fake_h5py,  # noqa: F401  (a fixture)
    write_a2d,
    write_grefcoco,
    write_jhmdb,
    write_mevis,
    write_refcoco,
)
from tiny_sets import VIDEOS, write_json, write_set
from torch.utils.data import DataLoader

from r2vos_mm.datasets import ClipSampler, EpochIndex, R2VOSDataset
from r2vos_mm.registry import DATASETS

CONFIGS = Path(__file__).parents[2] / 'configs'
REF_YOUTUBE_VOS = 'data/ref-youtube-vos'
SIZES = ('scale', 'scales', 'crop_size', 'largest_scale')


@pytest.fixture(autouse=True)
def _scope() -> Iterator[None]:
    """As a Runner sets it from a config's ``default_scope``: ``ConcatDataset`` needs it."""
    with DefaultScope.overwrite_default_scope('r2vos_mm'):
        yield


def small(part: object) -> object:
    """A config with all sizes in pixels a tenth of what they are."""

    def tenth(value: object) -> object:
        if isinstance(value, (list, tuple)):
            return type(value)(map(tenth, value))
        return value // 10

    if isinstance(part, dict):
        return {key: tenth(value) if key in SIZES else small(value) for key, value in part.items()}
    return [small(value) for value in part] if isinstance(part, (list, tuple)) else part


def dataset_config(name: str, loader: str = 'train') -> dict:
    config = Config.fromfile(CONFIGS / '_base_/datasets' / f'{name}.py')
    return small(config[f'{loader}_dataloader'].dataset.to_dict())


def joint(root: Path) -> dict:
    """The config of joint training on tiny sets."""
    write_set(root / 'video')
    config = dataset_config('joint')
    for name, part in zip(('refcoco', 'refcoco+', 'refcocog'), config['datasets']):
        write_refcoco(root / 'coco', name=name)
        part.update(
            data_root=str(root / 'coco'),
            ann_file=f'{name}/refs(unc).p',
            held_out_by=[f'{name}/refs(unc).p'],
        )
    config['datasets'][3].update(data_root=str(root / 'video'), video_subset=None)
    return config


def test_joint_training(tmp_path: Path) -> None:
    dataset = DATASETS.build(joint(tmp_path))
    # 4 sentences of each image set; of the videos sum of ceil(n / 5): 3 * 2 + 1 + 1.
    assert dataset.cumulative_sizes == [4, 8, 12, 20]
    sampler = ClipSampler(dataset, seed=0)
    loader = DataLoader(dataset, batch_size=1, sampler=sampler, collate_fn=pseudo_collate)
    samples = [batch['data_samples'][0] for batch in islice(loader, len(dataset))]
    assert Counter(sample.dataset for sample in samples) == {
        'refcoco': 4,
        'refcoco+': 4,
        'refcocog': 4,
        'ref_youtube_vos': 8,
    }
    assert all(len(sample.frame_ids) == 5 for sample in samples)
    assert all(sample.gt_pairs.valid[0].any() for sample in samples)
    moved = [sample.gt_pairs.boxes[0] for sample in samples if sample.dataset == 'refcoco']
    assert all((boxes != boxes[0]).any() for boxes in moved)


def test_items_of_joined_sets_depend_on_epoch_and_index_only(tmp_path: Path) -> None:
    config = joint(tmp_path)
    first, second = (DATASETS.build(copy.deepcopy(config)) for _ in range(2))
    # Items of each part: 0 and 4 are the same image and sentence in two sets.
    indices = [EpochIndex(i, epoch=epoch) for epoch in (0, 1) for i in (0, 4, 13)]
    forward = [first[index]['inputs'] for index in indices]
    backward = [second[index]['inputs'] for index in reversed(indices)][::-1]
    assert all((a.shape == b.shape) and (a == b).all() for a, b in zip(forward, backward))
    # Another epoch, another draw.
    assert all(a.shape != b.shape or (a != b).any() for a, b in zip(forward[:3], forward[3:]))


def test_a_skipped_stream_is_the_rest_also_of_joined_sets(tmp_path: Path) -> None:
    dataset = DATASETS.build(joint(tmp_path))
    whole = list(islice(ClipSampler(dataset, seed=0), 45))
    resumed = ClipSampler(dataset, seed=0)
    resumed.skip(25)
    assert list(islice(resumed, 20)) == whole[25:]
    assert {index.epoch for index in whole} == {0, 1, 2}


def test_the_image_sets_of_pre_training(tmp_path: Path) -> None:
    config = dataset_config('refcoco_all')
    for part in config['datasets']:
        name = part['dataset_name']
        write_refcoco(tmp_path, name=name)
        part.update(
            data_root=str(tmp_path),
            ann_file=f'{name}/refs(unc).p',
            held_out_by=[f'{name}/refs(unc).p'],
        )
    dataset = DATASETS.build(config)
    assert len(dataset) == 12
    for index in range(len(dataset)):
        item = dataset[index]
        assert item['inputs'].shape[0] == 1
        assert item['data_samples'].gt_pairs.valid[0].all()


@pytest.mark.parametrize(
    ('name', 'writer', 'changes'),
    [
        ('mevis', write_mevis, dict(split='valid_u')),
        ('a2d_sentences', write_a2d, {}),
        ('refcoco', write_refcoco, {}),
        ('refcocoplus', write_refcoco, dict(ann_file=None)),
        ('refcocog', write_refcoco, dict(ann_file=None)),
        ('grefcoco', write_grefcoco, {}),
    ],
)
def test_base_configs_of_training(
    tmp_path: Path,
    fake_h5py: None,  # noqa: F811
    name: str,
    writer: object,
    changes: dict,
) -> None:
    writer(tmp_path)
    if 'ann_file' in changes:
        changes = dict(ann_file='refcoco/refs(unc).p')
    dataset = DATASETS.build(dataset_config(name) | dict(data_root=str(tmp_path)) | changes)
    for index in range(len(dataset)):
        item = dataset[index]
        pairs = item['data_samples'].gt_pairs
        assert pairs.masks.shape[-2:] == item['inputs'].shape[-2:]
        assert pairs.valid[0].any()


@pytest.mark.parametrize(
    ('name', 'loader', 'writer', 'changes'),
    [
        ('mevis', 'val', write_mevis, {}),
        ('a2d_sentences', 'test', write_a2d, {}),
        ('jhmdb_sentences', 'test', write_jhmdb, {}),
        ('refcoco', 'val', write_refcoco, {}),
        ('grefcoco', 'val', write_grefcoco, {}),
    ],
)
def test_base_configs_of_testing(
    tmp_path: Path,
    fake_h5py: None,  # noqa: F811
    name: str,
    loader: str,
    writer: object,
    changes: dict,
) -> None:
    writer(tmp_path)
    dataset = DATASETS.build(dataset_config(name, loader) | dict(data_root=str(tmp_path)) | changes)
    sample = dataset[0]['data_samples']
    # Annotation keeps the size of the files.
    assert sample.gt_pairs.masks.shape[-2:] == sample.ori_shape == (24, 32)
    assert sample.gt_pairs.masks.any()


def test_ref_davis17(tmp_path: Path) -> None:
    write_set(tmp_path, split='valid')
    config = dataset_config('ref_davis17', 'test')
    dataset = DATASETS.build(
        config | dict(data_root=str(tmp_path), mask_folder='valid/Annotations')
    )
    sample = dataset[0]['data_samples']
    assert (sample.dataset, len(sample.gt_pairs)) == ('ref_davis17', 3)
    assert 'gt_void' in sample


def test_r2_youtube_vos(tmp_path: Path) -> None:
    write_set(tmp_path, split='valid')
    rows = [
        dict(
            pair_id=f'{video}/{kind}',
            video=video,
            exp_video=video,
            exp_id='0',
            exp='a dog',
            label=int(kind == 'positive'),
            kind=kind,
        )
        for video in VIDEOS
        for kind in ('positive', 'easy')
    ]
    config = dataset_config('r2_youtube_vos', 'test')
    write_json(tmp_path / config['pairs_file'], dict(format='r2-pairs/1', pairs=rows))
    dataset = DATASETS.build(config | dict(data_root=str(tmp_path)))
    assert [dataset[i]['data_samples'].gt_pairs.kinds for i in range(3)] == [
        ['positive', 'easy']
    ] * 3


def ref_youtube_vos_parts(dataset: dict) -> list[dict]:
    """The parts of a dataset config that read Refer-YouTube-VOS's training videos."""
    return [
        part
        for part in (dataset, *dataset.get('datasets', ()))
        if part.get('data_root') == REF_YOUTUBE_VOS and part.get('split') == 'train'
    ]


@pytest.mark.parametrize(
    'path',
    sorted(
        path.relative_to(CONFIGS).as_posix()
        for path in CONFIGS.rglob('*.py')
        if path.name != 'study.py' and not {'models', 'schedules', 'backbones'} & set(path.parts)
    ),
)
def test_the_hold_out_stays_out_of_every_training(path: str) -> None:
    config = Config.fromfile(CONFIGS / path)
    if 'dataset' not in config.get('train_dataloader', ()):
        return
    training = ref_youtube_vos_parts(config.train_dataloader.dataset)
    for part in training:
        assert part.type == 'R2VOSDataset'
        assert part.video_subset.part == 'train'
    for part in ref_youtube_vos_parts(config.val_dataloader.dataset):
        assert part.video_subset.part == 'holdout'
        assert {other.video_subset.fraction for other in training} <= {part.video_subset.fraction}


def test_the_hold_out_is_the_same_on_every_machine(tmp_path: Path) -> None:
    """The ids below were held out by the rule, first 64 bits of SHA-256 below 5 % of 2^64."""
    import hashlib

    ids = [f'{i:010x}' for i in range(400)]
    by_hand = {
        i for i in ids if int(hashlib.sha256(i.encode()).hexdigest()[:16], 16) < 0.05 * 2**64
    }
    root = write_set(
        tmp_path,
        {
            i: (1, {'1': 'dog'}, [('a dog', '1')])
            for i in sorted(by_hand)[:2] + sorted(set(ids) - by_hand)[:2]
        },
    )
    dataset = R2VOSDataset(
        data_root=str(root), pipeline=[], video_subset=dict(part='holdout', fraction=0.05)
    )
    assert {video.video_id for video in dataset.videos} == set(sorted(by_hand)[:2])
