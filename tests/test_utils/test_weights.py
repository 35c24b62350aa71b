"""Weights by address: download, hash, web pages, missing files. The server is this machine."""

import hashlib
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner.checkpoint import CheckpointLoader
from object_servers import http_server

from r2vos_mm.models.backbones import read_state
from r2vos_mm.utils.checkpoint import safe_loaders
from r2vos_mm.utils.weights import WeightsError, fetch_pretrained, local_weights


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ThreadingHTTPServer]:
    """A server of the folder ``served``."""
    (tmp_path / 'served').mkdir()
    with http_server(tmp_path / 'served') as server:
        yield server


@pytest.fixture
def served(
    tmp_path: Path, server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, str]:
    """A folder and its address; downloads go to ``hub`` beside it."""
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path / 'hub'))
    return tmp_path / 'served', server.address


def save_with_hash(folder: Path, *, wrong: bool = False) -> str:
    """Write a state dict into a file that carries its hash; return the name."""
    torch.save({'weight': torch.arange(3.0)}, folder / 'plain.pth')
    digits = hashlib.sha256((folder / 'plain.pth').read_bytes()).hexdigest()[:8]
    name = f'net-{"0" * 8 if wrong else digits}.pth'
    (folder / 'plain.pth').rename(folder / name)
    return name


def test_paths_stay_as_they_are(tmp_path: Path) -> None:
    assert local_weights(tmp_path / 'a.pth') == tmp_path / 'a.pth'
    assert local_weights('work_dirs/a.pth') == Path('work_dirs/a.pth')


def test_addresses_are_downloaded_once(
    served: tuple[Path, str], server: ThreadingHTTPServer, tmp_path: Path
) -> None:
    folder, address = served
    name = save_with_hash(folder)
    for _ in range(2):
        file = local_weights(f'{address}/{name}?download=1')
        assert file == tmp_path / 'hub/checkpoints' / name
        assert file.read_bytes() == (folder / name).read_bytes()
    assert server.requests == {f'/{name}?download=1': 1}
    assert [path.name for path in file.parent.iterdir()] == [name]


def test_loaders_take_addresses(served: tuple[Path, str]) -> None:
    folder, address = served
    url = f'{address}/{save_with_hash(folder)}'
    with safe_loaders():
        assert CheckpointLoader.load_checkpoint(url)['weight'].tolist() == [0, 1, 2]
    assert read_state(url).weights['weight'].tolist() == [0, 1, 2]


def test_files_have_the_hash_in_their_name(served: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = served
    url = f'{address}/{save_with_hash(folder, wrong=True)}'
    with pytest.raises(
        WeightsError, match=f'{url} is damaged: by its name the SHA-256 begins with 00000000'
    ):
        local_weights(url)
    assert not list((tmp_path / 'hub/checkpoints').iterdir())


def test_addresses_can_state_the_hash(served: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = served
    (folder / 'net.pth').write_bytes(b'weights')
    digest = hashlib.sha256(b'weights').hexdigest()
    wrong = f'{address}/net.pth#sha256={"0" * 64}'
    with pytest.raises(WeightsError, match='damaged: as given the SHA-256 begins with 0000'):
        local_weights(wrong)
    for _ in range(2):
        assert local_weights(f'{address}/net.pth#sha256={digest}').read_bytes() == b'weights'
    with pytest.raises(WeightsError, match='as given the SHA-256'):  # also of an earlier download
        local_weights(wrong)


def test_web_pages_are_no_weights(served: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = served
    for name in ('view', 'net-01234567.pth'):
        (folder / name).write_text('\n<!DOCTYPE html><html>Google Drive</html>')
        with pytest.raises(WeightsError, match='serves a web page, not a file. Open') as error:
            local_weights(f'{address}/{name}')
        assert str(error.value).startswith(f'{address}/{name}')
        assert '\n' not in str(error.value)
    assert not list((tmp_path / 'hub/checkpoints').iterdir())


def test_unreachable_addresses_name_the_place_to_put_the_file(
    served: tuple[Path, str], tmp_path: Path
) -> None:
    _, address = served
    place = tmp_path / 'hub/checkpoints/none.pth'
    with pytest.raises(WeightsError, match=rf'none.pth cannot be downloaded \(.*404.* {place} or'):
        local_weights(f'{address}/none.pth')


def test_missing_weights_are_found_before_the_model_is_built(
    served: tuple[Path, str], tmp_path: Path
) -> None:
    folder, address = served
    name = save_with_hash(folder)
    parts = dict(
        backbone=dict(init_cfg=dict(type='Pretrained', checkpoint=f'{address}/{name}')),
        neck=dict(init_cfg=dict(type='Xavier')),
        heads=[dict(init_cfg=[dict(type='Pretrained', checkpoint='nowhere.pth')])],
    )
    model = Config(dict(model=parts)).model
    message = r'Weights nowhere.pth of model.heads.0.init_cfg.0 do not exist. Give their path'
    with pytest.raises(WeightsError, match=message):
        fetch_pretrained(model)
    assert (tmp_path / 'hub/checkpoints' / name).is_file()
    model.heads = []
    fetch_pretrained(model)
