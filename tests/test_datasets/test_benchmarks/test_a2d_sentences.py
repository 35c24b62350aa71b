"""A2D-Sentences: the list and how it is made, windows around annotated frames, h5 masks."""

import builtins
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from public_sets import fake_h5py, square, write_a2d  # noqa: F401  (a fixture)
from tiny_sets import write_json

from r2vos_mm.datasets import A2DSentencesDataset, DataFileError
from r2vos_mm.datasets.benchmarks.a2d_sentences_dataset import InstanceFile
from r2vos_mm.registry import DATASETS

PIPELINE = [
    dict(type='DecodeVideoFrames'),
    dict(type='TransformBroadcaster', transforms=[dict(type='LoadMasks')]),
    dict(type='PackReferringInputs'),
]
MASKS = 'text_annotations/a2d_annotation_with_instances'


def build(root: Path, **kwargs: object) -> A2DSentencesDataset:
    options = dict(type='A2DSentencesDataset', data_root=str(root), pipeline=PIPELINE)
    return DATASETS.build(options | kwargs)


@pytest.fixture
def root(tmp_path: Path, fake_h5py: None) -> Path:  # noqa: F811
    return write_a2d(tmp_path)


def test_the_list_is_made_by_mttrs_rule(root: Path, warnings_logged: Callable) -> None:
    dataset = build(root)
    # Frame 2 lists instances 0 and 1, frame 5 only 0: three items.
    assert [
        (video.video_id, [(e.exp_id, e.text) for e in video.expressions])
        for video in dataset.videos
    ] == [
        ('v_-one_f_2', [('i_0', 'the dog, running'), ('i_1', 'a cat')]),
        ('v_-one_f_5', [('i_0', 'the dog, running')]),
    ]
    assert len(dataset) == 3
    # The row '1 (copy)' is left out, and so is the missed video.
    assert "'-one,1 (copy),a bird' is not video_id,instance_id,query" in warnings_logged()[0]
    assert [v.source_id for v in build(root, split='test', test_mode=True).videos] == ['two']


def test_the_list_of_mttr_is_preferred(root: Path) -> None:
    write_json(
        root / 'a2d_sentences_single_frame_train_annotations.json',
        [['another text', '-one', 5, 0], ['no frame', '-one', 'x', 0]],
    )
    (video,) = build(root).videos
    assert [e.text for e in video.expressions] == ['another text']


def test_masks_are_turned_to_height_and_width(root: Path) -> None:
    pairs = build(root, test_mode=True)[0]['data_samples'].gt_pairs
    assert pairs.masks.shape == (2, 1, 24, 32)
    assert (pairs.masks[0, 0].numpy() == square(4)).all()
    assert (pairs.masks[1, 0].numpy() == square(12)).all()
    # A file with a single instance has no axis of instances.
    single = build(root, test_mode=True)[1]['data_samples'].gt_pairs.masks
    assert (single[0, 0].numpy() == square(4)).all()


@pytest.mark.parametrize(
    ('window', 'frames'),
    [
        (1, [[2], [5]]),
        (4, [[1, 2, 3], [3, 4, 5, 6]]),
        (7, [[1, 2, 3, 4, 5], [2, 3, 4, 5, 6, 7, 8]]),
    ],
)
def test_windows_lie_around_the_annotated_frame(root: Path, window: int, frames: list) -> None:
    dataset = build(root, window=window, test_mode=True)
    for index, expected in enumerate(frames):
        sample = dataset[index]['data_samples']
        assert [int(frame) for frame in sample.frame_ids] == expected
        annotated = [number == (2, 5)[index] for number in expected]
        assert sample.annotated_frames == annotated
        assert sample.gt_pairs.valid[0].tolist() == annotated


def test_frame_numbers_count_from_one(root: Path) -> None:
    # Frame i of the file, from 0, is grey of level 20 i.
    levels = build(root, test_mode=True)[1]['inputs'].float().mean()
    assert levels == pytest.approx(20 * 4, abs=4)


def test_training_windows_have_one_length(root: Path) -> None:
    dataset = build(root, window=5)
    assert len(dataset) == 3
    assert all(dataset[i]['inputs'].shape == (5, 3, 24, 32) for i in range(3))


def test_the_table_may_promise_more_frames_than_the_file_has(root: Path) -> None:
    # 'two' has 6 frames, the table says 9: the last ones repeat the sixth.
    item = build(root, split='test', window=5, test_mode=True)[0]
    assert item['data_samples'].frame_ids == ['00004', '00005', '00006', '00007', '00008']
    assert (item['inputs'][2] == item['inputs'][4]).all()
    assert item['data_samples'].annotated_frames[2]


def test_parts_of_one_video_lend_each_other_no_negatives(root: Path) -> None:
    dataset = build(root, negatives=dict(type='TrainNegatives', shares=dict(other_video=1.0)))
    assert all(dataset[i]['data_samples'].gt_pairs.kinds == ['positive'] for i in range(3))


