"""RefShapesFrames: the look of every pixel, and the config that learns it."""

import json
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from PIL import Image
from toy_models import CONFIGS

from r2vos_mm.datasets import RefShapesFrames
from r2vos_mm.refshapes import make_refshapes
from r2vos_mm.registry import DATASETS, MODELS

FIRST_STAGE = CONFIGS / 'r2vos/pretrain/resnet18_2xb16-2400iter_refshapes.py'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make_refshapes(
        tmp_path / 'set',
        splits=dict(train=2, valid=1),
        size=(64, 64),
        length=3,
        workers=1,
        progress=False,
    )
    return tmp_path / 'set'


@pytest.fixture
def config(root: Path) -> Config:
    config = Config.fromfile(FIRST_STAGE)
    config.merge_from_dict(
        {
            'train_dataloader.dataset.data_root': str(root),
            'val_dataloader.dataset.data_root': str(root),
        }
    )
    return config


def test_every_pixel_has_the_class_of_its_object(root: Path, config: Config):
    dataset = DATASETS.build(config.val_dataloader.dataset)
    classes = dataset.metainfo['classes']
    assert len(classes) == 1 + 6 * 3 * 6
    assert len(dataset) == 1 * 3
    world = json.loads((root / 'worlds/valid.json').read_text())['videos']
    entry = dataset.get_data_info(1)
    mask_file = Path(entry['seg_map_path'])
    objects = world[mask_file.parent.name]['objects']
    ids = np.array(Image.open(mask_file))
    labels = dataset[1]['data_samples'].gt_sem_seg.data[0].numpy()
    assert {0, *map(int, objects)} >= set(np.unique(ids).tolist())
    assert (labels[ids == 0] == 0).all()
    for name, attributes in objects.items():
        name_of_class = ' '.join(attributes[field] for field in ('colour', 'texture', 'shape'))
        assert (labels[ids == int(name)] == classes.index(name_of_class)).all()


def test_any_attributes_make_the_classes(root: Path, config: Config):
    reader = dict(config.val_dataloader.dataset, attributes=['colour', 'size'])
    dataset = DATASETS.build(reader)
    assert len(dataset.metainfo['classes']) == 1 + 6 * 2
    entry = dataset.get_data_info(0)
    world = json.loads((root / 'worlds/valid.json').read_text())['videos']
    for name, look in world[Path(entry['seg_map_path']).parent.name]['objects'].items():
        label = entry['label_map'][int(name)]
        assert dataset.metainfo['classes'][label] == f'{look["colour"]} {look["size"]}'
    with pytest.raises(ValueError, match='unknown attributes hue: there are size, texture'):
        DATASETS.build(dict(reader, attributes=['hue']))


def test_a_folder_without_a_set_is_named(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match='worlds/train.json'):
        RefShapesFrames(data_root=str(tmp_path), split='train')


def test_config_trains_and_its_backbone_fits_the_next_stage(config: Config):
    config.model.backbone.base_channels = 16
    config.model.decode_head.in_channels = [32, 64]
    model = MODELS.build(config.model)
    model.init_weights()
    with DefaultScope.overwrite_default_scope('r2vos_mm'):
        dataset = DATASETS.build(config.train_dataloader.dataset)
    data = model.data_preprocessor(pseudo_collate([dataset[0], dataset[4]]), training=True)
    losses = model(**data, mode='loss')
    assert losses['decode.loss_ce'].isfinite()
    losses['decode.loss_ce'].backward()
    thin = [item['data_samples'].gt_sem_seg.shape[-2:] for item in (dataset[0], dataset[4])]
    assert thin == [(16, 16)] * 2  # 64 pixels, every fourth
    following = Config.fromfile(CONFIGS / 'r2vos/pretrain/r2vos_tiny_2xb4-5k_refshapes-stills.py')
    backbone = following.model.backbone
    assert backbone.pop('init_cfg')['prefix'] == 'backbone.'
    assert backbone == Config.fromfile(FIRST_STAGE).model.backbone
