"""SA-Co/VEval from any data set and back; prepare and check of the newer sets."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from public_sets import (  # noqa: F401, a fixture
    fake_h5py,
    square,
    write_a2d,
    write_grefcoco,
    write_mevis,
)
from robust_sets import write_long_rvos, write_ref_sav, write_veval, write_yourvos
from scripts import exit_status, load_script
from tiny_sets import PIPELINE, write_set
from veval_masks import target_mask

from r2vos_mm.data_prep.known_sets import KNOWN_SETS
from r2vos_mm.data_prep.prepare import prepare
from r2vos_mm.data_prep.r2_pairs import build_r2_pairs
from r2vos_mm.data_prep.verify import check_set
from r2vos_mm.registry import DATASETS
from r2vos_mm.utils.files import write_json
from r2vos_mm.utils.formats.pairs import read_pair_rows
from r2vos_mm.utils.formats.veval import read_veval_file


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs the tool in this process; returns its exit status."""
    tool = load_script('dataset_converters/veval.py')

    def call(*arguments: object) -> int:
        monkeypatch.setattr('sys.argv', ['veval.py', *map(str, arguments)])
        return exit_status(tool.main)

    return call


def samples(reader: str, root: Path, **options: object) -> dict:
    """Samples of a test set by video."""
    options = dict(data_root=str(root), test_mode=True, pipeline=PIPELINE, **options)
    dataset = DATASETS.build(dict(type=reader, **options))
    return {item['data_samples'].video_id: item['data_samples'] for item in dataset}


def test_pairs_come_back_whole(tmp_path: Path, run: Callable) -> None:
    root = write_set(tmp_path / 'set', split='valid')
    source = root / 'meta_expressions/valid/meta_expressions.json'
    pairs = build_r2_pairs(source, categories=root / 'valid/meta.json', negatives_per_positive=2)
    write_json(root / 'pairs/easy.json', pairs.content)
    veval, again = tmp_path / 'veval.json', tmp_path / 'again.json'
    options = ('--data-root', root, '--pairs', root / 'pairs/easy.json', '--out', veval)
    assert run('write', 'other', *options) == 0
    assert run('read', veval, '--out', again) == 0
    assert json.loads(again.read_text()) == pairs.content
    # The data set of the new file has the pairs and masks of the old.
    old = samples('R2VOSDataset', root, split='valid', pairs_file='pairs/easy.json')
    new = samples('VEvalDataset', root, ann_file=str(veval), image_folder='valid/JPEGImages')
    assert old.keys() == new.keys()
    for name, sample in old.items():
        ours, theirs = sample.gt_pairs, new[name].gt_pairs
        order = [theirs.pair_ids.index(pair_id) for pair_id in ours.pair_ids]
        assert theirs[order].texts == ours.texts
        assert theirs[order].kinds == ours.kinds
        assert (theirs.is_negative[order] == ours.is_negative).all()
        assert (theirs.masks[order] == ours.masks).all()


def test_every_object_is_a_track(tmp_path: Path, run: Callable) -> None:
    root, out = write_mevis(tmp_path / 'mevis'), tmp_path / 'veval.json'
    assert run('write', 'mevis', '--split', 'valid_u', '--data-root', root, '--out', out) == 0
    content = read_veval_file(out)
    pairs = {pair['noun_phrase']: pair for pair in content.pairs}
    counts = {text: pair['num_masklets'] for text, pair in pairs.items()}
    assert counts == {
        'the left one moving': 1,
        'both moving': 2,
        'the other one': 1,
        'a giraffe': 0,
        'a cat running': 1,
    }
    both = content.masklets(pairs['both moving'])
    assert (target_mask(both, 0, square(0).shape, '') == square(2) | square(5)).all()
    assert [code is None for code in both[1]['segmentations']] == [False, False, True]


def test_objects_of_images_are_tracks(tmp_path: Path, run: Callable) -> None:
    root, out = write_grefcoco(tmp_path / 'coco'), tmp_path / 'veval.json'
    assert run('write', 'grefcoco', '--split', 'train', '--data-root', root, '--out', out) == 0
    content = read_veval_file(out)
    counts = {pair['noun_phrase']: pair['num_masklets'] for pair in content.pairs}
    assert counts == {
        'the dog and the cat': 2,
        'the dog': 1,
        'all dogs and the line': 2,
        'a giraffe': 0,
        'the bus': 0,
        'a hat': 0,
    }


