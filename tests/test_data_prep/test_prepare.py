"""From downloads to the layout, and from archives nowhere else."""

import errno
import gzip
import importlib.util
import io
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from scripts import exit_status
from tiny_sets import write_set

from r2vos_mm.data_prep.davis import expressions_of, read_texts
from r2vos_mm.data_prep.known_sets import TEXT_FILES
from r2vos_mm.data_prep.prepare import ArchiveLimits, PrepareReport, prepare
from r2vos_mm.datasets import R2VOSDataset
from r2vos_mm.utils.data_issues import ProblemList
from r2vos_mm.utils.formats.expressions import normalize_text

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


def run(downloads: Path, name: str = 'ref-youtube-vos', **kwargs: object) -> PrepareReport:
    return prepare(name, downloads, downloads.parent / 'data', progress=False, **kwargs)


def files_of(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob('*')
        if path.is_file()
    }


def zip_of(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, 'w') as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def archive_of(path: Path, members: dict[str, bytes]) -> None:
    if path.suffix == '.zip':
        zip_of(path, members)
        return
    with tarfile.open(path, 'w:gz') as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


@pytest.mark.parametrize('form', ['zip', 'gztar'])
def test_archives_of_any_name_and_depth(whole: Path, downloads: Path, form: str) -> None:
    for part in ('train', 'valid', 'meta_expressions'):
        shutil.make_archive(str(downloads / f'rvos_{part}'), form, whole.parent, f'whole/{part}')
    report = run(downloads)
    expected = files_of(whole)
    # The challenge's validation masks are those of first frames; they are not taken.
    expected = {
        name: content
        for name, content in expected.items()
        if not name.startswith('valid/Annotations')
    }
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


