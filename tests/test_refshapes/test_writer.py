"""RefShapes on disk: layout, determinism, the pairs file, re-running, and the command line."""

import hashlib
import json
import os
import re
import runpy
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scripts import is_alive

from r2vos_mm.refshapes import SceneParams, build_scene, make_refshapes
from r2vos_mm.utils.masks_io import davis_palette

REPOSITORY = Path(__file__).parents[2]
SMALL = {
    'splits': {'train': 6, 'valid': 3},
    'size': (48, 64),
    'length': 6,
    'seed': 3,
    'progress': False,
}


def contents(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob('*'))
        if path.is_file()
    }


def load(root: Path, *parts: str) -> dict:
    return json.loads(root.joinpath(*parts).read_text())


@pytest.fixture(scope='module')
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp('refshapes')
    make_refshapes(root, workers=1, **SMALL)
    return root


@pytest.mark.parametrize(('split', 'count'), [('train', 6), ('valid', 3)])
def test_layout_is_that_of_refer_youtube_vos(made: Path, split: str, count: int) -> None:
    videos = load(made, 'meta_expressions', split, 'meta_expressions.json')['videos']
    meta = load(made, split, 'meta.json')['videos']
    names = ['00000', '00005', '00010', '00015', '00020', '00025']
    assert len(videos) == count
    assert set(meta) == set(videos)
    for video, entry in videos.items():
        assert re.fullmatch('[0-9a-f]{10}', video)
        assert entry['frames'] == names
        assert list(entry['expressions']) == [str(k) for k in range(len(entry['expressions']))]
        assert all(set(item) == {'exp', 'obj_id'} for item in entry['expressions'].values())
        for folder, suffix in (('JPEGImages', '.jpg'), ('Annotations', '.png')):
            files = sorted(path.name for path in (made / split / folder / video).iterdir())
            assert files == [name + suffix for name in names]
        for name in names:
            assert Image.open(made / split / 'JPEGImages' / video / f'{name}.jpg').size == (64, 48)


def test_masks_are_palette_images_of_object_ids(made: Path) -> None:
    for video, entry in load(made, 'train', 'meta.json')['videos'].items():
        world = load(made, 'worlds', 'train.json')['videos'][video]['objects']
        masks = []
        for path in sorted((made / 'train' / 'Annotations' / video).iterdir()):
            image = Image.open(path)
            assert image.mode == 'P'
            assert tuple(image.getpalette()[:30]) == davis_palette()[:30]
            masks.append(np.array(image))
        stack = np.stack(masks)
        assert set(np.unique(stack)) - {0} == {int(name) for name in entry['objects']}
        for name, item in entry['objects'].items():
            area = (stack == int(name)).sum((1, 2))
            assert area.tolist() == world[name]['visible']
            # As in the original, frames run from the first appearance to the end.
            assert len(item['frames']) == len(stack) - int(np.flatnonzero(area)[0])
            assert item['category'] == world[name]['shape']


def test_referred_objects_are_seen_in_half_of_the_frames(made: Path) -> None:
    least = 40 * (48 / 128) ** 2
    for split in ('train', 'valid'):
        for entry in load(made, 'worlds', f'{split}.json')['videos'].values():
            for item in entry['objects'].values():
                assert sum(area >= least for area in item['visible']) >= 3


def test_same_bytes_for_any_number_of_workers(made: Path, tmp_path: Path) -> None:
    make_refshapes(tmp_path, workers=2, **SMALL)
    assert contents(tmp_path) == contents(made)


@pytest.mark.parametrize(
    ('split', 'expected'),
    [
        ('train', '7f0b528ca190613664fa67e634b8f4f07bec5518abc9c46226c38d21e6e59679'),
        ('valid', '95f41e1d2a0f25b8c242840b8eb55da7a4d87cef36cbae8a6c2981efbe764056'),
    ],
)
def test_sentences_and_negatives_are_those_of_earlier_versions(
    made: Path, split: str, expected: str
) -> None:
    assert load(made, 'pairs', f'{split}.json')['pairs_sha256'] == expected


def test_other_seed_other_videos(made: Path, tmp_path: Path) -> None:
    make_refshapes(tmp_path, workers=1, **{**SMALL, 'seed': 4, 'splits': {'valid': 3}})
    old = set(load(made, 'meta_expressions', 'valid', 'meta_expressions.json')['videos'])
    assert not old & set(
        load(tmp_path, 'meta_expressions', 'valid', 'meta_expressions.json')['videos']
    )


def test_a_longer_split_starts_with_the_shorter_one(made: Path, tmp_path: Path) -> None:
    make_refshapes(tmp_path, workers=1, **{**SMALL, 'splits': {'valid': 4}})
    short = load(made, 'worlds', 'valid.json')['videos']
    long = load(tmp_path, 'worlds', 'valid.json')['videos']
    assert list(long)[:3] == list(short)
    assert all(long[video] == short[video] for video in short)


