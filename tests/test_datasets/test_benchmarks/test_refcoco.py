"""RefCOCO: images as clips of one frame, pickles that run nothing, no leakage between sets."""

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from public_sets import write_refcoco
from tiny_sets import PIPELINE, write_json

from r2vos_mm.datasets import RefCOCODataset
from r2vos_mm.datasets.io.safe_pickle import read_plain_pickle
from r2vos_mm.registry import DATASETS

FORMS = ['refcoco/refs(unc).p', 'refcoco/instances_refcoco_train.json']
IMAGE = 'COCO_train2014_{:012d}'.format


def build(root: Path, ann_file: str = FORMS[0], **kwargs: object) -> RefCOCODataset:
    options = dict(
        type='RefCOCODataset',
        data_root=str(root),
        ann_file=ann_file,
        clip_length=1,
        pipeline=PIPELINE,
    )
    return DATASETS.build(options | kwargs)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_refcoco(tmp_path)


@pytest.mark.parametrize('ann_file', FORMS)
def test_an_item_is_an_image_and_a_sentence(root: Path, ann_file: str) -> None:
    dataset = build(root, ann_file)
    assert len(dataset) == 4
    samples = [dataset[i]['data_samples'] for i in range(4)]
    assert [(s.video_id, s.gt_pairs.texts[0]) for s in samples] == [
        (IMAGE(5), 'the left dog'),
        (IMAGE(5), 'a dog'),
        (IMAGE(5), 'cat'),
        (IMAGE(6), 'a dog'),
    ]
    assert [s.gt_pairs.obj_ids for s in samples] == [['1'], ['1'], ['2'], ['3']]
    assert all(s.gt_pairs.masks.sum() == 36 for s in samples)


@pytest.mark.parametrize('ann_file', FORMS)
def test_crowds_and_lines_are_left_out(
    root: Path, warnings_logged: Callable, ann_file: str
) -> None:
    build(root, ann_file)
    table = warnings_logged()[0]
    assert 'is about a crowd' in table
    assert 'its polygons have fewer than three points' in table
    assert '2 problem(s)' in table


def test_grey_images_have_three_channels(root: Path) -> None:
    assert build(root)[3]['inputs'].shape == (1, 3, 24, 32)


def test_testing_shows_an_image_with_all_sentences(root: Path) -> None:
    dataset = build(root, split='val', test_mode=True)
    assert len(dataset) == 1
    sample = dataset[0]['data_samples']
    assert (sample.video_id, sample.gt_pairs.texts) == (IMAGE(7), ['a cat'])


def test_categories_are_of_all_annotated_objects(root: Path) -> None:
    dataset = build(root)
    assert dataset.videos[0].categories == {'1': 'dog', '2': 'cat'}
    assert dataset.videos[1].categories == {'3': 'dog', '4': 'dog', '5': 'cat'}
    # A converted file knows the objects of its own sentences only.
    assert build(root, FORMS[1]).videos[0].categories == {}


def test_images_that_another_set_evaluates_on_are_kept_out(root: Path) -> None:
    # Image 5 is in the training of this set and in the validation of the other.
    refs = read_plain_pickle(root / FORMS[0])
    for ref in refs:
        ref['split'] = 'val' if ref['image_id'] == 5 else 'train'
    (root / 'refcocog').mkdir()
    (root / 'refcocog/refs(umd).p').write_bytes(pickle.dumps(refs, protocol=0))
    both = [FORMS[0], 'refcocog/refs(umd).p']
    assert [v.video_id for v in build(root, held_out_by=both).videos] == [IMAGE(6)]
    write_json(root / 'val.json', dict(images=[dict(file_name=f'{IMAGE(6)}.jpg')], annotations=[]))
    assert [v.video_id for v in build(root, held_out_by=['val.json']).videos] == [IMAGE(5)]


def test_several_frames_are_the_same_image(root: Path) -> None:
    sample = build(root, clip_length=3)[0]['data_samples']
    assert sample.frame_ids == [IMAGE(5)] * 3
    assert sample.gt_pairs.masks.sum((-1, -2)).tolist() == [[36] * 3]


def test_unknown_splits_and_missing_images(root: Path, warnings_logged: Callable) -> None:
    with pytest.raises(ValueError, match="has no split 'testA'; it has train, val"):
        build(root, split='testA')
    (root / f'train2014/{IMAGE(5)}.jpg').unlink()
    assert len(build(root)) == 1
    assert any(f'{IMAGE(5)}.jpg is missing' in message for message in warnings_logged())


