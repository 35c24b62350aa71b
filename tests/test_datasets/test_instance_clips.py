"""Clips filmed from annotated images: geometry, pairs that are true, and reproducibility."""

from pathlib import Path

import numpy as np
import pytest
import torch
from instance_images import write_images
from mmengine.config import Config
from toy_models import CONFIGS

from r2vos_mm.datasets import InstanceClipsDataset
from r2vos_mm.datasets.pseudo_video import Layer, camera_path, cut_out, film, placement
from r2vos_mm.datasets.samplers import EpochIndex
from r2vos_mm.registry import DATASETS


@pytest.fixture(scope='module')
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp('instances'))


def build(root: Path, **options: object) -> InstanceClipsDataset:
    defaults = dict(
        frame_size=(96, 64),
        clip_length=3,
        positives_per_clip=2,
        negatives_per_clip=3,
        pipeline=[dict(type='PackReferringInputs')],
    )
    return InstanceClipsDataset(data_root=str(root), **{**defaults, **options})


def test_items(root: Path, warnings_logged):
    assert [v.video_id for v in build(root).videos] == ['a', 'b', 'c', 'd']
    assert len(build(root)) == 3  # d shows nothing
    assert len(build(root, clips_per_image=4)) == 12
    assert len(build(root, clips_per_image=4, test_mode=True)) == 3
    assert any('gone.jpg' in message for message in warnings_logged())


def test_packed_clips(root: Path):
    data = build(root)
    for epoch in range(8):
        item = data[EpochIndex(0, epoch)]
        pairs = item['data_samples'].gt_pairs
        assert item['inputs'].shape == (3, 3, 64, 96)
        assert pairs.masks.shape == (len(pairs), 3, 64, 96)
        assert len(set(pairs.texts)) == len(pairs)
        for negative, masks, kind in zip(pairs.is_negative, pairs.masks, pairs.kinds):
            assert negative == (kind != 'positive')
            assert masks.any() == (not negative)


def test_everything_depends_on_seed_epoch_and_index_only(root: Path):
    first, again = build(root), build(root)
    again[EpochIndex(2, 5)]  # draws before must not matter
    for index in range(3):
        a, b = (data[EpochIndex(index, 1)] for data in (first, again))
        assert a['data_samples'].gt_pairs.texts == b['data_samples'].gt_pairs.texts
        assert (a['inputs'] == b['inputs']).all()
        assert (a['data_samples'].gt_pairs.masks == b['data_samples'].gt_pairs.masks).all()
    a, b, c = (
        data[EpochIndex(0, e)] for data, e in ((first, 0), (first, 1), (build(root, seed=1), 0))
    )
    assert not (a['inputs'] == b['inputs']).all()
    assert not (a['inputs'] == c['inputs']).all()
    test = build(root, test_mode=True)
    assert (test[0]['inputs'] == test[0]['inputs']).all()


def test_sentences_are_true_of_the_colours_in_their_masks(root: Path):
    """Dogs and benches have one colour each, so a named colour can be read from the pixels."""
    data, checked = build(root, cut_outs=(1.0,), positives_per_clip=3), 0
    names = {'red': (220, 0, 0), 'blue': (0, 60, 200), 'green': (0, 180, 0), 'black': (10, 10, 10)}
    for epoch in range(30):
        for index in range(3):
            item = data[EpochIndex(index, epoch)]
            pairs, colours = item['data_samples'].gt_pairs, []
            for text, masks, negative in zip(pairs.texts, pairs.masks, pairs.is_negative):
                named = [c for c in names if c in text.split()]
                if negative or not named:
                    continue
                colours.append(item['inputs'][1][:, masks[1]].float().mean(1))
                wanted = np.array(names[named[0]])
                assert np.abs(colours[-1].numpy() - wanted).max() < 60, text
                checked += 1
    assert checked > 20


def test_wrong_sides_are_wrong(root: Path):
    options = dict(cut_outs=(1.0,), negative_shares=dict(side=1.0), camera=dict(roll=0))
    data, checked = build(root, **options), 0
    for epoch in range(20):
        pairs = data[EpochIndex(0, epoch)]['data_samples'].gt_pairs
        words = [set(text.split()) & {'dog', 'bench'} for text in pairs.texts]
        for text, kind, named in zip(pairs.texts, pairs.kinds, words):
            shown = [m for m, w in zip(pairs.masks, words) if w == named and m.any()]
            if kind != 'side' or not shown or not ('left' in text or 'right' in text):
                continue
            columns = shown[0].any(1).float()  # (T, W), where the object itself is
            centre = columns @ torch.arange(96.0) / columns.sum(1) / 96
            assert (centre > 0.5).all() if 'left' in text else (centre < 0.5).all()
            checked += 1
    assert checked > 3


