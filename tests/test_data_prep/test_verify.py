"""Checking a data set: every kind of fault is found, and nothing else."""

import importlib.util
import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from public_sets import write_grefcoco
from scripts import exit_status
from tiny_sets import SIZE, VIDEOS, write_frame, write_json, write_set

from r2vos_mm.data_prep.known_sets import KNOWN_SETS, KnownSet
from r2vos_mm.data_prep.r2_pairs import build_r2_pairs
from r2vos_mm.data_prep.verify import STATES, CheckReport, check_set
from r2vos_mm.utils.files import write_json as save
from r2vos_mm.utils.formats import ref_ytvos_valid202 as scored_videos

TOOL = Path(__file__).parents[2] / 'tools' / 'dataset_converters' / 'check.py'
SENTENCES = 'meta_expressions/train/meta_expressions.json'


def tallies(report: CheckReport) -> dict[str, tuple[int, ...]]:
    """(ok, missing, broken, unused) by kind of thing."""
    return {what: tuple(tally[state] for state in STATES) for what, tally in report.tallies.items()}


def problems_of(report: CheckReport) -> list[str]:
    return [f'{row.where}: {row.what}' for row in report.problems.rows]


# The tiny set: 3 videos, 5 sentences, 10 frames.
SOUND = {
    'train annotation files': (1, 0, 0, 0),
    'train videos': (3, 0, 0, 0),
    'train sentences': (5, 0, 0, 0),
    'train frames': (10, 0, 0, 0),
    'train masks': (10, 0, 0, 0),
}


@pytest.mark.parametrize(('sample', 'opened'), [(None, 10), (200, 10), (3, 3), (0, 0)])
def test_a_sound_set(tiny_set: Path, sample: int | None, opened: int) -> None:
    report = check_set(tiny_set, sample=sample, workers=2)
    assert tallies(report) == SOUND
    assert problems_of(report) == []
    assert (report.is_sound, report.opened, report.openable) == (True, opened, 10)


def test_missing_and_unused_files(tiny_set: Path) -> None:
    images, masks = (tiny_set / 'train' / kind for kind in ('JPEGImages', 'Annotations'))
    (images / 'v0/00000.jpg').unlink()
    (masks / 'v0/00010.png').unlink()
    shutil.copy(images / 'v0/00005.jpg', images / 'v0/00006.jpg')
    shutil.rmtree(images / 'v1')
    (images / 'stray').mkdir()
    report = check_set(tiny_set)
    assert tallies(report) == SOUND | {
        'train videos': (2, 1, 0, 1),
        'train sentences': (4, 0, 0, 0),
        # A frame without its mask is of no use, nor is a mask without its frame.
        'train frames': (5, 1, 0, 2),
        'train masks': (5, 1, 0, 1),
    }
    assert not report.is_sound
    assert len(problems_of(report)) == 4


def damaged_mask(folder: Path, kind: str) -> None:
    path = folder / 'Annotations/v0/00005.png'
    if kind == 'colour':
        Image.new('RGB', SIZE[::-1]).save(path)
    elif kind == 'size':
        Image.new('L', (4, 4)).save(path)
    else:
        path.write_bytes(path.read_bytes()[:60])


@pytest.mark.parametrize('kind', ['colour', 'size', 'truncated'])
def test_broken_masks(tiny_set: Path, kind: str) -> None:
    damaged_mask(tiny_set / 'train', kind)
    report = check_set(tiny_set, sample=None)
    assert tallies(report) == SOUND | {'train masks': (9, 0, 1, 0)}
    assert problems_of(report)[0].startswith('v0: mask 00005: ')
    # The second of ten frames is not among two evenly spread ones, but its header is read.
    assert check_set(tiny_set, sample=2).is_sound is (kind == 'colour')
    assert check_set(tiny_set, sample=0).is_sound