def test_the_folder_of_the_videos_has_two_names(tmp_path: Path, fake_h5py: None) -> None:  # noqa: F811
    assert len(build(write_a2d(tmp_path / 'a', folder='CLIPS320'))) == 3
    with pytest.raises(FileNotFoundError, match=r'clips320H or Release/CLIPS320'):
        build(write_a2d(tmp_path / 'b', folder='videos'))


def test_missing_files_cost_their_frame(root: Path, warnings_logged: Callable) -> None:
    write_json(
        root / 'a2d_sentences_single_frame_train_annotations.json',
        [['a', '-one', 2, 0], ['b', '-one', 3, 0]],
    )
    assert len(build(root)) == 1
    assert '00003.h5 is missing' in warnings_logged()[0]


def test_all_instances_of_the_frame_for_methods_that_learn_from_them(root: Path) -> None:
    """Instance 1 of frame 2 has no sentence in this list."""
    write_json(root / 'a2d_sentences_single_frame_train_annotations.json', [['a', '-one', 2, 0]])
    pipeline = [
        dict(type='DecodeVideoFrames'),
        dict(type='TransformBroadcaster', transforms=[dict(type='LoadMasks')]),
        dict(type='PackReferringInputs', with_instances=True),
    ]
    sample = build(root, with_instances=True, pipeline=pipeline)[0]['data_samples']
    assert sample.gt_pairs.obj_ids == ['0']
    assert sample.gt_instances.obj_ids == ['0', '1']
    assert sample.gt_instances.masks.flatten(1).any(1).all()


def test_a_broken_file_of_masks_costs_its_item_only(root: Path) -> None:
    write_json(
        root / 'a2d_sentences_single_frame_train_annotations.json',
        [['a', '-one', 2, 0], ['b', '-one', 5, 0]],
    )
    dataset = build(root, with_instances=True)
    (root / MASKS / '-one/00002.h5').write_bytes(pickle.dumps(dict(reMask=square(1).T)))
    frames = {dataset[i]['data_samples'].video_id for i in range(len(dataset))}
    assert frames == {'v_-one_f_5'}


def test_files_of_another_form(root: Path) -> None:
    path = root / MASKS / '-one/00002.h5'
    source = InstanceFile(path)
    assert not source.read('7', 24, 32).any()
    with pytest.raises(DataFileError, match=r'00002\.h5 has a mask of size \(24, 32\)'):
        source.read('0', 48, 32)
    path.write_bytes(pickle.dumps(dict(instance=np.arange(3.0), reMask=square(1).T[None])))
    with pytest.raises(DataFileError, match='1 masks for 3 instances'):
        source.read('0', 24, 32)
    path.write_bytes(pickle.dumps(dict(instance=np.arange(1.0))))
    with pytest.raises(DataFileError, match="cannot be read .*'reMask'"):
        source.read('0', 24, 32)


def test_without_h5py_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_import = builtins.__import__

    def no_h5py(name: str, *args: object, **kwargs: object) -> object:
        if name == 'h5py':
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, 'h5py', raising=False)
    monkeypatch.setitem(sys.modules, 'h5py', None)
    monkeypatch.setattr(builtins, '__import__', no_h5py)
    with pytest.raises(ImportError, match=r"pip install 'r2vos_mm\[a2d\]'"):
        build(tmp_path)


def test_unknown_split(root: Path) -> None:
    with pytest.raises(ValueError, match="train, test, not 'valid'"):
        build(root, split='valid')


def test_reference_data(test_data: Path) -> None:
    pytest.importorskip('h5py', reason='h5py is not installed: pip install h5py')
    root = test_data / 'data/fixtures/a2d_sentences'
    for split, count in (('train', 9), ('test', 5)):
        listed, rebuilt = (build(root, split=split, ann_file=name) for name in ('', 'none.json'))
        assert len(listed) == len(rebuilt) == count
        assert {(v.video_id, v.expressions) for v in listed.videos} == {
            (v.video_id, v.expressions) for v in rebuilt.videos
        }
    pairs = build(root, split='test', test_mode=True)[2]['data_samples'].gt_pairs
    assert pairs.masks.shape == (1, 1, 48, 80)
    assert pairs.masks.sum() == 167


def test_the_official_file_of_sentences(test_data: Path, tmp_path: Path) -> None:
    from r2vos_mm.datasets.benchmarks.a2d_sentences_dataset import MISSED, QUERIES, read_a2d_queries
    from r2vos_mm.utils.data_issues import ProblemList

    source = test_data / 'data/a2d_jhmdb_sentences'
    (tmp_path / 'text_annotations').mkdir()
    (tmp_path / QUERIES).symlink_to(source / 'a2d_annotation.txt')
    (tmp_path / MISSED).symlink_to(source / 'a2d_missed_videos.txt')
    problems = ProblemList('')
    sentences = read_a2d_queries(tmp_path, problems)
    # 6,655 rows in 3,754 videos; one row has the instance '1 (copy)'.
    assert len(sentences) == 3754
    assert sum(map(len, sentences.values())) == 6654
    assert len(problems.rows) == 1
    assert 'T6bNPuKV-wY,1 (copy)' in problems.rows[0].what