def test_names_stay_in_their_folder(root: Path) -> None:
    path = root / FORMS[1]
    content = json.loads(path.read_text())
    for image in content['images']:
        image['file_name'] = f'../../{image["file_name"]}'
    write_json(path, content)
    assert {v.frame_dir for v in build(root, FORMS[1]).videos} == {root / 'train2014'}


class Attack:
    """Runs a command when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple:
        return os.system, (f'touch {self.target}',)


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_run_nothing(tmp_path: Path, protocol: int) -> None:
    path, target = tmp_path / 'refs.p', tmp_path / 'attacked'
    path.write_bytes(pickle.dumps([dict(image_id=Attack(target))], protocol=protocol))
    with pytest.raises(
        ValueError,
        match=r'refs\.p is not a pickle of plain data \(it asks for '
        r'posix\.system\); nothing in it was run',
    ):
        read_plain_pickle(path)
    assert not target.exists()


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_pickles_are_read(tmp_path: Path, protocol: int) -> None:
    content = [dict(a=1, b=['x', 2.5, None, True], c=(1, 2), d={'ü': b''[:0].decode()})]
    path = tmp_path / 'refs.p'
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    assert read_plain_pickle(path) == content


def test_pickles_of_python_2(tmp_path: Path) -> None:
    path = tmp_path / 'refs.p'
    # str of Python 2 with a Latin-1 byte, as protocol 0 writes it.
    path.write_bytes(b"(lp0\nS'caf\\xe9'\np1\na.")
    assert read_plain_pickle(path) == ['café']


@pytest.mark.parametrize('content', [b'', b'no pickle', b'(lp0\nS'])
def test_broken_pickles(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / 'refs.p'
    path.write_bytes(content)
    with pytest.raises(ValueError, match='is not a pickle of plain data'):
        read_plain_pickle(path)
    with pytest.raises(FileNotFoundError, match='does not exist'):
        read_plain_pickle(tmp_path / 'none.p')


def test_plain_data_of_another_form(root: Path) -> None:
    (root / FORMS[0]).write_bytes(pickle.dumps([dict(image_id=1)]))
    with pytest.raises(ValueError, match='is not a list of references with ann_id'):
        build(root)
    write_json(root / FORMS[1], [])
    with pytest.raises(ValueError, match="is not a list of references with ann_id.*or COCO's form"):
        build(root, FORMS[1])


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(image_id=[5]), 'is not a list of references with ann_id'),
        (dict(image_id='x'), r"refs\(unc\)\.p: image_id 'x' is not a number, and no file_name"),
    ],
)
def test_numbers_of_images_that_cannot_be_used(root: Path, change: dict, message: str) -> None:
    references = read_plain_pickle(root / FORMS[0])
    references[0] |= change
    (root / FORMS[0]).write_bytes(pickle.dumps(references))
    with pytest.raises(ValueError, match=message):
        build(root, split=references[0]['split'])


def test_texts_that_are_numbers_are_reported(root: Path, warnings_logged: Callable) -> None:
    references = read_plain_pickle(root / FORMS[0])
    for reference in references:
        reference['sentences'][0] |= dict(raw=5)
    (root / FORMS[0]).write_bytes(pickle.dumps(references))
    build(root)
    assert 'text is empty' in warnings_logged()[0]


def test_instances_of_another_form(root: Path) -> None:
    path = root / 'refcoco/instances.json'
    instances = json.loads(path.read_text())
    del instances['annotations'][0]['category_id']
    write_json(path, instances | dict(annotations=[dict(id=99), *instances['annotations']]))
    assert len(build(root)) == 4
    write_json(path, instances | dict(images=[1]))
    with pytest.raises(ValueError, match="has no lists 'images' and 'annotations'"):
        build(root)


def test_images_without_names_cannot_be_held_out(root: Path) -> None:
    write_json(root / 'held.json', dict(images=[dict(id=1)], annotations=[]))
    with pytest.raises(ValueError, match='held.json has images without file_name'):
        build(root, held_out_by=['held.json'])


def test_reference_data(test_data: Path) -> None:
    dataset = build(
        test_data / 'data/fixtures/coco', 'refcoco/instances_refcoco_val.json', test_mode=True
    )
    samples = [dataset[i] for i in range(2)]
    assert [s['data_samples'].gt_pairs.texts for s in samples] == [
        ['brown bear', 'bear on the right'],
        ['toy train'],
    ]
    # The area that the file states is that of the polygon's corners, that of the pixels is near.
    areas = [s['data_samples'].gt_pairs.masks[0].sum().item() for s in samples]
    assert areas == pytest.approx([1105, 1297], rel=0.1)