@pytest.mark.parametrize('split', ['train', 'valid'])
def test_pairs_file_agrees_with_the_expressions(made: Path, split: str) -> None:
    content = load(made, 'pairs', f'{split}.json')
    videos = load(made, 'meta_expressions', split, 'meta_expressions.json')['videos']
    assert content['format'] == 'r2-pairs/1'
    positives = {
        (pair['exp_video'], pair['exp_id']): pair for pair in content['pairs'] if pair['label'] == 1
    }
    assert len(positives) == content['counts']['positive']
    assert set(positives) == {
        (video, number) for video, entry in videos.items() for number in entry['expressions']
    }
    assert len({pair['pair_id'] for pair in content['pairs']}) == len(content['pairs'])
    for pair in content['pairs']:
        own = videos[pair['exp_video']]['expressions'][pair['exp_id']]
        assert pair['obj_id'] == own['obj_id']
        assert (pair['video'] != pair['exp_video']) == (pair['kind'] == 'other_video')
        assert (pair['exp'] == own['exp']) == (pair['kind'] in ('positive', 'other_video'))


def test_pairs_hash_follows_the_rule(made: Path) -> None:
    content = load(made, 'pairs', 'train.json')
    rows = []
    for pair in content['pairs']:
        line = (
            f'{pair["video"]}\t{pair["exp_video"]}\t{pair["exp_id"]}\t{pair["label"]}\t'
            f'{pair["kind"]}\t{pair["rank"]}\t{pair["exp"]}\n'
        )
        rows.append((pair['exp_video'], int(pair['exp_id']), 1 - pair['label'], pair['rank'], line))
    joined = ''.join(row[-1] for row in sorted(rows))
    assert content['pairs_sha256'] == hashlib.sha256(joined.encode()).hexdigest()
    expressions = (made / 'meta_expressions' / 'train' / 'meta_expressions.json').read_bytes()
    assert content['source']['expressions_sha256'] == hashlib.sha256(expressions).hexdigest()


def test_short_counts_are_what_is_missing(made: Path) -> None:
    content = load(made, 'pairs', 'train.json')
    counts = content['counts']
    for kind in ('other_video', 'attribute', 'relation'):
        found = sum(pair['kind'] == kind for pair in content['pairs'])
        assert counts['kinds'][kind] == found
        assert counts['short'][kind] == counts['positive'] - found
    assert counts['negative'] == sum(counts['kinds'].values())


def test_more_negatives_on_request(tmp_path: Path) -> None:
    make_refshapes(tmp_path, workers=1, negatives_per_kind=2, **{**SMALL, 'splits': {'valid': 3}})
    pairs = load(tmp_path, 'pairs', 'valid.json')['pairs']
    groups: dict[tuple[str, str, str], list[tuple[str, str]]] = {}
    for pair in pairs:
        key = (pair['exp_video'], pair['exp_id'], pair['kind'])
        groups.setdefault(key, []).append((pair['video'], pair['exp']))
    assert max(map(len, groups.values())) == 2
    assert all(len(set(group)) == len(group) for group in groups.values())


def test_one_frame_has_no_sentence_about_time(tmp_path: Path) -> None:
    make_refshapes(
        tmp_path, workers=1, progress=False, splits={'train': 8}, length=1, size=(64, 64)
    )
    text = (tmp_path / 'pairs' / 'train.json').read_text()
    assert not re.search(r'mov|going|circl(es|ing)|stay|still|view|scene|pass', text)
    kinds = load(tmp_path, 'refshapes.json')['counts']['train']['expression_kinds']
    assert set(kinds) <= {'appearance', 'position', 'relation'}
    assert 'relation' in kinds


@pytest.mark.parametrize(
    ('size', 'length', 'num_objects'),
    [((16, 16), 2, (1, 2)), ((16, 40), 3, (2, 5)), ((33, 31), 6, (8, 8))],
)
def test_tiny_and_crowded_scenes(
    size: tuple[int, int], length: int, num_objects: tuple[int, int]
) -> None:
    params = SceneParams(size=size, length=length, num_objects=num_objects)
    scene = build_scene(params, seed=0, split='train', index=0)
    assert scene.frames.shape == (length, *size, 3)
    assert scene.ids.max() <= len(scene.world.objects) <= num_objects[1]
    assert scene.expressions


def test_objects_differ_from_the_background() -> None:
    scene = build_scene(SceneParams(), seed=0, split='train', index=1)
    frames = scene.frames.astype(float)
    saturation = frames.max(-1) - frames.min(-1)
    coloured = [
        i for i, item in enumerate(scene.world.objects) if item.attributes['colour'] != 'white'
    ]
    seen = np.isin(scene.ids, [i + 1 for i in coloured])
    assert coloured
    assert saturation[seen].mean() > 2 * saturation[scene.ids == 0].mean()


