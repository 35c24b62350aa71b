"""The spool of a test: samples come back as they were; other settings start anew."""

from pathlib import Path

import pytest
import torch
from mmengine.structures import InstanceData

from r2vos_mm.datasets import R2VOSDataset
from r2vos_mm.engine.hooks.spool_hook import _Spool
from r2vos_mm.structures import ReferringDataSample


class Items(list):
    """A data set whose items are their own fingerprints."""

    def fingerprint(self, index: int) -> str:
        return self[index]


@pytest.fixture
def sample() -> ReferringDataSample:
    generator = torch.Generator().manual_seed(0)
    masks = torch.rand(2, 3, 5, 7, generator=generator) > 0.5
    sample = ReferringDataSample(metainfo=dict(video_id='bear', frame_ids=['0', '1', '2']))
    sample.gt_pairs = InstanceData(
        texts=['a bear', 'a bus'], is_negative=torch.tensor([False, True]), masks=masks
    )
    sample.pred_pairs = InstanceData(
        masks=masks & False, ungated_masks=~masks, scores=torch.rand(2, 3, generator=generator)
    )
    sample.gt_void = masks[0]
    return sample


def test_a_sample_comes_back(tmp_path: Path, sample: ReferringDataSample) -> None:
    spool = _Spool(tmp_path / 'spool', Items(['a', 'b']), {'the weights': '1'})
    spool.prepare()
    spool.write(1, sample)
    (found,) = spool.done().items()
    read = spool.read(found[1])
    assert found[0] == 1
    assert read.metainfo == sample.metainfo
    assert torch.equal(read.gt_void, sample.gt_void)
    for element in ('gt_pairs', 'pred_pairs'):
        before, after = getattr(sample, element), getattr(read, element)
        assert set(before.keys()) == set(after.keys())
        for key, value in before.items():
            is_tensor = isinstance(value, torch.Tensor)
            assert torch.equal(value, after[key]) if is_tensor else value == after[key]


def test_a_changed_video_is_tested_again(tmp_path: Path, sample: ReferringDataSample) -> None:
    items = Items(['a', 'b'])
    spool = _Spool(tmp_path / 'spool', items, {'the weights': '1'})
    spool.write(0, sample)
    spool.write(1, sample)
    items[0] = 'changed'
    assert list(spool.done()) == [1]


def test_other_weights_start_anew(
    tmp_path: Path, sample: ReferringDataSample, warnings_logged: list
) -> None:
    first, other = (
        _Spool(tmp_path / 'spool', Items(['a']), {'the weights': weights, 'the settings': '1'})
        for weights in '12'
    )
    first.prepare()
    first.write(0, sample)
    first.prepare()
    assert list(first.done()) == [0]
    other.prepare()
    assert list(other.done()) == []
    assert 'the weights differ. It starts again' in warnings_logged()[-1]


def test_two_tests_at_once_do_not_mix(tmp_path: Path, sample: ReferringDataSample) -> None:
    """A test with other weights that still runs writes to the same folder."""
    running, started = (
        _Spool(tmp_path / 'spool', Items(['a']), {'the weights': weights}) for weights in '12'
    )
    running.prepare()
    started.prepare()
    running.write(0, sample)
    assert list(started.done()) == []
    started.write(0, sample)
    assert list(started.done()) == [0]


def test_fingerprint(tiny_set: Path) -> None:
    """It changes with the expressions and with each file of the video, and with nothing else."""

    def prints() -> list[str]:
        dataset = R2VOSDataset(data_root=str(tiny_set), split='train', test_mode=True, pipeline=[])
        return [dataset.fingerprint(index) for index in range(3)]

    first = prints()
    assert prints() == first
    for kind, name in (('JPEGImages', '00005.jpg'), ('Annotations', '00005.png')):
        path = tiny_set / 'train' / kind / 'v1' / name
        path.write_bytes(path.read_bytes() + b' ')
        changed = prints()
        assert [a == b for a, b in zip(first, changed)] == [True, False, True]
        first = changed
    path = tiny_set / 'meta_expressions' / 'train' / 'meta_expressions.json'
    path.write_text(path.read_text().replace('one zebra', 'a zebra'))
    assert [a == b for a, b in zip(first, prints())] == [True, True, False]
