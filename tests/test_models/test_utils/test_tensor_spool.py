import errno
import io

import pytest
import torch

from r2vos_mm.models.utils import TensorSpool
from r2vos_mm.structures import QueryPredictions, TextFeatures
from r2vos_mm.utils.files import DiskFullError


def items() -> list:
    torch.manual_seed(0)
    return [
        QueryPredictions(torch.rand(2, 3), None, torch.rand(2, 3, 4, 5).bfloat16()),
        (torch.rand(5, 4).T, {'flag': True, 'sizes': [(1, 2)]}),  # not contiguous
        TextFeatures(torch.rand(1, 2), torch.tensor(3.0), torch.rand(0, 4) > 0, has_padding=False),
    ]


@pytest.mark.parametrize('limit', [0, 100, 1e6])
def test_objects_come_back(limit, tmp_path, monkeypatch):
    monkeypatch.setenv('TMPDIR', str(tmp_path))
    monkeypatch.setattr('tempfile.tempdir', None)
    with TensorSpool(limit) as spool:
        for item in items():
            spool.append(item)
        assert len(spool) == 3
        assert not list(tmp_path.iterdir())  # the file has no name
        for _ in range(2):
            predictions, (matrix, options), text = spool
            expected = items()
            assert predictions.boxes is None
            assert predictions.masks.dtype == torch.bfloat16
            assert torch.equal(predictions.masks, expected[0].masks)
            assert torch.equal(matrix, expected[1][0])
            assert options == expected[1][1]
            assert torch.equal(text.sentence, torch.tensor(3.0))
            assert text.padding.shape == (0, 4)
            assert not text.has_padding


def test_memory_is_filled_first():
    """Tensors of 40 bytes; two fit into 100."""
    with TensorSpool(100) as spool:
        for _ in range(4):
            spool.append(torch.zeros(10))
        assert (spool.num_bytes, spool.num_bytes_on_disk) == (80, 80)


class FullDisk(io.BytesIO):
    def write(self, content):
        raise OSError(errno.ENOSPC, 'No space left on device')


def test_a_full_disk_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv('TMPDIR', str(tmp_path))
    monkeypatch.setattr('tempfile.tempdir', None)
    monkeypatch.setattr('tempfile.TemporaryFile', lambda **_: FullDisk())
    with (
        TensorSpool(0) as spool,
        pytest.raises(DiskFullError, match=f'left in {tmp_path} .*TMPDIR'),
    ):
        spool.append(torch.zeros(1))