def test_camera_stays_within_the_image():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        path = camera_path((120, 160), (64, 96), 4, rng, roll=0, shake=0.05, drift=0.5)
        for view in path:
            corners = np.array([[0, 0, 1], [160, 120, 1]]).T
            (left, right), (top, bottom) = view @ corners  # the image's corners in the frame
            assert left <= 1e-6
            assert top <= 1e-6
            assert right >= 96 - 1e-6
            assert bottom >= 64 - 1e-6
    still = camera_path((120, 160), (64, 96), 3, rng, drift=0, zoom_change=0, roll=0, shake=0)
    assert np.ptp(still, axis=0).max() == 0


def test_cut_outs_move_with_the_background():
    camera = np.stack([np.array([[1.0, 0, -10 * t], [0, 1, 0]]) for t in range(3)])  # 10 per frame
    shifts = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        place, shift = placement((20, 20), camera, (64, 96), rng)
        steps = np.diff(place[:, 0, 2])
        np.testing.assert_allclose(steps, -10 + shift * 96 / 2)
        shifts.append(shift)
    assert any(shift == 0 for shift in shifts)
    assert all(abs(shift) >= 0.12 for shift in shifts if shift)


def test_film_covers_and_blends():
    still = np.tile(np.eye(2, 3), (1, 1, 1))
    background = Layer(np.zeros((8, 8, 3), np.uint8), np.ones((8, 8), np.uint16), None, still)
    alpha = np.zeros((8, 8), np.float32)
    alpha[2:6, 2:6], alpha[0, 0] = 1.0, 0.5
    over = Layer(np.full((8, 8, 3), 100, np.uint8), (alpha > 0.6) * np.uint16(2), alpha, still)
    image, labels = film([background, over], (8, 8), 0)
    assert (image[0, 0, 0], image[3, 3, 0], image[7, 7, 0]) == (50, 100, 0)
    assert (labels[0, 0], labels[3, 3], (labels == 2).sum()) == (1, 2, 16)


def test_cut_out_has_a_soft_edge_and_a_margin():
    mask = np.zeros((30, 40), bool)
    mask[10:20, 15:30] = True
    image, inside, alpha = cut_out(np.zeros((30, 40, 3), np.uint8), mask)
    assert image.shape == (16, 21, 3)
    assert inside.sum() == 8 * 13  # one pixel of the border is given up
    assert 0 < alpha[3, 10] < alpha[4, 10] < alpha[8, 10] <= 1


def test_subsets_and_options(root: Path):
    parts = [
        {v.video_id for v in build(root, video_subset=dict(part=part, fraction=0.5)).videos}
        for part in ('train', 'holdout')
    ]
    assert parts[0] | parts[1] == {'a', 'b', 'c', 'd'}
    assert not parts[0] & parts[1]
    with pytest.raises(ValueError, match=r"not \['size'\]"):
        build(root, negative_shares=dict(size=1.0))
    with pytest.raises(ValueError, match='no object larger than'):
        build(root, min_area=0.9)
    (root / 'other.json').write_text('{"images": []}')
    with pytest.raises(ValueError, match="expected COCO's form"):
        build(root, ann_file='other.json')


def test_parts_have_the_items_of_the_whole(root: Path):
    whole = {item['data_samples'].frame_paths[0]: item for item in build(root, test_mode=True)}
    parts = [build(root, test_mode=True, part=part) for part in ('1/2', '2/2')]
    items = [item for part in parts for item in part]
    assert [item['data_samples'].frame_paths[0][-5:] for item in items] == [
        'a.jpg',
        'c.jpg',
        'b.jpg',
    ]
    assert all(part.metainfo['part']['videos'] == ['a', 'b', 'c'] for part in parts)
    for item in items:
        same = whole[item['data_samples'].frame_paths[0]]
        assert torch.equal(item['inputs'], same['inputs'])
        assert item['data_samples'].gt_pairs.texts == same['data_samples'].gt_pairs.texts


def test_images_and_videos_train_together(root: Path, tiny_set: Path):
    config = Config.fromfile(CONFIGS / 'r2vos/r2vos_effnet-lite2_1xb4-800_real-clips.py')
    joined = config.train_dataloader.dataset
    joined.datasets[0].data_root = str(root)
    joined.datasets[1].update(data_root=str(tiny_set), video_subset=None)
    data = DATASETS.build(joined)
    images, videos = data.datasets
    assert len(data) == len(images) + len(videos)
    assert len(images) == 2 * 3
    width, height = config.image_size
    for index in (0, len(data) - 1):
        item = data[EpochIndex(index, 1)]
        assert item['inputs'].shape == (3, 3, height, width)
        assert item['data_samples'].gt_pairs.valid[0].any()
