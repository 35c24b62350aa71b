"""Every data set gives the same items from storage backends as from files."""

from __future__ import annotations

import hashlib
import pickle
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import fsspec
import numpy as np
import pytest
import torch
from instance_images import write_images
from mmengine.dataset import pseudo_collate
from public_sets import (  # noqa: F401, a fixture
    fake_h5py,
    write_a2d,
    write_grefcoco,
    write_jhmdb,
    write_mevis,
    write_refcoco,
)
from robust_sets import write_long_rvos, write_ref_sav, write_veval, write_yourvos
from tiny_sets import PIPELINE, VIDEOS, write_set
from torch.utils.data import DataLoader

from r2vos_mm.datasets.io.mask_sources import PngMasks
from r2vos_mm.datasets.transforms.loading import LoadMasks, LoadVideoFrame
from r2vos_mm.refshapes import make_refshapes
from r2vos_mm.registry import DATASETS
from r2vos_mm.utils.cli import UsageError
from r2vos_mm.utils.storage.faults import StorageError
from r2vos_mm.utils.storage.paths import StoredPath, _backends

DECODE = [dict(type='DecodeVideoFrames'), *PIPELINE]
DECODE[1] = dict(type='TransformBroadcaster', transforms=[dict(type='LoadMasks')])
CHALLENGE = {'v': VIDEOS['v0']}


def write_refshapes(root: Path) -> None:
    make_refshapes(root, splits=dict(train=1), size=(48, 48), length=2, workers=1, progress=False)


# Data set: what writes its files, and its settings.
SETS: dict[str, tuple[Callable[[Path], object], dict]] = {
    'R2VOSDataset': (write_set, dict(clip_length=2)),
    'RefDAVIS17Dataset': (
        lambda root: write_set(root, CHALLENGE, split='valid'), dict(split='valid', test_mode=True)
    ),
    'MeViSDataset': (write_mevis, dict(split='valid_u', clip_length=2)),
    'RefSAVDataset': (write_ref_sav, dict(split='valid', test_mode=True)),
    'A2DSentencesDataset': (write_a2d, dict(clip_length=3, pipeline=DECODE)),
    'JHMDBSentencesDataset': (write_jhmdb, dict(clip_length=2)),
    'RefCOCODataset': (write_refcoco, dict(ann_file='refcoco/refs(unc).p')),
    'GRefCOCODataset': (write_grefcoco, dict(clip_length=1)),
    'LongRVOSDataset': (write_long_rvos, dict(split='valid', test_mode=True)),
    'YoURVOSDataset': (write_yourvos, dict(split='test', test_mode=True)),
    'VEvalDataset': (write_veval, dict(ann_file='veval.json', test_mode=True)),
    'InstanceClipsDataset': (
        write_images,
        dict(frame_size=(96, 64), clip_length=2, pipeline=[dict(type='PackReferringInputs')]),
    ),
    'RefShapesFrames': (write_refshapes, dict(pipeline=[])),
}  # fmt: skip


def as_memory(root: Path) -> tuple[str, dict]:
    """Copy a folder to fsspec's file system in memory."""
    memory = fsspec.filesystem('memory')
    memory.rm('/', recursive=True) if memory.ls('/') else None
    for path in root.rglob('*'):
        if path.is_file():
            memory.pipe_file(f'/bucket/{path.relative_to(root)}', path.read_bytes())
    return 'memory://bucket', dict(backend='fsspec', protocol='memory')


def as_zip(root: Path) -> tuple[str, dict]:
    archive = shutil.make_archive(str(root), 'zip', root)
    return '', dict(backend='archive', path=archive)


def as_tar(root: Path) -> tuple[str, dict]:
    archive = shutil.make_archive(str(root), 'tar', root)
    return '', dict(backend='archive', path=archive)


def as_zip_of_fsspec(root: Path) -> tuple[str, dict]:
    path = f'/archives/{Path(as_zip(root)[1]["path"]).name}'
    fsspec.filesystem('memory').pipe_file(path, root.with_suffix('.zip').read_bytes())
    return '', dict(backend='archive', path=path, storage=dict(protocol='memory'))


def as_lmdb(root: Path) -> tuple[str, dict]:
    pytest.importorskip('lmdb', reason="lmdb is not installed: pip install 'r2vos_mm[lmdb]'")
    from r2vos_mm.data_prep.lmdb_files import write_lmdb

    write_lmdb(root, root.with_suffix('.lmdb'), shown=False)
    return '', dict(backend='lmdb_files', db_path=str(root.with_suffix('.lmdb')))


STORES = [as_memory, as_zip, as_tar, as_zip_of_fsspec, as_lmdb]