def test_a_killed_run_goes_on(downloads: Path) -> None:
    zip_of(downloads / 'a.zip', {JPEG: b'one', JPEG.replace('00000', '00005'): b'two'})
    code = (
        'import os, signal, sys\n'
        'from pathlib import Path\n'
        'from r2vos_mm.data_prep.prepare import prepare\n'
        'os.replace = lambda *paths: os.kill(os.getpid(), signal.SIGKILL)\n'
        "prepare('ref-youtube-vos', Path(sys.argv[1]), Path(sys.argv[2]), progress=False)\n"
    )
    data = downloads.parent / 'data'
    command = [sys.executable, '-c', code, str(downloads), str(data)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert [path.name[0] for path in data.rglob('*') if path.is_file()] == ['.']
    report = run(downloads)
    assert (report.written, report.already) == (2, 0)
    assert files_of(data) == {JPEG: b'one', JPEG.replace('00000', '00005'): b'two'}


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
    # Downloads that were moved leave links that lead nowhere, which the next call replaces.
    (downloads / 'unpacked').rename(downloads / 'elsewhere')
    assert run(downloads).linked == 6
    assert (data / JPEG.replace('/v/', '/v0/')).is_file()


@pytest.mark.parametrize('form', ['zip', 'tar.gz'])
def test_side_files_are_not_unpacked(downloads: Path, form: str) -> None:
    folder = JPEG.rpartition('/')[0]
    names = [f'__MACOSX/{JPEG}', f'{folder}/._00000.jpg', f'__MACOSX/{folder}/._00000.jpg']
    names += [f'{folder}/Thumbs.db', 'train/JPEGImages/.DS_Store', f'x/@eaDir/{JPEG}']
    archive_of(downloads / f'a.{form}', dict.fromkeys([*names, JPEG], b'x'))
    (downloads / f'._a.{form}').write_bytes(b'not an archive')
    (downloads / '__MACOSX/train/Annotations').mkdir(parents=True)
    report = run(downloads)
    assert files_of(downloads.parent / 'data') == {JPEG: b'x'}
    assert (report.written, report.linked, report.problems.rows) == (1, 0, [])


def test_names_with_backslashes(downloads: Path) -> None:
    zip_of(downloads / 'a.zip', {JPEG.replace('/', '\\'): b'x'})
    run(downloads)
    assert files_of(downloads.parent / 'data') == {JPEG: b'x'}


class TestDisk:
    @pytest.mark.parametrize('form', ['zip', 'tar.gz'])
    def test_too_little_space(
        self, downloads: Path, monkeypatch: pytest.MonkeyPatch, form: str
    ) -> None:
        archive_of(downloads / f'a.{form}', {JPEG: b'12345', JPEG.replace('00000', '5'): b'12345'})
        monkeypatch.setattr(shutil, 'disk_usage', lambda path: shutil._ntuple_diskusage(9, 5, 4))
        with pytest.raises(OSError, match='the disk of .* needs .*: free some space') as raised:
            run(downloads)
        assert 'Download it again' not in str(raised.value)
        assert files_of(downloads.parent / 'data') == {}

    @pytest.mark.parametrize(
        ('code', 'told'),
        [
            (errno.ENOSPC, 'space'),
            (errno.EACCES, 'where you may write'),
            (errno.EROFS, 'Read-only'),
        ],
    )
    def test_errors_of_writing(
        self, downloads: Path, monkeypatch: pytest.MonkeyPatch, code: int, told: str
    ) -> None:
        zip_of(downloads / 'a.zip', {JPEG: b'x'})

        def fail(*args: object) -> None:
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(os, 'replace', fail)
        with pytest.raises(OSError, match=told) as raised:
            run(downloads)
        assert JPEG in str(raised.value)
        assert 'Download it again' not in str(raised.value)
        assert files_of(downloads.parent / 'data') == {}


def test_what_is_missing_is_named(downloads: Path) -> None:
    zip_of(downloads / 'a.zip', {JPEG: b'x', 'readme.txt': b'', 'valid/Annotations/v/0.png': b''})
    assert [part.place for part in run(downloads).missing] == [
        'train/Annotations',
        'valid/JPEGImages',
        'meta_expressions/train/meta_expressions.json',
        'meta_expressions/valid/meta_expressions.json',
    ]
    assert list(files_of(downloads.parent / 'data')) == [JPEG]


class TestHostileArchives:
    @pytest.mark.parametrize(
        'name',
        [
            '../train/meta.json',
            '/train/meta.json',
            '/etc/x/train/meta.json',
            'x/../train/meta.json',
        ],
    )
    def test_paths_that_leave_the_archive(self, downloads: Path, name: str) -> None:
        zip_of(downloads / 'a.zip', {name: b'{}', '../../../etc/passwd': b''})
        report = run(downloads)
        assert [row.what for row in report.problems.rows] == [
            f'{name} is not a path within the archive'
        ]
        assert set(files_of(downloads.parent)) == {'downloads/a.zip'}

    @pytest.mark.parametrize(
        'name',
        ['train/JPEGImages/../x.jpg', 'train/JPEGImages/v/a\\b.jpg', 'train/JPEGImages/c:/x.jpg'],
    )
    def test_names_that_are_not_plain(self, downloads: Path, name: str) -> None:
        zip_of(downloads / 'a.zip', {name: b'x'})
        report = run(downloads)
        assert report.written == 0
        assert report.problems.rows[0].what.endswith('is not a plain name')

    def test_links_in_archives(self, downloads: Path) -> None:
        with tarfile.open(downloads / 'a.tar', 'w') as archive:
            for kind, name in (
                (tarfile.SYMTYPE, '00000'),
                (tarfile.LNKTYPE, '00005'),
                (tarfile.FIFOTYPE, '00010'),
            ):
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

    @pytest.mark.parametrize('limits', [ArchiveLimits(per_file=9), ArchiveLimits(total=15)])
    def test_limits(self, downloads: Path, limits: ArchiveLimits) -> None:
        zip_of(downloads / 'a.zip', {JPEG: b'123456789', JPEG.replace('00000', '00005'): b'0' * 10})
        with pytest.raises(ValueError, match=r'a\.zip cannot be unpacked .*more than the allowed'):
            run(downloads, limits=limits)
        assert files_of(downloads.parent / 'data') == {}

    @pytest.mark.parametrize('form', ['zip', 'tar.gz'])
    @pytest.mark.parametrize(
        ('limits', 'name'),
        [
            (ArchiveLimits(entries=1), 'notes.txt'),
            (ArchiveLimits(depth=4), 'a/b/c/d/e/notes.txt'),
            (ArchiveLimits(per_file=9), 'large.bin'),
        ],
    )
    def test_files_that_are_not_wanted_count(
        self, downloads: Path, form: str, limits: ArchiveLimits, name: str
    ) -> None:
        archive_of(downloads / f'a.{form}', {name: b'0' * 10, JPEG: b'1'})
        with pytest.raises(ValueError, match='cannot be unpacked .*more than the allowed'):
            run(downloads, limits=limits)

    @pytest.mark.parametrize('form', ['zip', 'tar.gz'])
    def test_a_bomb(self, downloads: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
        """Two gigabytes of zeros by the headers; nothing of them is decoded."""
        path = downloads / f'a.{form}'
        archive_of(path, {JPEG: b'0'})
        infos = {'zip': ('ZipFile', 'infolist'), 'tar.gz': ('TarFile', '__iter__')}
        module = zipfile if form == 'zip' else tarfile
        owner = getattr(module, infos[form][0])
        listed = getattr(owner, infos[form][1])

        def huge(archive: object) -> list:
            found = list(listed(archive))
            for info in found:
                setattr(info, 'file_size' if form == 'zip' else 'size', 2 << 30)
            return iter(found)

        monkeypatch.setattr(owner, infos[form][1], huge)
        with pytest.raises(ValueError, match='more than the allowed 1073741824'):
            run(downloads)
        assert files_of(downloads.parent / 'data') == {}

    @pytest.mark.parametrize('kind', ['changed', 'cut off'])
    def test_a_tar_file_that_ends_early(self, downloads: Path, kind: str) -> None:
        """Of two members, the second's header is damaged, or it is missing with the end."""
        path = downloads / 'a.tar'
        with tarfile.open(path, 'w') as archive:
            for number in range(2):
                info = tarfile.TarInfo(JPEG.replace('00000', f'0000{number}'))
                info.size = 3
                archive.addfile(info, io.BytesIO(b'jpg'))
        content = bytearray(path.read_bytes())
        content[1024 + 5] ^= 1
        path.write_bytes(content if kind == 'changed' else content[:1024])
        with pytest.raises(ValueError, match='it ends early.*Download it again'):
            run(downloads)
        assert files_of(downloads.parent / 'data') == {JPEG: b'jpg'}

    def test_a_wrong_checksum_at_the_end(self, downloads: Path) -> None:
        """Nothing is kept that may be wrong; files that were there before are."""
        other = JPEG.replace('00000', '00005')
        archive_of(downloads / 'a.tar.gz', {JPEG: b'old'})
        run(downloads)
        path = downloads / 'a.tar.gz'
        archive_of(path, {JPEG: b'old', other: b'new'})
        content = bytearray(path.read_bytes())
        content[-8] ^= 1  # of the CRC
        path.write_bytes(content)
        with pytest.raises(ValueError, match='CRC check failed.*Download it again'):
            run(downloads)
        assert files_of(downloads.parent / 'data') == {JPEG: b'old'}

    def test_endless_content_after_the_end(
        self, downloads: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr('r2vos_mm.data_prep.prepare._MAX_PADDING', 1 << 20)
        path = downloads / 'a.tar.gz'
        archive_of(path, {JPEG: b'x'})
        content = gzip.decompress(path.read_bytes())
        path.write_bytes(gzip.compress(content + bytes(2 << 20)))
        with pytest.raises(ValueError, match='more than 1048576 bytes follow its end'):
            run(downloads)

    def test_endless_names_of_tar(self, downloads: Path) -> None:
        header = tarfile.TarInfo('x')
        header.type, header.size = tarfile.XHDTYPE, 1 << 30
        (downloads / 'a.tar').write_bytes(header.tobuf(tarfile.USTAR_FORMAT) + bytes(10240))
        with pytest.raises(ValueError, match='a name of 1073741824 bytes'):
            run(downloads)

    @pytest.mark.parametrize('name', ['a.zip', 'a.tar.gz'])
    def test_truncated(self, whole: Path, downloads: Path, name: str) -> None:
        form = 'zip' if name == 'a.zip' else 'gztar'
        shutil.make_archive(str(downloads / 'a'), form, whole)
        path = downloads / name
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(ValueError, match=r'cannot be unpacked .*Download it again'):
            run(downloads)
        assert not list((downloads.parent / 'data').rglob('.*'))

    def test_sizes_that_lie(self, downloads: Path) -> None:
        path = downloads / 'a.zip'
        zip_of(path, {JPEG: b'0123456789'})
        content = bytearray(path.read_bytes())
        directory = content.index(b'PK\x01\x02')
        # The uncompressed size in the central directory, at offset 24: 4 instead of 10.
        content[directory + 24 : directory + 28] = (4).to_bytes(4, 'little')
        path.write_bytes(content)
        with pytest.raises(ValueError, match='cannot be unpacked'):
            run(downloads)
        assert files_of(downloads.parent / 'data') == {}


def test_command(
    whole: Path, downloads: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    spec = importlib.util.spec_from_file_location('prepare_tool', TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    data = downloads.parent / 'data'
    monkeypatch.setattr(
        'sys.argv',
        [
            'prepare.py',
            'ref-youtube-vos',
            '--download-dir',
            str(downloads),
            '--data-root',
            str(data),
            '--quiet',
        ],
    )
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
    assert exit_status(tool.main) == 2
    assert 'is not a folder' in capsys.readouterr().err


class TestOtherSets:
    MEMBERS = {
        'mevis': [
            'MeViS/train/JPEGImages/0a/00000.jpg',
            'MeViS/train/mask_dict.json',
            'MeViS/valid_u/meta_expressions.json',
        ],
        'a2d-sentences': [
            'Release/CLIPS320/-a.mp4',
            'a2d/Release/videoset.csv',
            'a2d_annotation.txt',
            'a2d_annotation_with_instances/-a/00012.h5',
        ],
        'jhmdb-sentences': ['Rename_Images/run/v/00001.png', 'puppet_mask/run/v/puppet_mask.mat'],
        'refcoco+': ['refcoco+/refs(unc).p', 'train2014/COCO_train2014_000000000009.jpg'],
        'grefcoco': ['grefcoco/grefs(unc).json', 'train2014/COCO_train2014_000000000009.jpg'],
        'ref-davis': [
            'DAVIS/Annotations_unsupervised/480p/v/00000.png',
            'Davis17_annot2.txt',
            'DAVIS/davis_semantics.json',
        ],
    }
    # Where the owners' archives and the layout differ.
    MOVED = {
        'Release/CLIPS320/-a.mp4': 'Release/clips320H/-a.mp4',
        'a2d_annotation.txt': 'text_annotations/a2d_annotation.txt',
        'a2d_annotation_with_instances/-a/00012.h5': (
            'text_annotations/a2d_annotation_with_instances/-a/00012.h5'
        ),
        'Davis17_annot2.txt': 'davis_text_annotations/Davis17_annot2.txt',
    }

    @pytest.mark.parametrize('name', MEMBERS)
    def test_members_find_their_places(self, downloads: Path, name: str) -> None:
        members = self.MEMBERS[name]
        zip_of(downloads / 'a.zip', dict.fromkeys([*members, 'notes/readme.md'], b'x'))
        report = run(downloads, name)
        places = [
            self.MOVED.get(member, member.removeprefix('MeViS/').removeprefix('a2d/'))
            for member in members
        ]
        assert files_of(downloads.parent / 'data') == dict.fromkeys(places, b'x')
        assert report.missing
        assert all(part.page.startswith('http') for part in report.missing)
        assert run(downloads, name).already == len(members)

    @pytest.mark.parametrize('name', MEMBERS)
    def test_unpacked_downloads_are_linked(self, downloads: Path, name: str) -> None:
        for member in self.MEMBERS[name]:
            path = downloads / 'unpacked' / member
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b'x')
        report = run(downloads, name)
        assert (report.linked, report.written) == (len(self.MEMBERS[name]), 0)
        assert run(downloads, name).already == report.linked

    @pytest.mark.parametrize(
        'name',
        [
            'train2014/../COCO_train2014_000000000009.jpg',
            'train2014/COCO_train2014_9.jpg',
            'refcoco/refs(google).p',
        ],
    )
    def test_other_names_are_not_written(self, downloads: Path, name: str) -> None:
        zip_of(downloads / 'a.zip', {name: b'x'})
        assert run(downloads, 'refcoco').written == 0


class TestDavis:
    @pytest.fixture
    def davis(self, downloads: Path) -> Path:
        """Downloads of two videos; the second annotator has no words for object 10 of 'dogs'."""
        root = downloads / 'DAVIS'
        for name in ('dogs-scale', 'bear'):
            for kind, suffix in (('JPEGImages', 'jpg'), ('Annotations_unsupervised', 'png')):
                (root / kind / '480p' / name).mkdir(parents=True)
                (root / kind / '480p' / name / f'00000.{suffix}').write_bytes(b'x')
        (root / 'ImageSets/2017').mkdir(parents=True)
        (root / 'ImageSets/2017/train.txt').write_text('bear\n')
        (root / 'ImageSets/2017/val.txt').write_text('dogs-scale\n')
        (root / 'davis_semantics.json').write_text(
            '{"bear": {"1": "bear"}, "dogs-scale": {"2": "dog", "10": "scale"}}'
        )
        for name in ('Davis17_annot1', 'Davis17_annot1_full_video', 'Davis17_annot2_full_video'):
            (downloads / f'{name}.txt').write_text(
                f'bear 1 "bear of {name}"\ndog-scale 10 "ten"\ndog-scale 2 "two"\n'
            )
        (downloads / 'Davis17_annot2.txt').write_text(
            'bear 1 "an \xe9 "\ndog-scale 2 "two"\n', encoding='latin-1'
        )
        return downloads

    def test_layout(self, davis: Path) -> None:
        report = run(davis, 'ref-davis')
        assert report.missing == ()
        data = davis.parent / 'data'
        listed = json.loads((data / 'meta_expressions/valid/meta_expressions.json').read_text())
        # Object 2 comes before 10, and what is missing leaves its number out: 4 + 2.
        assert listed['videos'] == {
            'dogs-scale': dict(
                frames=['00000'],
                expressions={
                    **{str(k): dict(exp='two', obj_id='2') for k in range(4)},
                    **{str(k): dict(exp='ten', obj_id='10') for k in (4, 5, 7)},
                },
            )
        }
        assert [row.what for row in report.problems.rows] == [
            'Davis17_annot2.txt has no expression for object 10'
        ]
        train = json.loads((data / 'meta_expressions/train/meta_expressions.json').read_text())
        assert train['videos']['bear']['expressions']['2'] == dict(exp='an \xe9 ', obj_id='1')
        assert (
            json.loads((data / 'valid/meta.json').read_text())['videos']['dogs-scale']['objects'][
                '10'
            ]['category']
            == 'scale'
        )
        for kind, suffix in (('JPEGImages', 'jpg'), ('Annotations', 'png')):
            assert (data / f'valid/{kind}/dogs-scale/00000.{suffix}').read_bytes() == b'x'
        assert run(davis, 'ref-davis').written == 0

    def test_a_line_that_is_none(self, davis: Path) -> None:
        (davis / 'Davis17_annot2.txt').write_text('bear one "a bear"\n')
        with pytest.raises(ValueError, match=r'Davis17_annot2\.txt, line 1 is not <video>'):
            run(davis, 'ref-davis')

    def test_the_real_sentences(self, test_data: Path) -> None:
        """The sentences of the 30 validation videos, in the numbers of the field."""
        folder = test_data / 'data/refdavis17_val'
        listed = json.loads((folder / 'meta_expressions.json').read_text())['videos']
        texts = [
            read_texts(folder / f'{Path(name).stem}.val.txt', encoding)
            for name, encoding in zip(TEXT_FILES, ('utf-8', 'utf-8', 'latin-1', 'latin-1'))
        ]
        problems = ProblemList('')
        for video, entry in listed.items():
            found = expressions_of(video, texts, problems)
            assert {i: normalize_text(item['exp']) for i, item in found.items()} == {
                i: normalize_text(item['exp']) for i, item in entry['expressions'].items()
            }
        assert problems.rows == []
        assert sum(len(entry['expressions']) for entry in listed.values()) == 244