@pytest.mark.usefixtures('fake_h5py')
def test_video_files_are_refused(tmp_path: Path, run: Callable, capsys) -> None:
    root = write_a2d(tmp_path / 'a2d')
    options = ('--split', 'test', '--data-root', root, '--out', tmp_path / 'veval.json')
    assert run('write', 'a2d-sentences', *options) == 2
    assert 'a2d_sentences has video files: SA-Co/VEval lists image files' in capsys.readouterr().err


def test_without_public_masks(tmp_path: Path, run: Callable) -> None:
    root = write_mevis(tmp_path / 'mevis', split='valid', with_masks=False)
    out = tmp_path / 'veval.json'
    assert run('write', 'mevis', '--data-root', root, '--out', out) == 0
    content = read_veval_file(out)
    assert content.annotations == []
    assert {pair['num_masklets'] for pair in content.pairs} == {1}


def test_a_file_of_others_becomes_a_pairs_file(tmp_path: Path, run: Callable) -> None:
    root, out = write_veval(tmp_path), tmp_path / 'pairs' / 'veval.json'
    assert run('read', root / 'veval.json', '--out', out) == 0
    assert [row['label'] for row in read_pair_rows(out)] == [1, 0]
    options = dict(ann_file='veval.json', pairs_file='pairs/veval.json')
    pairs = samples('VEvalDataset', root, **options)['sav_1'].gt_pairs
    assert pairs.is_negative.tolist() == [False, True]
    assert pairs.masks[0, 1].sum() == 72


def test_pairs_of_other_videos_are_refused(tmp_path: Path, run: Callable, capsys) -> None:
    root = write_set(tmp_path / 'set', split='valid')
    row = dict(pair_id='x/0/p', video='x', exp_video='x', exp_id='0', exp='a dog', obj_id='1')
    row |= dict(label=1, kind='positive', rank=0)
    path = tmp_path / 'pairs.json'
    write_json(
        path, dict(format='r2-pairs/1', pairs=[row, row | dict(video='v1', pair_id='v1/0/p')])
    )
    options = ('--data-root', root, '--pairs', path, '--out', tmp_path / 'out.json')
    assert run('write', 'other', *options) == 2
    assert "cannot show 1 of its pairs, such as 'x/0/p'" in capsys.readouterr().err


SETS = {
    'long-rvos': (write_long_rvos, {'valid annotation files', 'valid videos', 'valid sentences'}),
    'yourvos': (write_yourvos, {'test annotation files', 'test videos', 'test sentences'}),
    'ref-sav': (write_ref_sav, {'valid mask files', 'valid videos', 'valid sentences'}),
}


@pytest.mark.parametrize('name', SETS)
def test_prepare_and_check(tmp_path: Path, name: str) -> None:
    write, expected = SETS[name]
    write(tmp_path / 'downloads/unpacked')
    shutil.make_archive(str(tmp_path / 'archive'), 'zip', tmp_path / 'downloads')
    shutil.rmtree(tmp_path / 'downloads')
    (tmp_path / 'downloads').mkdir()
    (tmp_path / 'archive.zip').rename(tmp_path / 'downloads/anything.zip')
    report = prepare(name, tmp_path / 'downloads', tmp_path / 'data', progress=False)
    assert {part.place.split('/')[0] for part in report.missing} <= {
        'train',
        'test',
        'meta_expressions',
    }
    check = check_set(tmp_path / 'data', known=KNOWN_SETS[name], sample=None)
    assert check.is_sound, check.problems.table()
    assert expected <= {what for what, tally in check.tallies.items() if tally['ok']}


def test_parts_of_veval(tmp_path: Path) -> None:
    """A copy with one of the six files is complete; an empty folder is not."""
    known = KNOWN_SETS['saco-veval']
    assert not check_set(tmp_path, known=known).is_sound
    write_veval(tmp_path / 'downloads')
    root = tmp_path / 'data'
    (root / 'annotation').mkdir(parents=True)
    (root / 'media/saco_sav').mkdir(parents=True)
    shutil.move(tmp_path / 'downloads/veval.json', root / 'annotation/saco_veval_sav_val.json')
    shutil.move(tmp_path / 'downloads/JPEGImages', root / 'media/saco_sav/JPEGImages_24fps')
    check = check_set(root, known=known, sample=None)
    assert check.is_sound
    assert check.tallies['sav_val sentences']['ok'] == 2
    assert check.tallies['yt1b_test annotation files']['unused'] == 1
