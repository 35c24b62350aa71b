"""From downloads to the layout, and from archives nowhere else."""
import importlib.util
import io
import json
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
from tiny_sets import write_set

from r2vos_mm.datasets import R2VOSDataset
from r2vos_mm.datasets.preparing import Limits, PrepareReport, prepare

TOOL = Path(__file__).parents[2] / 'tools' / 'dataset_converters' / 'prepare.py'
JPEG = 'train/JPEGImages/v/00000.jpg'


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A whole set, as one would find it after unpacking everything."""
    root = write_set(tmp_path / 'whole')
    write_set(root, split='valid')
    (root / 'valid/meta.json').unlink()
    return root


@pytest.fixture
def downloads(tmp_path: Path) -> Path:
    (tmp_path / 'downloads').mkdir()
    return tmp_path / 'downloads'


def run(downloads: Path, **kwargs: object) -> PrepareReport:
    return prepare(downloads, downloads.parent / 'data', progress=False, **kwargs)


def files_of(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes()
            for path in root.rglob('*') if path.is_file()}


def zip_of(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, 'w') as archive:
        for name, content in members.items():
            archive.writestr(name, content)


@pytest.mark.parametrize('form', ['zip', 'gztar'])
def test_archives_of_any_name_and_depth(whole: Path, downloads: Path, form: str) -> None:
    for part in ('train', 'valid', 'meta_expressions'):
        shutil.make_archive(str(downloads / f'rvos_{part}'), form, whole.parent,
                            f'whole/{part}')
    report = run(downloads)
    expected = files_of(whole)
    # The challenge's validation masks are those of first frames; they are not taken.
    expected = {name: content for name, content in expected.items()
                if not name.startswith('valid/Annotations')}
    data = downloads.parent / 'data'
    assert files_of(data) == expected
    assert (report.written, report.linked, report.missing) == (len(expected), 0, ())
    assert len(R2VOSDataset(data_root=str(data), pipeline=[]).videos) == 3
    again = run(downloads)
    assert (again.written, again.already) == (0, len(expected))


def test_a_broken_off_run_goes_on(downloads: Path) -> None:
    zip_of(downloads / 'a.zip', {JPEG: b'one', JPEG.replace('00000', '00005'): b'two'})
    run(downloads)
    kept, lost = sorted((downloads.parent / 'data').rglob('*.jpg'))
    kept.write_bytes(b'mine')
    lost.unlink()
    report = run(downloads)
    assert (report.written, report.already) == (1, 1)
    assert (kept.read_bytes(), lost.read_bytes()) == (b'mine', b'two')


def test_unpacked_folders_are_linked(whole: Path, downloads: Path) -> None:
    shutil.move(whole, downloads / 'unpacked')
    before = files_of(downloads)
    zip_of(downloads / 'a.zip', {JPEG: b'of no use'})
    report = run(downloads)
    data = downloads.parent / 'data'
    # Three folders, two files of sentences and train/meta.json.
    assert (report.linked, report.written, report.missing) == (6, 0, ())
    assert (data / 'train/JPEGImages').is_symlink()
    assert (data / JPEG.replace('/v/', '/v0/')).is_file()
    (downloads / 'a.zip').unlink()
    assert files_of(downloads) == before
    assert run(downloads).already == 6


def test_what_is_missing_is_named(downloads: Path) -> None:
    zip_of(downloads / 'a.zip', {JPEG: b'x', 'readme.txt': b'', 'valid/Annotations/v/0.png': b''})
    assert run(downloads).missing == (
        'meta_expressions/train/meta_expressions.json',
        'meta_expressions/valid/meta_expressions.json', 'train/Annotations', 'valid/JPEGImages')
    assert list(files_of(downloads.parent / 'data')) == [JPEG]


class TestHostileArchives:

    @pytest.mark.parametrize('name', [
        '../train/meta.json', '/train/meta.json', '../../../etc/passwd', 'x/../train/meta.json'])
    def test_names_do_not_choose_the_place(self, downloads: Path, name: str) -> None:
        zip_of(downloads / 'a.zip', {name: b'{}'})
        run(downloads)
        written = files_of(downloads.parent)
        assert set(written) - {'downloads/a.zip'} <= {'data/train/meta.json'}

    @pytest.mark.parametrize('name', [
        'train/JPEGImages/../x.jpg', 'train/JPEGImages/v/a\\b.jpg', 'train/JPEGImages/c:/x.jpg'])
    def test_names_that_are_not_plain(self, downloads: Path, name: str) -> None:
        zip_of(downloads / 'a.zip', {name: b'x'})
        report = run(downloads)
        assert report.written == 0
        assert report.problems.rows[0].what.endswith('is not a plain name')

    def test_links_in_archives(self, downloads: Path) -> None:
        with tarfile.open(downloads / 'a.tar', 'w') as archive:
            for kind, name in ((tarfile.SYMTYPE, '00000'), (tarfile.LNKTYPE, '00005'),
                               (tarfile.FIFOTYPE, '00010')):
                info = tarfile.TarInfo(JPEG.replace('00000', name))
                info.type, info.linkname = kind, '/etc/passwd'
                archive.addfile(info)
            folder = tarfile.TarInfo('train/JPEGImages')
            folder.type, folder.linkname = tarfile.SYMTYPE, '/tmp'
            archive.addfile(folder)
            plain = tarfile.TarInfo(JPEG.replace('00000', '00015'))
            plain.size = 3
            archive.addfile(plain, io.BytesIO(b'jpg'))
        link = zipfile.ZipInfo(JPEG.replace('00000', '00020'))
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        with zipfile.ZipFile(downloads / 'b.zip', 'w') as archive:
            archive.writestr(link, '/etc/passwd')
        report = run(downloads)
        assert files_of(downloads.parent / 'data') == {JPEG.replace('00000', '00015'): b'jpg'}
        assert len(report.problems.rows) == 4

    @pytest.mark.parametrize('limits', [Limits(per_file=9), Limits(total=15)])
    def test_limits(self, downloads: Path, limits: Limits) -> None:
        zip_of(downloads / 'a.zip', {JPEG: b'123456789', JPEG.replace('00000', '00005'): b'0' * 10})
        with pytest.raises(ValueError, match=r'a\.zip cannot be unpacked .*more than the allowed'):
            run(downloads, limits=limits)
        assert list(files_of(downloads.parent / 'data')) == [JPEG]

    @pytest.mark.parametrize('name', ['a.zip', 'a.tar.gz'])
    def test_truncated(self, whole: Path, downloads: Path, name: str) -> None:
        form = 'zip' if name == 'a.zip' else 'gztar'
        shutil.make_archive(str(downloads / 'a'), form, whole)
        path = downloads / name
        path.write_bytes(path.read_bytes()[:path.stat().st_size // 2])
        with pytest.raises(ValueError, match=r'cannot be unpacked .*Download it again'):
            run(downloads)
        assert not list((downloads.parent).rglob('*.part'))

    def test_sizes_that_lie(self, downloads: Path) -> None:
        path = downloads / 'a.zip'
        zip_of(path, {JPEG: b'0123456789'})
        content = bytearray(path.read_bytes())
        directory = content.index(b'PK\x01\x02')
        # The uncompressed size in the central directory, at offset 24: 4 instead of 10.
        content[directory + 24:directory + 28] = (4).to_bytes(4, 'little')
        path.write_bytes(content)
        with pytest.raises(ValueError, match='cannot be unpacked'):
            run(downloads)
        assert files_of(downloads.parent / 'data') == {}


def test_command(whole: Path, downloads: Path, monkeypatch: pytest.MonkeyPatch,
                 capsys: pytest.CaptureFixture) -> None:
    spec = importlib.util.spec_from_file_location('prepare_tool', TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    data = downloads.parent / 'data'
    monkeypatch.setattr('sys.argv', [
        'prepare.py', 'ref-youtube-vos', '--download-dir', str(downloads), '--data-root', str(data),
        '--quiet'])
    shutil.make_archive(str(downloads / 'train'), 'zip', whole, 'train')
    assert tool.main() == 1
    told = capsys.readouterr()
    # 10 frames, 10 masks, meta.json.
    assert '21 files unpacked, 0 linked, 0 already there' in told.out
    assert 'missing: valid/JPEGImages' in told.err
    assert 'https://youtube-vos.org' in told.err
    shutil.make_archive(str(downloads / 'rest'), 'zip', whole)
    assert tool.main() == 0
    assert json.loads((data / 'train/meta.json').read_text())
    shutil.rmtree(downloads)
    assert tool.main() == 1
    assert 'is not a folder' in capsys.readouterr().err
