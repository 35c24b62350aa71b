"""Damaged checkpoints are refused, or hold what was saved: a changed bit never reaches a model."""

import io
import zipfile
from pathlib import Path

import pytest
import torch
from fuzzing import damaged_bytes, fuzz, used_or_refused
from hypothesis import given
from hypothesis import strategies as st

from r2vos_mm.utils.checkpoint import read_checkpoint

STATE = {
    'state_dict': {'a.weight': torch.arange(300.0).reshape(10, 30), 'a.bias': torch.ones(10)},
    'meta': {'iter': 3, 'cfg': 'x = 1\n'},
}


def saved() -> bytes:
    data = io.BytesIO()
    torch.save(STATE, data)
    return data.getvalue()


@pytest.fixture(scope='module')
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp('fuzz') / 'iter_3.pth'


def assert_as_saved(path: Path) -> None:
    state = used_or_refused(lambda: read_checkpoint(path), str(path))
    if state is not None:
        assert state['meta'] == STATE['meta']
        assert state['state_dict'].keys() == STATE['state_dict'].keys()
        for name, tensor in STATE['state_dict'].items():
            assert torch.equal(state['state_dict'][name], tensor)


@fuzz
@given(data=damaged_bytes(saved()))
def test_bytes(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    assert_as_saved(path)


@fuzz
@given(bits=st.lists(st.integers(0, 8 * len(saved()) - 1), min_size=1, max_size=3))
def test_bits(path: Path, bits: list[int]) -> None:
    data = bytearray(saved())
    for bit in bits:
        data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)
    assert_as_saved(path)


@fuzz
@given(content=st.binary(max_size=40), is_text=st.booleans(), is_zip=st.booleans())
def test_other_files(path: Path, content: bytes, is_text: bool, is_zip: bool) -> None:
    data = content.hex().encode() if is_text else content
    path.write_bytes(data)
    if is_zip:
        with zipfile.ZipFile(path, 'w') as archive:
            archive.writestr('archive/data.pkl', data)
    state = used_or_refused(lambda: read_checkpoint(path), str(path))
    assert state is None
