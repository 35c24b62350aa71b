"""Long-RVOS, YoURVOS, Ref-SAV and SA-Co/VEval: targets, absence, and what is not there."""

import json
import pickle
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from public_sets import square
from robust_sets import FRAMES, write_long_rvos, write_ref_sav, write_veval, write_yourvos
from samples import evaluate
from tiny_sets import PIPELINE, write_json

from r2vos_mm.datasets.benchmarks.yourvos_dataset import read_spans
from r2vos_mm.registry import DATASETS
from r2vos_mm.structures import ReferringDataSample

CONFIGS = Path(__file__).parents[3] / 'configs/_base_/datasets'


@cache
def loaded(name: str) -> Config:
    return Config.fromfile(CONFIGS / name)


def build(name: str, root: Path, **changes: object) -> object:
    """The test set of a base config, without resizing, in ``root``."""
    config = loaded(name).test_dataloader.dataset
    return DATASETS.build({**config, 'data_root': str(root), 'pipeline': PIPELINE, **changes})


def only_sample(name: str, root: Path, **changes: object) -> ReferringDataSample:
    (item,) = build(name, root, **changes)
    return item['data_samples']


class TestLongRVOS:
    """One folder of masks per object, types of expressions."""

    def test_masks(self, tmp_path: Path) -> None:
        pairs = only_sample('long_rvos.py', write_long_rvos(tmp_path)).gt_pairs
        assert pairs.obj_ids == ['1', '1', '2']
        for index in range(len(FRAMES)):
            assert (pairs.masks[0, index].numpy() == square(2 + index)).all()
        # no folder of object 2
        assert not pairs.masks[2].any()

    def test_types_reach_the_metric(self, tmp_path: Path) -> None:
        sample = only_sample('long_rvos.py', write_long_rvos(tmp_path))
        assert sample.gt_pairs.text_types == ['static', 'dynamic', 'hybrid']
        masks = sample.gt_pairs.masks.clone()
        masks[1, 2] = False
        sample.set_field(sample.gt_pairs.new(masks=masks), 'pred_pairs')
        values = evaluate([sample], groups=['quality', 'presence'])
        assert values['J/static'] == values['J/hybrid'] == 100
        assert values['J/dynamic'] == pytest.approx(200 / 3)
        assert values['tIoU/dynamic'] == pytest.approx(200 / 3)
        # nothing there, nothing predicted
        assert (values['tIoU/hybrid'], values['vIoU/static']) == (100, 100)
        assert values['tIoU_yourvos'] == pytest.approx(100 * (1 + 2 / 3 + 0) / 3)

    def test_training(self, tmp_path: Path) -> None:
        root = write_long_rvos(tmp_path, split='train')
        dataset = build('long_rvos.py', root, split='train', test_mode=False, clip_length=2)
        assert len(dataset) == 3 * 2
        assert dataset[0]['data_samples'].gt_pairs.valid.all()

    def test_a_mask_that_is_missing_in_its_folder(self, tmp_path: Path) -> None:
        root = write_long_rvos(tmp_path)
        (root / 'valid/Annotations/a/1/00005.png').unlink()
        with pytest.raises(RuntimeError, match=r'a/1/00005\.png'):
            only_sample('long_rvos.py', root)

    def test_without_public_masks(self, tmp_path: Path) -> None:
        root = write_long_rvos(tmp_path)
        (root / 'valid/Annotations').rename(root / 'valid/elsewhere')
        assert 'masks' not in only_sample('long_rvos.py', root).gt_pairs


class TestYoURVOS:
    """Frames outside all spans have no mask, and show no object."""

    def test_frames_without_mask(self, tmp_path: Path) -> None:
        sample = only_sample('yourvos.py', write_yourvos(tmp_path))
        assert len(sample.frame_ids) == 6
        assert sample.gt_pairs.valid.tolist() == [[False, True, True, False, True, False]]

    def test_a_frame_in_a_span_needs_its_mask(
        self, tmp_path: Path, warnings_logged: Callable
    ) -> None:
        root = write_yourvos(tmp_path)
        (root / 'test/Annotations/v0/00010.png').unlink()
        sample = only_sample('yourvos.py', root)
        assert sample.frame_ids == ['00000', '00005', '00015', '00020', '00025']
        assert 'v0/00010.png is missing' in warnings_logged()[0]

    def test_without_spans_every_frame_needs_one(self, tmp_path: Path) -> None:
        root = write_yourvos(tmp_path)
        (root / 'spans.txt').unlink()
        assert only_sample('yourvos.py', root).frame_ids == ['00005', '00010', '00020']

    def test_worker_processes_get_it(self, tmp_path: Path) -> None:
        dataset = build('yourvos.py', write_yourvos(tmp_path))
        assert len(pickle.loads(pickle.dumps(dataset))) == 1

    def test_spans(self, tmp_path: Path, warnings_logged: Callable) -> None:
        path = tmp_path / 'spans.txt'
        path.write_text('a,0:5,10;20,25;\na,1:40,45\nsomething\n\nb,x_1:0,5\n')
        assert read_spans(path) == {'a': [(5, 10), (20, 25), (40, 45)], 'b': [(0, 5)]}
        assert "line 3  'something' is not <video>" in warnings_logged()[0]
        path.write_text('something\n')
        with pytest.raises(ValueError, match='has no line'):
            read_spans(path)


