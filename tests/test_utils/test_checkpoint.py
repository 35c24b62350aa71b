"""Plain checkpoints: what can be written, what is read, how files are written."""

import io
import os
import time
import zipfile
from collections import OrderedDict, deque
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.runner.checkpoint import CheckpointLoader

from r2vos_mm.utils import checkpoint as ckpt

SCALARS = st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False)


@given(st.recursive(SCALARS, lambda x: st.lists(x) | st.dictionaries(st.text(), x), max_leaves=8))
def test_plain_values_survive(value: object) -> None:
    plain = ckpt.to_plain(value)
    assert plain == value
    buffer = io.BytesIO()
    torch.save(plain, buffer)
    buffer.seek(0)
    assert torch.load(buffer, weights_only=True) == value


@pytest.mark.parametrize(
    ('value', 'expected'),
    [
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.arange(3), [0, 1, 2]),
        (Path('a/b'), os.path.join('a', 'b')),
        (ConfigDict(a=dict(b=(1, 2))), {'a': {'b': (1, 2)}}),
        (deque([1, 2]), [1, 2]),
        (frozenset({1}), {1}),
        (OrderedDict(a=np.float64(1)), {'a': 1.0}),
    ],
)
def test_conversions(value: object, expected: object) -> None:
    plain = ckpt.to_plain(value)
    assert plain == expected
    assert type(plain) in (float, int, list, str, dict, set, OrderedDict)


def test_objects_are_refused_with_their_place() -> None:
    with pytest.raises(ckpt.CheckpointContentError, match=r"meta\['x'\]\[1\] is a builtins.object"):
        ckpt.to_plain({'x': [0, object()]}, 'meta')


def test_message_hub_round_trip() -> None:
    hub = MessageHub('test_message_hub_round_trip')
    for value in (1.0, 2.5):
        hub.update_scalar('train/loss', value, count=2)
    hub.update_info('best_score', np.float64(0.25))
    hub.update_info('helper', object())
    packed = ckpt.pack_message_hub(hub.state_dict())
    buffer = io.BytesIO()
    torch.save(packed, buffer)
    buffer.seek(0)
    state = ckpt.unpack_message_hub(torch.load(buffer, weights_only=True))
    history = state['log_scalars']['train/loss']
    assert isinstance(history, HistoryBuffer)
    assert [list(part) for part in history.data] == [[1.0, 2.5], [2, 2]]
    assert state['runtime_info'] == {'best_score': 0.25}


def test_pickled_objects_are_refused(tmp_path: Path) -> None:
    path = tmp_path / 'pickled.pth'
    torch.save({'state_dict': {}, 'history': HistoryBuffer([1.0], [1])}, path)
    with pytest.raises(ckpt.CheckpointReadError) as error, ckpt.safe_loaders():
        CheckpointLoader.load_checkpoint(str(path))
    message = str(error.value)
    assert str(path) in message
    assert 'HistoryBuffer' in message
    assert 'python -m r2vos_mm.compat.resave' in message


@pytest.mark.parametrize('content', [b'', b'no checkpoint at all', 500, 5000])
def test_damaged_files_are_refused(tmp_path: Path, content: bytes | int) -> None:
    """A number stands for so many bytes of a real checkpoint."""
    path = tmp_path / 'damaged.pth'
    torch.save({'state_dict': {'a': torch.zeros(10000)}}, path)
    path.write_bytes(path.read_bytes()[:content] if isinstance(content, int) else content)
    with pytest.raises(ckpt.CheckpointReadError, match=r'damaged.pth \(\d+ bytes\) cannot be read'):
        ckpt.read_checkpoint(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='nowhere.pth does not exist'):
        ckpt.read_checkpoint(tmp_path / 'nowhere.pth')
    with pytest.raises(FileNotFoundError, match=f'{tmp_path} is not a file'):
        ckpt.read_checkpoint(tmp_path)


def test_flipped_bits_are_found(tmp_path: Path) -> None:
    """Anywhere in the file: either it is refused, or what is read is what was saved."""
    path, weights = tmp_path / 'flipped.pth', torch.arange(500.0)
    torch.save({'state_dict': {'a': weights}}, path)
    content, refused = path.read_bytes(), 0
    random = np.random.default_rng(0)
    for position in random.integers(len(content), size=200):
        changed = bytearray(content)
        changed[position] ^= 1 << random.integers(8)
        path.write_bytes(changed)
        try:
            assert torch.equal(ckpt.read_checkpoint(path)['state_dict']['a'], weights)
        except ckpt.CheckpointReadError:
            refused += 1
    assert refused > 100


def test_files_without_checksums_are_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / 'a.pth', 'w') as archive:
        archive.writestr('a/data.pkl', b'')
        archive.writestr('a/version', b'')
    with pytest.raises(ckpt.CheckpointReadError, match='cannot be read'):
        ckpt.read_checkpoint(tmp_path / 'a.pth')


def test_archives_that_expand_are_refused_by_their_headers(tmp_path: Path) -> None:
    path = tmp_path / 'zeros.pth'
    with (
        zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive,
        archive.open('zeros/data/0', 'w') as member,
    ):
        for _ in range(100):
            member.write(bytes(2**20))
    start = time.process_time()
    with pytest.raises(ckpt.CheckpointReadError, match='would expand to 104,857,600, which'):
        ckpt.read_checkpoint(path)
    assert time.process_time() - start < 0.1


def test_urls_are_read_without_unpickling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({'state_dict': pytest.raises}, tmp_path / 'a.pth')
    monkeypatch.setattr(ckpt, 'local_weights', lambda address: tmp_path / address[-5:])
    message = 'an object of class'
    with pytest.raises(ckpt.CheckpointReadError, match=message), ckpt.safe_loaders():
        CheckpointLoader.load_checkpoint('https://example.org/a.pth')


def test_loaders_of_the_process_are_restored() -> None:
    before = dict(CheckpointLoader._schemes)
    with pytest.raises(FileNotFoundError, match='Checkpoint a.pth'), ckpt.safe_loaders():
        CheckpointLoader.load_checkpoint('a.pth')
    assert CheckpointLoader._schemes == before
    assert ckpt.read_checkpoint not in before.values()