def plain(value: object, root: str) -> object:
    """Return an item as bytes and texts without the place of the data set."""
    if hasattr(value, 'all_items'):
        return {key: plain(entry, root) for key, entry in value.all_items()}
    if isinstance(value, dict):
        return {key: plain(entry, root) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry, root) for entry in value]
    if isinstance(value, (torch.Tensor, np.ndarray)):
        return str(value.dtype), value.shape, np.asarray(value).tobytes()
    if isinstance(value, str):
        return value.removeprefix(root).removeprefix('/')
    return repr(value)


def items(name: str, root: str, backend_args: dict | None) -> list[object]:
    config = dict(pipeline=PIPELINE) | SETS[name][1]
    dataset = DATASETS.build(dict(config, type=name, data_root=root, backend_args=backend_args))
    return [plain(dataset[index], root) for index in range(min(len(dataset), 4))]


@pytest.mark.parametrize('name', SETS)
@pytest.mark.usefixtures('fake_h5py')
def test_items_are_those_of_files(name: str, tmp_path: Path) -> None:
    root = tmp_path / 'set'
    SETS[name][0](root)
    expected = items(name, str(root), None)
    assert expected
    for store in STORES if name == 'R2VOSDataset' else STORES[:2]:
        address, backend_args = store(root)
        assert items(name, address, backend_args) == expected, store.__name__


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_set(tmp_path / 'set')


@pytest.mark.parametrize('store', STORES)
def test_workers_open_their_own_files(root: Path, store: Callable) -> None:
    address, backend_args = store(root)
    config = dict(type='R2VOSDataset', clip_length=2, pipeline=PIPELINE)
    dataset = DATASETS.build(dict(config, data_root=address, backend_args=backend_args))
    assert len(dataset) > 6  # opened here, before the workers are forked
    loader = DataLoader(dataset, batch_size=2, num_workers=2, collate_fn=pseudo_collate)
    expected = DATASETS.build(dict(config, data_root=str(root)))
    found = [clip for batch in loader for clip in batch['inputs']]
    assert len(found) == len(expected)
    assert all(torch.equal(expected[i]['inputs'], clip) for i, clip in enumerate(found))


def test_a_pickled_data_set_reads_on(root: Path) -> None:
    address, backend_args = as_zip(root)
    config = dict(type='R2VOSDataset', pipeline=PIPELINE, data_root=address)
    dataset = DATASETS.build(dict(config, backend_args=backend_args))
    copy = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(copy[0]['inputs'], dataset[0]['inputs'])


def test_transforms_take_a_backend(root: Path) -> None:
    address, backend_args = as_memory(root)
    name = 'train/JPEGImages/v0/00000.jpg'
    results = dict(img_path=f'{address}/{name}')
    results = LoadVideoFrame(backend_args=backend_args).transform(results)
    expected = LoadVideoFrame().transform(dict(img_path=str(root / name)))
    assert np.array_equal(results['img'], expected['img'])
    mask = 'train/Annotations/v0/00000.png'
    results['target_masks'] = PngMasks(f'{address}/{mask}')
    expected['target_masks'] = PngMasks(root / mask)
    results = LoadMasks(backend_args=backend_args).transform(results)
    expected = LoadMasks().transform(expected)
    assert np.array_equal(results['gt_seg_map'], expected['gt_seg_map'])


def test_a_store_without_answer_is_no_damaged_file(root: Path, monkeypatch) -> None:
    """Another item would be drawn for a missing frame, not for one out of reach."""
    address, backend_args = as_memory(root)
    options = dict(type='R2VOSDataset', pipeline=PIPELINE, data_root=address)
    dataset = DATASETS.build(dict(options, backend_args=backend_args | dict(retries=0)))
    memory = type(fsspec.filesystem('memory'))

    def cut(*args: object, **options: object) -> None:
        raise ConnectionResetError('cut')

    monkeypatch.setattr(memory, 'cat_file', cut)
    with pytest.raises(StorageError, match='memory://bucket/train/.* cannot be reached: .*cut'):
        dataset[0]


def test_archives_of_other_kinds(root: Path, tmp_path: Path) -> None:
    path = tmp_path / 'files.tar.gz'
    with tarfile.open(path, 'w:gz') as archive:
        archive.add(root, arcname='.')
    for other, message in ((path, 'neither a zip nor an uncompressed tar'), (root, 'directory')):
        with pytest.raises(ValueError, match=message):
            StoredPath('a', dict(backend='archive', path=str(other))).read_bytes()
    with zipfile.ZipFile(tmp_path / 'bad.zip', 'w') as archive:
        archive.writestr('a/b', b'x' * 100)
    content = bytearray((tmp_path / 'bad.zip').read_bytes())
    content[40] ^= 1
    (tmp_path / 'bad.zip').write_bytes(content)
    with pytest.raises(OSError, match='a/b: Bad CRC-32'):
        StoredPath('a/b', dict(backend='archive', path=str(tmp_path / 'bad.zip'))).read_bytes()


