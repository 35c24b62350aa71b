"""Paths of storage backends, faults of servers, and secrets."""

from __future__ import annotations

import pickle
import time
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath

import pytest
from mmengine.fileio import list_dir_or_file
from object_servers import SECRET, fill_bucket, http_server, s3_server  # noqa: F401, a fixture

from r2vos_mm.utils.cli import UsageError, UserError
from r2vos_mm.utils.files import read_bytes, read_text, stems
from r2vos_mm.utils.storage import backends as storage_backends  # noqa: F401, registers backends
from r2vos_mm.utils.storage import paths as storage
from r2vos_mm.utils.storage.faults import (
    StorageError,
    missing,
    public_address,
    refuse_secrets,
    without_secrets,
)
from r2vos_mm.utils.storage.paths import StoredPath, as_path, local_file, storage_path

QUICK = dict(retries=2, wait=0.0, timeout=0.4)
MEMORY = dict(backend='fsspec', protocol='memory')


class TestPaths:
    @pytest.mark.parametrize('rest', ['a/b.tar.gz', 'a', '/a/b', 'a//b/', './a', ''])
    def test_names_are_those_of_pathlib(self, rest: str) -> None:
        stored, pure = StoredPath(rest, {}), PurePosixPath(rest)
        for name in ('name', 'stem', 'suffix'):
            assert getattr(stored, name) == getattr(pure, name)
        text = {'.': ''}.get
        assert stored == text(str(pure), str(pure))
        assert stored / 'c/d' == str(pure / 'c/d')
        if pure.name:
            assert stored.parent == text(str(pure.parent), str(pure.parent))
            assert stored.with_suffix('.x') == str(pure.with_suffix('.x'))
            assert stored.with_name('x') == str(pure.with_name('x'))

    def test_addresses(self) -> None:
        path = StoredPath('s3://bucket/a/', MEMORY)
        assert path == 's3://bucket/a'
        assert (path / PurePosixPath('.') / 'b').parent.name == 'a'
        assert path / 'memory://c/d' == 'memory://c/d'
        copy = pickle.loads(pickle.dumps(path / 'b'))
        assert (copy, copy.backend_args) == ('s3://bucket/a/b', MEMORY)
        assert type(copy) is StoredPath

    def test_local_paths_stay_local(self, tmp_path: Path) -> None:
        for backend_args in (None, dict(backend='local')):
            assert type(storage_path(str(tmp_path), backend_args)) is type(tmp_path)
        stored = storage_path('x', MEMORY)
        assert as_path(stored) is stored is storage_path(stored, None)
        with local_file(tmp_path) as same:
            assert same is tmp_path

    def test_files(self) -> None:
        root = StoredPath('memory://paths', MEMORY)
        (root / 'a/b.JPG').write_bytes(b'x')
        assert (root.is_dir(), (root / 'a').is_file(), (root / 'a/b.JPG').exists()) == (1, 0, 1)
        assert stems(root / 'a', '.jpg') == {'b'}
        assert read_bytes(root / 'a/b.jpg') == b'x'
        with local_file(root / 'a/b.JPG') as copy:
            assert (copy.name, copy.read_bytes()) == ('b.JPG', b'x')
        assert not copy.exists()
        with pytest.raises(FileNotFoundError, match='memory://paths/a/c.json does not exist'):
            read_text(root / 'a/c.json')

    def test_mistakes_in_settings(self) -> None:
        for backend_args, message in (
            (dict(backend='none'), "there is no backend 'none'"),
            (dict(backend='fsspec', protocol='none'), 'none'),
            (dict(backend='fsspec'), "argument: 'protocol'"),
            (dict(backend='lmdb_files', db_path='/none'), 'not an LMDB database|not installed'),
        ):
            with pytest.raises(UserError, match=message):
                StoredPath('a', backend_args).read_bytes()


