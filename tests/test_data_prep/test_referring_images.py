"""Generated references: sentences are true of their objects, and the data sets read the files."""

import json
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from public_sets import rle

from r2vos_mm.data_prep.referring_images import (
    GENERALIZED,
    REFERENCES,
    ImageOptions,
    make_referring_images,
)
from r2vos_mm.datasets import GRefCOCODataset, RefCOCODataset
from r2vos_mm.registry import DATASETS

CONFIGS = Path(__file__).parents[2] / 'configs/_base_/datasets'
CATEGORIES = [dict(id=18, name='dog'), dict(id=17, name='cat'), dict(id=62, name='chair')]
RED, BLUE = (0, 0, 220), (220, 0, 0)  # BGR
OBJECTS = [  # (category, x, colour)
    (18, 5, RED),
    (18, 75, BLUE),
    (17, 40, BLUE),
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Twelve images with a red dog on the left, a blue dog on the right, and a cat between them."""
    (tmp_path / 'data/images').mkdir(parents=True)
    images, annotations = [], []
    for number in range(12):
        picture = np.full((60, 100, 3), 128, np.uint8)
        for category, x, colour in OBJECTS:
            picture[20:40, x : x + 20] = colour
            mask = np.zeros((60, 100), np.uint8)
            mask[20:40, x : x + 20] = 1
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=number,
                    category_id=category,
                    segmentation=rle(mask),
                    area=400,
                    bbox=[x, 20, 20, 20],
                    iscrowd=0,
                )
            )
        name = f'{number:03d}.png'
        cv2.imwrite(str(tmp_path / 'data/images' / name), picture)
        images.append(dict(id=number, file_name=name, width=100, height=60))
    content = dict(images=images, annotations=annotations, categories=CATEGORIES)
    (tmp_path / 'data/instances.json').write_text(json.dumps(content))
    return tmp_path / 'data'


def test_sentences_are_true(data: Path, tmp_path: Path) -> None:
    files = make_referring_images(data, tmp_path / 'out')
    kinds = {18: 'dog', 17: 'cat'}
    for ref in files.generalized:
        objects = [(number - 1) % 3 for number in ref['ann_id']]
        for text in (sentence['sent'] for sentence in ref['sentences']):
            nouns = {kinds[OBJECTS[i][0]] for i in objects} if not ref['no_target'] else set()
            assert all(noun in text for noun in nouns)
            if len(objects) == 1 and not ref['no_target'] and ' of ' not in text:
                index = objects[0]
                assert 'red' not in text or index == 0
                assert 'blue' not in text or index > 0
                assert not {'leftmost', 'rightmost'} & set(text.split()) or index < 2
    several = [ref for ref in files.generalized if len(ref['ann_id']) > 1]
    dogs = [ref for ref in several if 'dogs' in ref['sentences'][0]['sent']]
    assert dogs
    # "blue dogs" would be one dog: of several, only all dogs can be named
    assert {tuple((i - 1) % 3 for i in ref['ann_id']) for ref in dogs} == {(0, 1)}
    absent = [ref for ref in files.generalized if ref['no_target']]
    assert absent
    assert all(ref['ann_id'] == [-1] for ref in absent)


def test_the_data_sets_read_the_files(data: Path, tmp_path: Path) -> None:
    out = tmp_path / 'out'
    files = make_referring_images(data, out, options=ImageOptions(holdout=0.5))
    assert pickle.loads((out / REFERENCES).read_bytes()) == files.references
    found = {}
    for kind, name in ((RefCOCODataset, REFERENCES), (GRefCOCODataset, GENERALIZED)):
        for split in ('train', 'val'):
            options = dict(data_root=str(out), image_folder='images', test_mode=True, pipeline=[])
            found[name, split] = kind(ann_file=name, split=split, **options)
    for name in (REFERENCES, GENERALIZED):
        train, val = ({v.video_id for v in found[name, s].videos} for s in ('train', 'val'))
        assert train
        assert val
        assert not train & val
        assert len(train | val) == 12
    videos = found[GENERALIZED, 'train'].videos
    sentences = sum(len(video.expressions) + len(video.absent) for video in videos)
    listed = [ref for ref in files.generalized if ref['split'] == 'train']
    assert sentences == sum(len(ref['sentences']) for ref in listed)
    assert videos[0].categories == dict(zip(videos[0].categories, ('dog', 'dog', 'cat')))


def test_the_base_config_reads_them(data: Path, tmp_path: Path) -> None:
    make_referring_images(data, tmp_path / 'out', options=ImageOptions(holdout=0.5))
    config = Config.fromfile(CONFIGS / 'referring_images.py')
    train, val = (
        DATASETS.build(config[f'{part}_dataloader'].dataset | dict(data_root=str(tmp_path / 'out')))
        for part in ('train', 'val')
    )
    item = train[0]
    assert item['inputs'].shape == (1, 3, 224, 384)
    assert item['data_samples'].gt_pairs.is_negative.any()
    shown = [val[i]['data_samples'].gt_pairs for i in range(len(val))]
    assert {pairs.masks.shape[1:] for pairs in shown} == {(1, 60, 100)}
    assert {kind for pairs in shown for kind in pairs.kinds} == {'positive', 'no_target'}


def test_an_image_gets_the_same_sentences_whatever_the_others(data: Path, tmp_path: Path) -> None:
    whole = make_referring_images(data, tmp_path / 'whole').generalized
    content = json.loads((data / 'instances.json').read_text())
    content['images'] = content['images'][6:]
    (data / 'instances.json').write_text(json.dumps(content))
    part = make_referring_images(data, tmp_path / 'part')
    assert part.problems.rows[0].what == 'an annotation has no image, category or mask'

    def texts(refs: list[dict]) -> list[list[str]]:
        return [[s['sent'] for s in ref['sentences']] for ref in refs if ref['image_id'] >= 6]

    # the categories that absent ones are drawn from are as frequent in both
    assert texts(whole) == texts(part.generalized)


def test_mistakes(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='holdout=1.0 must be between 0 and 1'):
        ImageOptions(holdout=1.0)
    with pytest.raises(ValueError, match='no object that an expression could name'):
        make_referring_images(data, tmp_path / 'out', options=ImageOptions(min_area=0.9))
    (tmp_path / 'taken/refcoco').mkdir(parents=True)
    (tmp_path / 'taken/refcoco/instances.json').write_text('{}')
    with pytest.raises(ValueError, match='refcoco/instances.json exists and is not'):
        make_referring_images(data, tmp_path / 'taken')
    assert not (tmp_path / 'taken' / REFERENCES).exists()
    (data / 'images/000.png').unlink()
    files = make_referring_images(data, tmp_path / 'out')
    assert [row.where for row in files.problems.rows] == ['000.png']
