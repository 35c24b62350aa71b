"""The base configs of datasets load and give batches."""

from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from tiny_sets import VIDEOS, write_json, write_set

from r2vos_mm.registry import DATA_SAMPLERS, DATASETS

CONFIGS = Path(__file__).parents[2] / 'configs/_base_/datasets'


def built(loader: dict, root: Path, **changes: object) -> object:
    return DATASETS.build({**loader['dataset'], 'data_root': str(root), **changes})


@pytest.fixture
def refshapes_like(tmp_path: Path) -> Path:
    """The tiny set as train and valid split with pairs files."""
    for split in ('train', 'valid'):
        write_set(tmp_path, split=split)
        rows = [
            dict(
                pair_id=f'{video}/{i}/{kind}',
                video=video,
                exp_video=video,
                exp_id=str(i),
                exp=exp if kind == 'positive' else f'no {exp}',
                obj_id=obj,
                label=int(kind == 'positive'),
                kind=kind,
            )
            for video, (_, _, sentences) in VIDEOS.items()
            for i, (exp, obj) in enumerate(sentences)
            for kind in ('positive', 'other_video', 'attribute', 'relation')
        ]
        write_json(tmp_path / f'pairs/{split}.json', dict(format='r2-pairs/1', pairs=rows))
    return tmp_path


def test_refshapes(refshapes_like: Path) -> None:
    config = Config.fromfile(CONFIGS / 'refshapes.py')
    dataset = built(config.train_dataloader, refshapes_like)
    sampler = DATA_SAMPLERS.build(
        dict(config.train_dataloader.sampler), default_args=dict(dataset=dataset)
    )
    indices = iter(sampler)
    batch = pseudo_collate([dataset[next(indices)] for _ in range(4)])
    width, height = config.image_size
    expected = (config.clip_length, 3, height, width)
    assert all(clip.shape == expected for clip in batch['inputs'])
    assert {sample.dataset for sample in batch['data_samples']} == {'refshapes'}
    assert all(sample.gt_pairs.is_negative.any() for sample in batch['data_samples'])

    test_set = built(config.val_dataloader, refshapes_like)
    sample = test_set[0]['data_samples']
    assert sample.img_shape == (height, width)
    assert sample.gt_pairs.masks.shape == (12, 6, 24, 32)


def test_ref_youtube_vos(tiny_set: Path) -> None:
    config = Config.fromfile(CONFIGS / 'ref_youtube_vos.py')
    dataset = built(config.train_dataloader, tiny_set, video_subset=None)
    sizes = set()
    for index in range(len(dataset)):
        item = dataset[index]
        height, width = item['inputs'].shape[-2:]
        sizes.add((height, width))
        assert item['inputs'].shape[:2] == (5, 3)
        assert item['data_samples'].gt_pairs.masks.shape[-3:] == (5, height, width)
        assert max(height, width) <= 640
        assert min(height, width) <= 512
    assert len(sizes) > 1

    test_set = built(config.val_dataloader, tiny_set, video_subset=None)
    assert test_set[0]['data_samples'].img_shape == (360, 480)
    assert (
        config.train_dataloader.dataset.video_subset.fraction
        == config.val_dataloader.dataset.video_subset.fraction
    )