def test_rerun_is_a_no_op_and_other_parameters_are_refused(tmp_path: Path) -> None:
    wanted = {**SMALL, 'splits': {'valid': 2}, 'workers': 1}
    first = make_refshapes(tmp_path, **wanted)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob('*')}
    again = make_refshapes(tmp_path, **wanted)
    assert first.created
    assert not again.created
    assert again.counts == first.counts
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob('*')}
    with pytest.raises(FileExistsError, match='overwrite'):
        make_refshapes(tmp_path, **{**wanted, 'seed': 9})
    changed = make_refshapes(tmp_path, overwrite=True, **{**wanted, 'seed': 9})
    assert changed.created
    videos = load(tmp_path, 'meta_expressions', 'valid', 'meta_expressions.json')['videos']
    assert sorted(videos) == sorted(
        path.name for path in (tmp_path / 'valid' / 'JPEGImages').iterdir()
    )


def test_an_interrupted_run_is_made_anew(tmp_path: Path) -> None:
    wanted = {**SMALL, 'splits': {'valid': 2}, 'workers': 1}
    make_refshapes(tmp_path, **wanted)
    whole = contents(tmp_path)
    mark = load(tmp_path, 'refshapes.json')
    del mark['counts']
    (tmp_path / 'refshapes.json').write_text(json.dumps({**mark, 'complete': False}))
    next((tmp_path / 'valid' / 'JPEGImages').rglob('*.jpg')).unlink()
    (tmp_path / 'pairs' / 'valid.json').unlink()
    assert make_refshapes(tmp_path, **wanted).created
    assert contents(tmp_path) == whole