def test_a_database_is_counted_and_hashed(root: Path, tmp_path: Path) -> None:
    lmdb = pytest.importorskip('lmdb', reason='lmdb is not installed: r2vos_mm[lmdb]')
    from r2vos_mm.data_prep.lmdb_files import check_lmdb, write_lmdb

    (root / 'train/.DS_Store').write_bytes(b'x')
    out = tmp_path / 'set.lmdb'
    summary = write_lmdb(root, out, shown=False)
    paths = [path for path in root.rglob('*') if path.is_file() and path.name != '.DS_Store']
    names = sorted(str(path.relative_to(root)) for path in paths)
    lines = [f'{hashlib.sha256((root / n).read_bytes()).hexdigest()}  {n}\n' for n in names]
    expected = len(paths), sum(path.stat().st_size for path in paths)
    assert summary == (*expected, hashlib.sha256(''.join(lines).encode()).hexdigest())
    assert check_lmdb(out) == summary
    assert sorted(path.name for path in tmp_path.iterdir()) == ['set', 'set.lmdb']
    # MMEngine's own backend reads the same database.
    backend = dict(backend='lmdb', db_path=str(out))
    name = 'train/JPEGImages/v0/00000.jpg'
    assert StoredPath(name, backend).read_bytes() == (root / name).read_bytes()
    with pytest.raises(FileNotFoundError, match='no such object'):
        StoredPath('none', backend).read_bytes()
    with pytest.raises(RuntimeError, match='LmdbBackend has no list_dir_or_file'):
        StoredPath('train', backend).names()
    with pytest.raises(UsageError, match='exists'):
        write_lmdb(root, out, shown=False)
    _backends.clear()
    with lmdb.open(str(out)) as database, database.begin(write=True) as change:
        change.put(names[0].encode(), b'other')
    with pytest.raises(UsageError, match='is damaged: it has'):
        check_lmdb(out)


def test_databases_of_others_and_names_in_other_encodings(tmp_path: Path) -> None:
    lmdb = pytest.importorskip('lmdb', reason='lmdb is not installed: r2vos_mm[lmdb]')
    from r2vos_mm.data_prep.lmdb_files import check_lmdb, write_lmdb

    with lmdb.open(str(tmp_path / 'other')) as database, database.begin(write=True) as change:
        change.put(b'\xe9', b'not a path')
    with pytest.raises(UsageError, match='was not written by r2vos data lmdb'):
        check_lmdb(tmp_path / 'other')
    (tmp_path / 'set').mkdir()
    (tmp_path / 'set' / 'd\udce9j\udce0.jpg').write_bytes(b'')
    with pytest.raises(UsageError, match='is not in UTF-8: rename the file'):
        write_lmdb(tmp_path / 'set', tmp_path / 'out', shown=False)


def test_hard_links_in_a_tar(tmp_path: Path) -> None:
    """tar stores the second name of a file as a link to the first."""
    (tmp_path / 'a.txt').write_bytes(b'123')
    (tmp_path / 'b.txt').hardlink_to(tmp_path / 'a.txt')
    with tarfile.open(tmp_path / 'a.tar', 'w') as archive:
        for name in ('a.txt', 'b.txt'):
            archive.add(tmp_path / name, name)
    top = StoredPath('', dict(backend='archive', path=str(tmp_path / 'a.tar')))
    assert top.names() == ['a.txt', 'b.txt']
    assert (top / 'b.txt').read_bytes() == b'123'


def test_folders_of_keys(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / 'a.zip', 'w') as archive:
        for name in ('b/1.jpg', 'b/2/x', 'b/2/y', 'b.txt', 'b0', 'c'):
            archive.writestr(name, name)
    top = StoredPath('', dict(backend='archive', path=str(tmp_path / 'a.zip')))
    assert (top.names(), (top / 'b').names()) == (['b.txt', 'b', 'b0', 'c'], ['1.jpg', '2'])
    found = [(path.is_file(), path.is_dir()) for path in (top / 'b', top / 'b.txt', top / 'd')]
    assert found == [(False, True), (True, False), (False, False)]
    with pytest.raises(FileNotFoundError):
        (top / 'd').names()
    assert [str(path) for path in (top / 'b').glob('*.jpg')] == ['b/1.jpg']