class TestRefSAV:
    """The form of MeViS in one folder."""

    def test_masks(self, tmp_path: Path) -> None:
        pairs = only_sample('ref_sav.py', write_ref_sav(tmp_path)).gt_pairs
        assert pairs.texts == ['the dog that leaves']
        assert pairs.valid.tolist() == [[True, True, False]]
        assert (pairs.masks[0, 1].numpy() == square(3)).all()

    def test_a_file_of_another_name_is_told(self, tmp_path: Path) -> None:
        root = write_ref_sav(tmp_path)
        (root / 'meta_expressions_valid.json').rename(root / 'meta_expressions.json')
        told = r'meta_expressions_valid\.json does not exist, but .* has mask_dict\.json, meta_expr'
        with pytest.raises(FileNotFoundError, match=told):
            build('ref_sav.py', root)


class TestVEval:
    """Phrases with several objects, or none."""

    OPTIONS = dict(ann_file='veval.json', image_folder='JPEGImages')

    def test_pairs(self, tmp_path: Path) -> None:
        sample = only_sample('saco_veval.py', write_veval(tmp_path), **self.OPTIONS)
        pairs = sample.gt_pairs
        assert (sample.video_id, sample.frame_ids) == ('sav_1', FRAMES)
        assert pairs.texts == ['the dog', 'the cat']
        assert pairs.kinds == ['positive', 'no_target']
        assert pairs.pair_ids == ['sav_1/1', 'sav_1/2']
        assert pairs.is_negative.tolist() == [False, True]
        assert (pairs.masks[0, 0].numpy() == square(2)).all()
        assert (pairs.masks[0, 1].numpy() == square(3) | square(20)).all()
        assert not pairs.masks[1].any()

    def test_scores_of_the_benchmark(self, tmp_path: Path) -> None:
        sample = only_sample('saco_veval.py', write_veval(tmp_path), **self.OPTIONS)
        sample.set_field(sample.gt_pairs.new(masks=sample.gt_pairs.masks), 'pred_pairs')
        assert evaluate([sample], groups=['cgf1'])['cgF1'] == pytest.approx(100, abs=0.1)

    def test_missing_frames(self, tmp_path: Path, warnings_logged: Callable) -> None:
        root = write_veval(tmp_path)
        (root / 'JPEGImages/sav_1/00005.jpg').unlink()
        sample = only_sample('saco_veval.py', root, **self.OPTIONS)
        assert sample.frame_ids == ['00000', '00010']
        assert (sample.gt_pairs.masks[0, 1].numpy() == square(4)).all()
        assert 'sav_1/00005.jpg is missing' in warnings_logged()[0]

    @pytest.mark.parametrize(
        ('change', 'problem'),
        [
            (dict(file_names=['../x/0.jpg', '../x/1.jpg', '../x/2.jpg']), 'not a folder below'),
            (dict(file_names=['x/0.jpg', 'x/1.jpg', 'x/2.jpg']), 'JPEGImages/x is missing'),
            (dict(file_names=['x/0.jpg', 'y/1.jpg', 'x/2.jpg']), 'in several folders'),
        ],
    )
    def test_videos_that_cannot_be_used(
        self, tmp_path: Path, warnings_logged: Callable, change: dict, problem: str
    ) -> None:
        path = write_veval(tmp_path) / 'veval.json'
        content = json.loads(path.read_text())
        content['videos'][0].update(change)
        write_json(path, content)
        with pytest.raises(ValueError, match='no usable video'):
            build('saco_veval.py', tmp_path, **self.OPTIONS)
        assert problem in warnings_logged()[0]

    def test_training(self, tmp_path: Path) -> None:
        negatives = dict(type='TrainNegatives', per_clip=1, shares=dict(no_target=1.0))
        changes = dict(test_mode=False, clip_length=3, negatives=negatives)
        dataset = build('saco_veval.py', write_veval(tmp_path), **self.OPTIONS, **changes)
        assert len(dataset) == 1
        assert dataset[0]['data_samples'].gt_pairs.kinds == ['positive', 'no_target']
        assert np.all(dataset[0]['data_samples'].gt_pairs.valid[0].numpy())


def test_the_second_version_of_mevis(tmp_path: Path) -> None:
    """Sentences without a target may lack ``anno_id``; unknown keys, such as audio, are ignored."""
    from public_sets import write_mevis

    root = write_mevis(tmp_path)
    path = root / 'valid_u/meta_expressions.json'
    content = json.loads(path.read_text())
    nothing = dict(exp='a flying giraffe', obj_id=[], audio='a_4.wav')
    content['videos']['a']['expressions']['4'] = nothing
    write_json(path, content)
    sample = build('mevis.py', root)[0]['data_samples']
    assert sample.gt_pairs.kinds == ['positive'] * 3 + ['no_target'] * 2
    sample.set_field(sample.gt_pairs.new(masks=sample.gt_pairs.masks), 'pred_pairs')
    groups = loaded('mevis.py').test_evaluator.groups
    assert evaluate([sample], groups=groups)['mevis'] == 100