def test_foreign_data_is_never_touched(tmp_path: Path) -> None:
    keep = tmp_path / 'train' / 'JPEGImages' / 'precious.jpg'
    keep.parent.mkdir(parents=True)
    keep.write_text('x')
    with pytest.raises(FileExistsError, match='not a RefShapes set'):
        make_refshapes(tmp_path, workers=1, overwrite=True, **SMALL)
    assert list(contents(tmp_path)) == ['train/JPEGImages/precious.jpg']


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A file that must survive, beside the folder of the set."""
    path = tmp_path / 'victim' / 'precious.txt'
    path.parent.mkdir()
    path.write_text('x')
    return path


def remake(root: Path) -> None:
    make_refshapes(root, workers=1, overwrite=True, **{**SMALL, 'splits': {'valid': 2}, 'seed': 8})


@pytest.mark.parametrize('split', ['../victim', '/victim', 'a/../../victim', '.', '', 'a b'])
def test_a_mark_of_a_stranger_removes_nothing(tmp_path: Path, victim: Path, split: str) -> None:
    params = {'splits': {split: 2}, 'seed': 0, 'length': 6, 'negatives_per_kind': 1}
    mark = {'format': 'refshapes/1', 'version': '1.0', 'complete': True, 'params': params}
    (tmp_path / 'set').mkdir()
    (tmp_path / 'set/refshapes.json').write_text(json.dumps(mark))
    with pytest.raises(FileExistsError, match='is not a file of make_refshapes'):
        remake(tmp_path / 'set')
    assert victim.exists()


@pytest.mark.parametrize(
    'mark', [[], {}, {'format': 'refshapes/1', 'params': {'splits': ['valid'], 'seed': 0}}]
)
def test_a_mark_of_another_form_is_refused(tmp_path: Path, mark: object) -> None:
    (tmp_path / 'refshapes.json').write_text(json.dumps(mark))
    with pytest.raises(FileExistsError, match='is not a file of make_refshapes'):
        remake(tmp_path)


@pytest.mark.parametrize(
    'name',
    [
        'train/JPEGImages/holiday/1.jpg',
        'train/notes.txt',
        'train/JPEGImages/{video}/00001.jpg',
        'train/JPEGImages/{video}/00000.png',
        'meta_expressions/train/mine.json',
    ],
)
def test_other_files_in_the_set_stop_the_overwriting(tmp_path: Path, name: str) -> None:
    make_refshapes(tmp_path, workers=1, **{**SMALL, 'splits': {'train': 2}})
    video = next((tmp_path / 'train/JPEGImages').iterdir()).name
    path = tmp_path / name.format(video=video)
    path.parent.mkdir(exist_ok=True)
    path.write_text('mine')
    before = contents(tmp_path)
    with pytest.raises(FileExistsError, match='was not written by make_refshapes'):
        remake(tmp_path)
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    'content', [{'name': 'mine', 'format': 'mine', 'videos': {'mine': {}}}, []]
)
@pytest.mark.parametrize('name', ['pairs/train.json', 'train/meta.json', 'worlds/train.json'])
def test_other_content_stops_the_overwriting(tmp_path: Path, name: str, content: object) -> None:
    make_refshapes(tmp_path, workers=1, **{**SMALL, 'splits': {'train': 2}})
    (tmp_path / name).write_text(json.dumps(content))
    with pytest.raises(FileExistsError, match='was not written by make_refshapes'):
        remake(tmp_path)
    assert load(tmp_path, name) == content


@pytest.mark.parametrize('name', ['train', 'train/JPEGImages', 'pairs', 'meta_expressions'])
def test_links_are_not_followed(tmp_path: Path, name: str) -> None:
    make_refshapes(tmp_path / 'set', workers=1, **{**SMALL, 'splits': {'train': 2}})
    (tmp_path / 'set' / name).rename(tmp_path / 'moved')
    (tmp_path / 'set' / name).symlink_to(tmp_path / 'moved')
    before = contents(tmp_path / 'moved')
    with pytest.raises(FileExistsError, match='was not written by make_refshapes'):
        remake(tmp_path / 'set')
    assert contents(tmp_path / 'moved') == before != {}


def test_leftovers_of_a_killed_run_are_removed(tmp_path: Path) -> None:
    make_refshapes(tmp_path, workers=1, **{**SMALL, 'splits': {'train': 2}})
    video = next((tmp_path / 'train/Annotations').iterdir())
    (video / '.00005.99999999.tmp.png').write_bytes(b'')
    (tmp_path / 'train/.DS_Store').write_bytes(b'')
    remake(tmp_path)
    assert not video.exists()
    assert list((tmp_path / 'train').iterdir()) == [tmp_path / 'train/.DS_Store']


@pytest.mark.skipif(not Path('/proc/self/stat').exists(), reason='there is no /proc')
def test_a_killed_run_leaves_no_workers(tmp_path: Path) -> None:
    command = [sys.executable, *arguments(tmp_path / 'set', '--train', '3000')]
    environment = {**os.environ, 'PYTHONPATH': str(REPOSITORY)}
    with subprocess.Popen(command, env=environment) as run:
        children = Path(f'/proc/{run.pid}/task/{run.pid}/children')
        end = time.monotonic() + 60
        while len(workers := children.read_text().split()) < 2 and time.monotonic() < end:
            time.sleep(0.05)
        assert len(workers) == 2
        run.kill()
    end = time.monotonic() + 5
    while any(map(is_alive, map(int, workers))) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(map(is_alive, map(int, workers)))


@pytest.mark.parametrize(
    'change',
    [
        {'size': (8, 64)},
        {'length': 0},
        {'num_objects': (3, 2)},
        {'sentences_per_object': 0},
        {'seed': -1},
        {'splits': {}},
        {'splits': {'../x': 2}},
        {'splits': {'train': 0}},
        {'negatives_per_kind': -1},
    ],
)
def test_bad_parameters_are_named(tmp_path: Path, change: dict) -> None:
    with pytest.raises(ValueError, match=f'RefShapes.*{next(iter(change))}'):
        make_refshapes(tmp_path / 'x', workers=1, **{**SMALL, **change})
    assert not (tmp_path / 'x').exists()


def arguments(root: Path, *extra: str) -> list[str]:
    tool = REPOSITORY / 'tools' / 'dataset_converters' / 'make_refshapes.py'
    return [
        str(tool),
        str(root),
        '--train',
        '3',
        '--valid',
        '2',
        '--size',
        '32',
        '48',
        '--length',
        '4',
        '--quiet',
        *extra,
    ]


def test_command_line(tmp_path: Path) -> None:
    path = os.pathsep.join([str(REPOSITORY), os.environ.get('PYTHONPATH', '')])
    done = subprocess.run(
        [sys.executable, *arguments(tmp_path / 'set')],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, 'PYTHONPATH': path},
    )
    assert done.returncode == 0, done.stderr
    assert 'made in' in done.stdout
    assert 'train: videos 3' in done.stdout
    assert len(list((tmp_path / 'set' / 'train' / 'JPEGImages').rglob('*.jpg'))) == 12


def test_command_line_explains_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    for extra, status in (((), 0), ((), 0), (('--seed', '1'), 2), (('--length', '0'), 2)):
        command = arguments(tmp_path / 'set', '--workers', '1', *extra)
        monkeypatch.setattr(sys, 'argv', command)
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(command[0], run_name='__main__')
        assert stop.value.code == status
    printed = capsys.readouterr()
    assert 'already there' in printed.out
    assert '--overwrite' in printed.err
    assert 'at least 1 frame' in printed.err