def test_broken_frames(tiny_set: Path) -> None:
    path = tiny_set / 'train/JPEGImages/v0/00005.jpg'
    # Noise, so that a cut takes image data away.
    noise = np.random.default_rng(0).integers(0, 255, (*SIZE, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:-200])
    report = check_set(tiny_set, sample=None)
    assert tallies(report) == SOUND | {'train frames': (9, 0, 1, 0)}


def test_sentences(tmp_path: Path) -> None:
    root = write_set(tmp_path, {'v': (1, {'1': 'dog'}, [('a dog', '1'), ('', '1'), ('it', '2')])})
    # All masks are opened, because there are so few.
    report = check_set(root)
    assert tallies(report)['train sentences'] == (1, 0, 2, 0)
    assert problems_of(report)[-1] == 'v expression 2: object 2 is in no mask of its video'


def test_objects_that_the_list_of_objects_lacks(tmp_path: Path) -> None:
    root = write_set(tmp_path, {'v': (6, {'1': 'dog', '2': 'cat'}, [('a dog', '1'), ('it', '3')])})
    report = check_set(root, sample=2)
    assert tallies(report)['train sentences'] == (1, 0, 1, 0)
    assert problems_of(report) == ['v expression 1: object 3 is in no entry of meta.json']
    # Without the list, too few masks are opened to know.
    (root / 'train/meta.json').unlink()
    assert check_set(root, sample=2).is_sound
    assert not check_set(root, sample=6).is_sound


@pytest.mark.parametrize('sample', [1, None])
def test_frames_of_several_sizes(tiny_set: Path, sample: int | None) -> None:
    for kind, suffix in (('JPEGImages', 'jpg'), ('Annotations', 'png')):
        path = tiny_set / f'train/{kind}/v0/00005.{suffix}'
        Image.open(path).resize((16, 12), Image.Resampling.NEAREST).save(path)
    report = check_set(tiny_set, sample=sample)
    assert tallies(report) == SOUND | {'train videos': (2, 0, 1, 0)}
    assert problems_of(report) == [
        'v0: has frames of several sizes (height x width): '
        '24x32 (00000, 00010, 00015 and 2 more); 12x16 (00005)'
    ]


def test_frames_turned_by_exif_have_one_size(tiny_set: Path) -> None:
    path = tiny_set / 'train/JPEGImages/v0/00005.jpg'
    image = Image.open(path)
    exif = image.getexif()
    exif[0x0112] = 6
    image.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif)
    assert check_set(tiny_set, sample=1).is_sound


@pytest.mark.parametrize('path', [SENTENCES, 'train/meta.json'])
def test_broken_json(tiny_set: Path, path: str) -> None:
    (tiny_set / path).write_text('{')
    report = check_set(tiny_set)
    assert tallies(report) == {'train annotation files': (0, 0, 1, 0)}
    assert 'is not valid JSON' in problems_of(report)[0]


def test_splits_and_folders(tiny_set: Path, tmp_path: Path) -> None:
    for split in ('valid', 'other'):
        shutil.copytree(tiny_set / 'meta_expressions/train', tiny_set / 'meta_expressions' / split)
    report = check_set(tiny_set)
    assert tallies(report) == SOUND | {
        'valid annotation files': (0, 1, 0, 0),
        'other annotation files': (0, 0, 0, 1),
    }
    (tmp_path / 'empty').mkdir()
    assert not check_set(tmp_path / 'empty').is_sound


def test_a_split_without_videos(tiny_set: Path) -> None:
    write_json(tiny_set / SENTENCES, dict(videos={}))
    report = check_set(tiny_set)
    assert tallies(report)['train videos'] == (0, 1, 0, 3)
    assert 'train: has no usable video' in problems_of(report)


def test_sentences_without_objects_are_for_testing(tiny_set: Path) -> None:
    content = json.loads((tiny_set / SENTENCES).read_text())
    for entry in content['videos'].values():
        for item in entry['expressions'].values():
            del item['obj_id']
    write_json(tiny_set / SENTENCES, content)
    assert tallies(check_set(tiny_set, sample=None)) == SOUND


