"""The file of predictions is written whole, or not at all."""

import os
import pickle
from pathlib import Path

import pytest
import torch

from r2vos_mm.engine import DumpPredictions
from r2vos_mm.engine.dump import read_predictions
from r2vos_mm.utils.masks_io import decode_rle


def sample() -> dict:
    masks = torch.tensor([[[[True, False], [True, True]]]])
    pairs = dict(masks=masks, scores=torch.tensor([[0.5]]), candidate_masks=masks[:, :, None])
    expressions = dict(texts=['a dog'])
    return dict(video_id='v', frame_ids=['0'], gt_pairs=expressions, pred_pairs=pairs)


def test_masks_are_codes(tmp_path: Path) -> None:
    metric = DumpPredictions(out_file_path=str(tmp_path / 'p.pkl'))
    metric.process(None, [sample()])
    metric.evaluate(1)
    (written,) = pickle.loads((tmp_path / 'p.pkl').read_bytes())
    assert written['video_id'] == 'v'
    assert written['sentences'] == ['a dog']
    assert 'candidate_masks' not in written
    assert decode_rle(written['masks'][0][0], 'mask').tolist() == [[True, False], [True, True]]


def test_a_full_disk_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / 'p.pkl').write_bytes(b'old')
    metric = DumpPredictions(out_file_path=str(tmp_path / 'p.pkl'))
    metric.process(None, [sample()])

    def full(_: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(OSError, match='no space left on the disk .*p.pkl'):
        metric.evaluate(1)
    assert (tmp_path / 'p.pkl').read_bytes() == b'old'
    assert [path.name for path in tmp_path.iterdir()] == ['p.pkl']


def test_masks_are_read_back_without_running_anything(tmp_path: Path) -> None:
    metric = DumpPredictions(out_file_path=str(tmp_path / 'p.pkl'))
    metric.process(None, [sample()])
    metric.evaluate(1)
    (video,) = read_predictions(tmp_path / 'p.pkl')
    assert (video['video_id'], video['frame_ids'], video['sentences']) == ('v', ['0'], ['a dog'])
    assert decode_rle(video['masks'][0][0], 'mask').tolist() == [[True, False], [True, True]]
    assert video['scores'] is None  # a tensor


@pytest.mark.parametrize('content', [[print], [dict(video_id='v')], dict(a=1), torch.ones(1)])
def test_other_pickles_are_refused(tmp_path: Path, content: object) -> None:
    (tmp_path / 'p.pkl').write_bytes(pickle.dumps(content))
    with pytest.raises(ValueError, match='p.pkl holds no predictions'):
        read_predictions(tmp_path / 'p.pkl')