@pytest.mark.parametrize('kind', ['archive', 'fsspec'])
def test_names_for_functions_of_mmengine(kind: str, tmp_path: Path) -> None:
    """They pass all arguments, by position."""
    names, top = ('a/1.png', 'a/2.txt', 'a/b.png/3.txt'), f'memory://{tmp_path.name}/'
    if kind == 'archive':
        backend_args, top = dict(backend='archive', path=str(tmp_path / 'a.zip')), ''
        with zipfile.ZipFile(tmp_path / 'a.zip', 'w') as archive:
            for name in names:
                archive.writestr(name, b'')
    else:
        backend_args = MEMORY
        for name in names:
            StoredPath(top + name, MEMORY).write_bytes(b'')
    listed = partial(list_dir_or_file, f'{top}a', backend_args=backend_args)
    assert sorted(listed()) == ['1.png', '2.txt', 'b.png']
    assert sorted(listed(list_dir=False, suffix='.png')) == ['1.png']
    assert sorted(listed(list_file=False)) == ['b.png']
    with pytest.raises(NotImplementedError, match='lists single folders'):
        list(listed(recursive=True))


class TestSecrets:
    @pytest.mark.parametrize(
        'name',
        ['secret', 'key', 'aws_secret_access_key', 'token', 'password', 'account_key', 'X-Api-Key'],
    )
    def test_settings_with_secrets_are_refused(self, name: str) -> None:
        nested = dict(backend='fsspec', client_kwargs={name: 'abc'})
        with pytest.raises(UsageError) as caught:
            refuse_secrets({'dataset': {'backend_args': nested}})
        assert f'dataset.backend_args.client_kwargs.{name}' in str(caught.value)
        assert 'abc' not in str(caught.value)
        with pytest.raises(UsageError):
            StoredPath('memory://a', {**MEMORY, name: 'abc'}).read_bytes()

    def test_addresses_with_passwords_are_refused(self) -> None:
        with pytest.raises(UsageError) as caught:
            refuse_secrets({'data_root': ['https://me:abc@example.com/data']})
        assert 'data_root.0' in str(caught.value)
        assert 'abc' not in str(caught.value)

    def test_other_settings_pass(self) -> None:
        settings = dict(key='J', tokenizer='t5', backend_args=dict(endpoint_url='http://a:9000/b'))
        refuse_secrets({'model': settings, 'numbers': [1, None]})

    def test_messages(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv('MY_SECRET', SECRET)
        text = f'https://a:b@c/d?X-Amz-Signature=123 failed, {SECRET}'
        assert without_secrets(text) == 'https://...@c/d?... failed, ***'
        assert without_secrets('https://to@ken@c/d') == 'https://...@c/d'
        assert missing('https://c/d?X-Amz-Signature=123').filename == 'https://c/d?...'

    @pytest.mark.parametrize(
        ('address', 'shown'),
        [
            ('https://a:b@c:80/d@e.mp4?f=/g@h#i', 'https://c:80/d@e.mp4'),
            ('https://to@ken@c/d', 'https://c/d'),
            ('videos/what?.mp4', 'videos/what?.mp4'),
        ],
    )
    def test_public_address(self, address: str, shown: str) -> None:
        assert public_address(address) == shown


class Faults:
    """What every backend has to do about faults of a server."""

    def test_a_fault_that_passes(self, server, path) -> None:
        for fault in ('cut', 503, 1.0):
            server.faults['/a.bin'] = [fault]
            server.requests.clear()
            assert path.read_bytes() == CONTENT
            assert server.requests['/a.bin'] == 2

    def test_faults_that_last(self, server, path) -> None:
        for fault, message in (
            ('cut', 'Incomplete|Payload'),
            (503, '503|Service'),
            (1.0, 'no answer in time'),
        ):
            server.faults['/a.bin'] = [fault] * 3
            with pytest.raises(StorageError, match=message) as caught:
                path.read_bytes()
            assert str(caught.value).startswith(f'{path} cannot be reached, after 3 attempts: ')
            assert '\n' not in str(caught.value)
            assert not server.faults['/a.bin']

    def test_what_is_not_tried_again(self, server, path) -> None:
        server.requests.clear()
        server.faults['/a.bin'] = [403]
        with pytest.raises(StorageError, match='access is refused .* in the environment'):
            path.read_bytes()
        server.faults['/a.bin'] = [404]
        with pytest.raises(FileNotFoundError, match='no such object'):
            path.read_bytes()
        assert server.requests['/a.bin'] == 2

    def test_no_server(self, server, path) -> None:
        gone = StoredPath('http://127.0.0.1:9/a.bin', path.backend_args)
        with pytest.raises(StorageError, match='127.0.0.1:9/a.bin cannot be reached, after 3'):
            gone.read_bytes()


CONTENT = bytes(range(256)) * 64


@pytest.fixture(scope='module')
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    folder = tmp_path_factory.mktemp('served')
    (folder / 'a.bin').write_bytes(CONTENT)
    (folder / 'inner').mkdir()
    (folder / 'inner/b.jpg').write_bytes(b'x')
    with http_server(folder) as server:
        yield server


class TestHttpOfMMEngine(Faults):
    @pytest.fixture
    def path(self, server) -> StoredPath:
        return StoredPath(f'{server.address}/a.bin', dict(backend='http', **QUICK))


class TestHttpOfFsspec(Faults):
    @pytest.fixture
    def path(self, server) -> StoredPath:
        pytest.importorskip('aiohttp', reason='aiohttp is not installed: r2vos_mm[s3]')
        backend_args = dict(backend='fsspec', protocol='http', **QUICK)
        return StoredPath(f'{server.address}/a.bin', backend_args)

    def test_folders(self, server, path) -> None:
        root = path.parent
        assert sorted(root.names()) == ['a.bin', 'inner']
        assert (root / 'inner').is_dir()
        assert stems(root / 'inner', '.jpg') == {'b'}
        assert not (root / 'none').is_dir()
        assert not (root / 'none').is_file()


class TestS3:
    @pytest.fixture
    def root(self, s3_server, tmp_path) -> StoredPath:  # noqa: F811
        (tmp_path / 'files/a').mkdir(parents=True)
        (tmp_path / 'files/a/b.bin').write_bytes(CONTENT)
        fill_bucket('bucket', tmp_path / 'files')
        return StoredPath('s3://bucket', dict(backend='fsspec', protocol='s3', **QUICK))

    def test_objects(self, root) -> None:
        assert (root / 'a/b.bin').read_bytes() == CONTENT
        assert (root / 'a').names() == ['b.bin']
        found = [(path.is_file(), path.is_dir()) for path in (root / 'a', root / 'a/b.bin')]
        assert found == [(False, True), (True, False)]
        (root / 'new/c').write_bytes(b'1')
        assert (root / 'new/c').read_bytes() == b'1'
        for path in (root / 'a/none', StoredPath('s3://none/a', root.backend_args)):
            with pytest.raises(FileNotFoundError, match='no such object'):
                path.read_bytes()
            assert not path.exists()

    def test_no_credentials(self, root, monkeypatch, tmp_path) -> None:
        for name in ('AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'):
            monkeypatch.delenv(name)
        for name in ('AWS_SHARED_CREDENTIALS_FILE', 'AWS_CONFIG_FILE'):
            monkeypatch.setenv(name, str(tmp_path / 'none'))
        monkeypatch.setenv('AWS_EC2_METADATA_DISABLED', 'true')
        monkeypatch.setattr(storage, '_backends', {})
        start = time.monotonic()
        with pytest.raises(StorageError, match='s3://bucket/a/b.bin .* access is refused'):
            (root / 'a/b.bin').read_bytes()
        assert time.monotonic() - start < 10

    def test_wrong_credentials(self, root, server, monkeypatch) -> None:
        """The server with faults answers 403 to any object, as S3 does to a wrong key."""
        monkeypatch.setenv('AWS_ENDPOINT_URL', server.address)
        monkeypatch.setattr(storage, '_backends', {})
        server.faults['/bucket/a/b.bin'] = [403]
        with pytest.raises(StorageError, match='access is refused') as caught:
            (root / 'a/b.bin').read_bytes()
        assert SECRET not in str(caught.value)
        assert not server.faults['/bucket/a/b.bin']

    def test_faults(self, root, server, monkeypatch) -> None:
        monkeypatch.setenv('AWS_ENDPOINT_URL', server.address)
        monkeypatch.setattr(storage, '_backends', {})
        for fault, message in ((503, 'Service Unavailable'), (1.0, 'no answer in time')):
            server.requests.clear()
            server.faults['/bucket/a/b.bin'] = [fault] * 3
            with pytest.raises(StorageError, match=f'after 3 attempts: .*{message}'):
                (root / 'a/b.bin').read_bytes()
            assert server.requests['/bucket/a/b.bin'] == 3