def test_pairs_files(tiny_set: Path) -> None:
    content = build_r2_pairs(tiny_set / SENTENCES, categories=tiny_set / 'train/meta.json').content
    save(tiny_set / 'pairs/good.json', content)
    content['pairs'][0]['exp'] = 'edited'
    save(tiny_set / 'pairs/edited.json', content)
    save(tiny_set / 'pairs/none.json', [])
    report = check_set(tiny_set)
    assert tallies(report)['pairs files'] == (1, 0, 2, 0)
    assert problems_of(report)[0] == (
        'pairs/edited.json: its pairs are not those of its pairs_sha256: it was edited'
    )


@pytest.mark.parametrize(
    ('change', 'problem', 'broken'),
    [
        (dict(label=7), 'label is 7', 1),
        (dict(pair_id='v0/1/p'), "pair id 'v0/1/p' occurs twice", 1),
        (dict(obj_id='9'), 'video v0 has no object 9, only 1, 2', 1),
        (dict(video='nowhere'), 'video nowhere is in no split', 1),
        (dict(exp=''), "has no text 'exp'", 1),
    ],
)
def test_broken_rows_of_pairs_files(
    tiny_set: Path, change: dict, problem: str, broken: int
) -> None:
    content = build_r2_pairs(tiny_set / SENTENCES, categories=tiny_set / 'train/meta.json').content
    del content['pairs_sha256']
    ids = [pair['pair_id'] for pair in content['pairs']]
    assert {'v0/0/p', 'v0/1/p'} <= set(ids)
    content['pairs'][ids.index('v0/0/p')] |= change
    save(tiny_set / 'pairs/some.json', content)
    report = check_set(tiny_set)
    assert not report.is_sound
    assert problem in problems_of(report)[0]
    assert 'some.json' in problems_of(report)[0]
    assert tallies(report)['pairs'] == (len(ids) - broken, 0, broken, 0)
    assert tallies(report)['pairs files'] == (0, 0, 1, 0)


