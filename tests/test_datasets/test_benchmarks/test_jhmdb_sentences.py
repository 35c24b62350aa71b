"""JHMDB-Sentences: the frames of MTTR's list and the masks of .mat files."""

from collections.abc import Callable
from pathlib import Path

import pytest
from public_sets import square, write_jhmdb
from scipy.io import savemat
from tiny_sets import PIPELINE, write_json

from r2vos_mm.datasets import DataFileError, JHMDBSentencesDataset
from r2vos_mm.datasets.benchmarks.jhmdb_sentences_dataset import PuppetMask
from r2vos_mm.registry import DATASETS


def build(root: Path, **kwargs: object) -> JHMDBSentencesDataset:
    return DATASETS.build(
        dict(type='JHMDBSentencesDataset', data_root=str(root), pipeline=PIPELINE) | kwargs
    )


def test_one_item_for_each_frame_of_the_list(tmp_path: Path, warnings_logged: Callable) -> None:
    dataset = build(write_jhmdb(tmp_path))
    samples = [dataset[i]['data_samples'] for i in range(len(dataset))]
    assert [sample.video_id for sample in samples] == ['v_w_f_1', 'v_w_f_5']
    assert samples[0].gt_pairs.texts == ['a man walking']
    # Mask i of the file, from 0, has its square at column i, and frames count from 1.
    for sample, column in zip(samples, (0, 4)):
        assert (sample.gt_pairs.masks[0, 0].numpy() == square(column)).all()
    assert 'entry 2' in warnings_logged()[0]


def test_windows_stay_within_the_frames_that_have_masks(tmp_path: Path) -> None:
    # 6 images but 5 masks, as the list says.
    dataset = build(write_jhmdb(tmp_path), window=5)
    assert [dataset[i]['data_samples'].frame_ids for i in range(2)] == [
        ['00001', '00002', '00003'],
        ['00003', '00004', '00005'],
    ]
    assert dataset[1]['data_samples'].annotated_frames == [False, False, True]


def test_the_paths_of_the_list_are_of_another_machine(tmp_path: Path) -> None:
    root = write_jhmdb(tmp_path)
    row = ['w', '/home/somebody/jhmdb/Rename_Images/walk/w/00002.png', 'x.mat', 5, 'a man']
    write_json(root / 'mine.json', [row, ['w', '../../walk/../00001.png', 'x.mat', 5, 'a man']])
    dataset = build(root, ann_file='mine.json')
    assert [video.video_id for video in dataset.videos] == ['v_w_f_2']


def test_missing_files_cost_their_frame(tmp_path: Path, warnings_logged: Callable) -> None:
    root = write_jhmdb(tmp_path)
    (root / 'Rename_Images/walk/w/00005.png').unlink()
    assert len(build(root)) == 1
    assert '00005.png is missing' in warnings_logged()[0]


def test_mat_files(tmp_path: Path) -> None:
    path = tmp_path / 'puppet_mask.mat'
    savemat(path, dict(part_mask=square(3)))  # a single mask has no axis of frames
    assert (PuppetMask(path, 0).read('1', 24, 32) == square(3).astype(bool)).all()
    with pytest.raises(DataFileError, match='has 1 masks, none for frame 3'):
        PuppetMask(path, 2).read('1', 24, 32)
    with pytest.raises(DataFileError, match=r'size \(24, 32\), its frame \(32, 24\)'):
        PuppetMask(path, 0).read('1', 32, 24)
    savemat(path, dict(other=square(3)))
    with pytest.raises(DataFileError, match='cannot be read as part_mask'):
        PuppetMask(path, 0).read('1', 24, 32)
    path.write_bytes(b'no mat file')
    with pytest.raises(DataFileError, match='cannot be read as part_mask'):
        PuppetMask(path, 0).read('1', 24, 32)


def test_another_list(tmp_path: Path) -> None:
    write_json(write_jhmdb(tmp_path) / 'dict.json', {})
    with pytest.raises(ValueError, match='is not a list of'):
        build(tmp_path, ann_file='dict.json')


def test_reference_data(test_data: Path) -> None:
    dataset = build(test_data / 'data/fixtures/jhmdb_sentences')
    assert len(dataset) == 6
    pairs = dataset[2]['data_samples'].gt_pairs
    assert pairs.masks.shape == (1, 1, 48, 64)
    assert pairs.masks.sum() == 139
    assert pairs.boxes.isfinite().all()