def test_pairs_of_videos_that_are_not_scored(
    tiny_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = build_r2_pairs(tiny_set / SENTENCES, categories=tiny_set / 'train/meta.json').content
    save(tiny_set / 'pairs/all.json', content)
    shutil.rmtree(tiny_set / 'train/JPEGImages/v2')
    report = check_set(tiny_set)
    shown = sum(pair['video'] == 'v2' for pair in content['pairs'])
    assert tallies(report)['pairs'] == (len(content['pairs']) - shown, 0, 0, shown)
    assert tallies(report)['pairs files'] == (1, 0, 0, 0)


class TestKnownSets:
    @staticmethod
    def known(**counts: dict) -> KnownSet:
        return KnownSet('x', 'https://example.org', counts)

    def test_numbers(self, tiny_set: Path) -> None:
        assert (
            problems_of(
                check_set(tiny_set, known=self.known(train=dict(videos=3, sentences=5, frames=10)))
            )
            == []
        )
        report = check_set(tiny_set, known=self.known(train=dict(videos=4), valid={}))
        first, second = problems_of(report)
        assert first == 'train: 3 videos, the complete set has 4'
        assert second.startswith('valid: ')
        assert 'meta_expressions/valid/meta_expressions.json does not exist' in second
        assert report.problems.rows[0].consequence == 'see https://example.org'
        assert report.tallies['train videos'] == Counter(ok=3, missing=1)
        more = check_set(tiny_set, known=self.known(train=dict(videos=2)))
        assert more.tallies['train videos'] == Counter(ok=3, unused=1)
        assert report.tallies['valid annotation files'] == Counter(missing=1)
        assert not report.is_sound

    def test_what_is_missing_counts_once(self, tiny_set: Path) -> None:
        shutil.rmtree(tiny_set / 'train/JPEGImages/v2')
        report = check_set(tiny_set, known=self.known(train=dict(videos=4, sentences=5)))
        assert tallies(report)['train videos'] == (2, 2, 0, 0)
        assert tallies(report)['train sentences'] == (4, 1, 0, 0)

    @pytest.fixture
    def valid(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A validation part whose list names two videos more than are scored."""
        monkeypatch.setattr(scored_videos, 'bundled_ids', lambda: frozenset(VIDEOS))
        root = write_set(tmp_path, VIDEOS, split='valid')
        path = root / 'meta_expressions/valid/meta_expressions.json'
        content = json.loads(path.read_text())
        content['videos'] |= dict.fromkeys(('t0', 't1'), content['videos']['v1'])
        write_json(path, content)
        return root

    def test_listed_but_not_scored(self, valid: Path) -> None:
        known = self.known(valid=dict(videos=3, sentences=5))
        report = check_set(valid, known=known)
        assert tallies(report)['valid videos'] == (3, 0, 0, 0)
        assert problems_of(report) == []
        # The same with the list of the removed videos, and a folder of one of them.
        write_json(
            valid / 'meta_expressions/test/meta_expressions.json', dict(videos=dict(t0={}, t1={}))
        )
        write_frame(valid, 'valid', 't0', '00000', [])
        assert tallies(check_set(valid, known=known))['valid videos'] == (3, 0, 0, 0)

    def test_scored_but_missing(self, valid: Path) -> None:
        shutil.rmtree(valid / 'valid/JPEGImages/v2')
        report = check_set(valid, known=self.known(valid=dict(videos=3)))
        assert tallies(report)['valid videos'] == (2, 1, 0, 0)
        assert problems_of(report)[0].startswith('v2: ')


def test_quirks(test_data: Path) -> None:
    """Every fault of the set made of faults; all else in it is unusual, but sound."""
    report = check_set(test_data / 'data/fixtures/rytvos_quirks', sample=None)
    assert tallies(report) == {
        'train annotation files': (1, 0, 0, 0),
        'train videos': (12, 1, 0, 1),
        'train sentences': (15, 0, 2, 0),
        'train frames': (30, 1, 0, 1),
        'train masks': (30, 1, 0, 1),
        'valid annotation files': (1, 0, 0, 0),
        'valid videos': (2, 3, 0, 0),
        'valid sentences': (4, 0, 0, 0),
        'valid frames': (5, 0, 0, 0),
    }


def test_command(
    tiny_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    spec = importlib.util.spec_from_file_location('check_tool', TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)

    def run(*args: str) -> int:
        monkeypatch.setattr('sys.argv', ['check.py', *args])
        return exit_status(tool.main)

    assert run('other', '--data-root', str(tiny_set), '--full', '--workers', '2') == 0
    told = capsys.readouterr().out
    assert 'opened 10 of 10 frames' in told
    assert 'train masks                  10        0        0        0' in told
    damaged_mask(tiny_set / 'train', 'size')
    assert run('other', '--data-root', str(tiny_set), '--full') == 1
    told = capsys.readouterr()
    assert 'has a mask of size (4, 4), its frame (24, 32)' in told.out
    assert told.err.endswith('correct or restore them, see docs/datasets.md\n')
    monkeypatch.chdir(tmp_path)
    assert run('ref-youtube-vos') == 2
    assert 'data/ref-youtube-vos is not a folder; download it from' in capsys.readouterr().err
    assert run('other') == 2


class TestSetsWithReaders:
    """MeViS, JHMDB and RefCOCO are checked through the classes that read them."""

    @pytest.fixture
    def fixtures(self, test_data: Path, tmp_path: Path) -> Path:
        """A copy that may be damaged."""
        return Path(shutil.copytree(test_data / 'data/fixtures', tmp_path / 'fixtures'))

    @staticmethod
    def only(name: str, *parts: str) -> KnownSet:
        """A known set with the parts that the fixture has, without numbers."""
        known = KNOWN_SETS[name]
        return replace(
            known,
            counts={part: {} for part in parts},
            readers={part: known.readers[part] for part in parts},
        )

    def test_mevis(self, fixtures: Path) -> None:
        known = self.only('mevis', 'valid_u')
        report = check_set(fixtures / 'mevis', known=known, sample=None)
        # Two videos of 6 frames and 1 frame; two sentences about nothing are sentences, too.
        assert report.is_sound
        assert tallies(report)['valid_u videos'] == (2, 0, 0, 0)
        assert tallies(report)['valid_u frames opened'] == (7, 0, 0, 0)
        assert tallies(report)['valid_u masks opened'] == (7, 0, 0, 0)
        (fixtures / 'mevis/valid_u/JPEGImages/mv0a/00002.jpg').write_bytes(b'')
        (fixtures / 'mevis/valid_u/JPEGImages/mv0a/00003.jpg').unlink()
        report = check_set(fixtures / 'mevis', known=known, sample=None)
        assert tallies(report)['valid_u frames opened'] == (5, 0, 1, 0)
        assert tallies(report)['valid_u frames'] == (0, 1, 0, 0)
        (fixtures / 'mevis/valid_u/mask_dict.json').unlink()
        assert tallies(check_set(fixtures / 'mevis', known=known))['valid_u mask files'] == (
            0,
            1,
            0,
            0,
        )

    def test_numbers(self, fixtures: Path) -> None:
        known = self.only('mevis', 'valid_u')
        sentences = tallies(check_set(fixtures / 'mevis', known=known))['valid_u sentences'][0]
        for wanted, missing in (((7, sentences), 0), (sentences + 2, 2)):
            known = replace(known, counts=dict(valid_u=dict(sentences=wanted)))
            report = check_set(fixtures / 'mevis', known=known)
            assert report.tallies['valid_u sentences']['missing'] == missing

    def test_jhmdb(self, fixtures: Path) -> None:
        report = check_set(fixtures / 'jhmdb_sentences', known=self.only('jhmdb-sentences', 'test'))
        assert tallies(report)['test videos'] == (2, 0, 0, 0)
        assert tallies(report)['test sentences'] == (6, 0, 0, 0)
        assert report.is_sound

    def test_refcoco_in_its_converted_form(self, fixtures: Path) -> None:
        report = check_set(fixtures / 'coco', known=self.only('refcoco', 'val', 'testA'))
        assert tallies(report)['val annotation files'] == (1, 0, 0, 0)
        assert tallies(report)['val videos'] == (2, 0, 0, 0)
        assert tallies(report)['testA annotation files'] == (0, 1, 0, 0)
        assert 'refcoco/refs(unc).p does not exist' in problems_of(report)[-1]

    @pytest.mark.parametrize('form', ['.json', '.p'])
    def test_grefcoco(self, tmp_path: Path, form: str) -> None:
        root = write_grefcoco(tmp_path, form=form)
        report = check_set(root, known=self.only('grefcoco', 'train', 'val'), sample=None)
        assert tallies(report)['train videos'] == (3, 0, 0, 0)
        # without sentences and not annotated; about a line
        assert tallies(report)['train sentences'] == (6, 0, 2, 1)
        assert tallies(report)['val sentences'] == (3, 0, 0, 0)
        assert tallies(report)['train masks opened'] == (3, 0, 0, 0)

    def test_a2d(self, fixtures: Path) -> None:
        pytest.importorskip('h5py')
        report = check_set(fixtures / 'a2d_sentences', known=self.only('a2d-sentences', 'test'))
        # The first object of two of the annotated frames has an empty mask there.
        assert tallies(report)['test sentences'] == (3, 0, 0, 2)
        assert report.is_sound

    def test_faults_of_the_owners_files_are_none_of_the_copy(self, fixtures: Path) -> None:
        pytest.importorskip('h5py')
        root = fixtures / 'a2d_sentences'
        for path in root.glob('a2d_sentences_single_frame_*'):
            path.unlink()  # without these lists the file of sentences is read
        known = self.only('a2d-sentences', 'test')
        report = check_set(root, known=known)
        assert report.is_sound
        assert tallies(report)['test entries'][3] == 1  # the row of '1 (copy)'
        with (root / 'text_annotations/a2d_annotation.txt').open('a') as file:
            file.write('T6bNPuKV-wY,one,a bird\n')
        assert not check_set(root, known=known).is_sound
