"""R2-DAVIS: which pairs, the same everywhere, and what is linked."""

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from mmengine.config import Config
from scripts import exit_status, load_script
from tiny_sets import write_frame, write_json

from r2vos_mm.data_prep.davis import TEXT_FILES
from r2vos_mm.data_prep.r2_davis import (
    CATEGORIES,
    KINDS,
    POSITIVE_VIDEOS,
    build_r2_davis,
)
from r2vos_mm.datasets.pairs.categories import may_contain
from r2vos_mm.registry import DATASETS
from r2vos_mm.utils.formats.pairs import read_pair_rows

CONFIG = Path(__file__).parents[2] / 'configs/_base_/datasets/r2_davis.py'
# Of the real sentences, with the default seed; docs/datasets.md prints them.
HASHES = {
    1: 'a04d1497e2d4c45f9abe31e8d454c623342900bd28a656e2a0e57fd41bda6d4a',
    3: 'af190f80a04d1a980349b6dcc0a17b203c37e3e0c6983bb7573cb9c9c59337bd',
}


def sentences(**texts: list[str]) -> dict:
    """Entries of some videos, object 1 of each."""
    return {
        video.replace('_', '-'): dict(
            expressions={str(i): dict(exp=text, obj_id='1') for i, text in enumerate(listed)},
            frames=['00000'],
        )
        for video, listed in texts.items()
    }


def negatives(entries: dict, **options: object) -> list[dict]:
    content = build_r2_davis(entries, **options).content
    return [row for row in content['pairs'] if row['label'] == 0]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    tool = load_script('dataset_converters/build_r2_davis.py')

    def call(*arguments: object) -> int:
        monkeypatch.setattr('sys.argv', ['build_r2_davis.py', *map(str, arguments)])
        return exit_status(tool.main)

    return call


def test_videos() -> None:
    assert len(CATEGORIES) == 20
    assert len(POSITIVE_VIDEOS) == 13


def test_kinds() -> None:
    entries = sentences(dog=['A Dog walking on grass'], camel=['a camel'], libby=['a dog'])
    rows = {row['pair_id']: row for row in negatives(entries, negatives_per_kind=2)}
    own = [rows[f'dog/0/n{rank}'] for rank in range(6) if f'dog/0/n{rank}' in rows]
    # Only the camel is of another category; two nouns, and two of walking and on.
    assert [row['kind'] for row in own] == ['other_video', 'attribute', 'relation'] + [
        'attribute',
        'relation',
    ]
    assert (own[0]['video'], own[0]['exp']) == ('camel', 'A Dog walking on grass')
    assert {row['change'] for row in own if row['kind'] == 'attribute'} == {'noun'}
    assert {row['change'] for row in own if row['kind'] == 'relation'} == {'motion', 'relation'}
    for row in own[1:]:
        assert row['video'] == 'dog'
        assert row['exp'] != 'A Dog walking on grass'


def test_colours_are_unlike_all_that_the_video_has() -> None:
    entries = sentences(blackswan=['a black swan', 'a swan with a white head'])
    found = {
        row['exp'].split()[1]
        for row in negatives(entries, negatives_per_kind=50)
        if row.get('change') == 'colour' and row['exp_id'] == '0'
    }
    # grey, blue, brown are like black; yellow, pink and grey like white
    assert found == {'red', 'orange', 'green', 'purple'}


def test_cars_in_the_background() -> None:
    entries = sentences(car_shadow=['a red car'], scooter_black=['x'], goat=['y'], dog=['z'])
    rows = negatives(entries, negatives_per_kind=50)
    videos = {r['video'] for r in rows if r['kind'] == 'other_video' and r['exp'] == 'a red car'}
    assert videos == {'goat', 'dog'}
    colours = {r['exp'].split()[1] for r in rows if r.get('change') == 'colour'}
    assert colours <= {'green', 'orange', 'pink', 'purple', 'yellow'}


def test_words_that_are_no_motion() -> None:
    entries = sentences(drift_straight=['a car in a racing track', 'a car racing'])
    rows = [row for row in negatives(entries) if row['kind'] == 'relation']
    assert [row['exp_id'] for row in rows] == ['1']


def test_paths_are_turned() -> None:
    entries = sentences(car_shadow=['a car going from shade to sunlight'])
    (row,) = (row for row in negatives(entries) if row['kind'] == 'relation')
    assert row['exp'] == 'a car going from sunlight to shade'


def test_excluded_pairs_are_replaced() -> None:
    entries = sentences(dog=['a dog'], camel=['c'], goat=['g'])
    first, *_ = (row for row in negatives(entries) if row['exp'] == 'a dog')
    assert first['pair_id'] == 'dog/0/n0'
    rows = negatives(entries, exclude=frozenset(['dog/0/n0']))
    again = next(row for row in rows if row['exp'] == 'a dog')
    assert again['pair_id'] == 'dog/0/n3'
    assert again['video'] != first['video']


def test_no_expressions() -> None:
    with pytest.raises(ValueError, match='take those of Ref-DAVIS17'):
        build_r2_davis(dict(unknown={}))


@pytest.fixture
def real(test_data: Path) -> dict:
    path = test_data / 'data/refdavis17_val/meta_expressions.json'
    return json.loads(path.read_text())['videos']


@pytest.mark.parametrize('number', HASHES)
def test_real_sentences(real: dict, number: int) -> None:
    pairs = build_r2_davis(real, negatives_per_kind=number)
    assert pairs.sha256 == HASHES[number]
    rows = pairs.content['pairs']
    counts = Counter(row['kind'] for row in rows)
    assert counts['positive'] == 52
    assert counts['other_video'] == 52 * number
    assert len({row['pair_id'] for row in rows}) == len(rows)
    for row in rows:
        changed = row['kind'] in KINDS[1:]
        assert (
            row['exp'] != real[row['exp_video']]['expressions'][row['exp_id']]['exp']
        ) == changed
        if row['kind'] == 'other_video':
            assert not may_contain(CATEGORIES[row['video']], row['category'])
    assert pairs.problems.rows == []


def test_fewer_are_among_more(real: dict) -> None:
    one, three = (build_r2_davis(real, negatives_per_kind=n).content['pairs'] for n in (1, 3))
    assert all(row in three for row in one)
    # nothing depends on the order of the file
    turned = dict(reversed(real.items()))
    assert build_r2_davis(turned).content['pairs'] == one


def davis(root: Path, *videos: str) -> Path:
    """Frames and masks of two frames, in the folders of DAVIS."""
    for video in videos:
        for frame in ('00000', '00001'):
            write_frame(root, 'x', video, frame, ['1'])
    for part in ('JPEGImages', 'Annotations'):
        (root / part).mkdir()
        (root / 'x' / part).rename(root / part / '480p')
    return root


def test_the_tool_links_videos_of_davis(tmp_path: Path, run: Callable, capsys) -> None:
    texts = tmp_path / 'texts'
    texts.mkdir()
    lines = 'dog 1 "a dog walking"\ncamel 1 "a brown camel"\nbmx-trees 1 "a bike"\nelse 1 "x"\n'
    for name in TEXT_FILES:
        (texts / name).write_text(lines)
    source, root = davis(tmp_path / 'davis', 'dog', 'camel'), tmp_path / 'data'
    assert run('--expressions', texts, '--davis', source, '--data-root', root) == 0
    output = capsys.readouterr()
    assert re.search('bmx-trees +is not in', output.err)
    stated, masks = (line.split()[1] for line in output.out.splitlines()[-2:])
    assert json.loads((root / 'pairs/r2-davis-n1.json').read_text())['pairs_sha256'] == stated
    assert len(masks) == 64
    loader = Config.fromfile(CONFIG).test_dataloader.dataset
    dataset = DATASETS.build({**loader, 'data_root': str(root)})
    samples = {item['data_samples'].video_id: item['data_samples'] for item in dataset}
    assert samples.keys() == {'dog', 'camel'}
    pairs = samples['dog'].gt_pairs
    assert Counter(pairs.kinds)['positive'] == 4
    assert {'other_video', 'attribute', 'relation'} <= set(pairs.kinds)
    assert pairs.masks[~pairs.is_negative].any()
    assert not pairs.masks[pairs.is_negative].any()
    # The hash of the masks depends on their pixels.
    write_frame(source, 'x', 'dog', '00001', ['1', '2'])
    (source / 'x/Annotations/dog/00001.png').rename(source / 'Annotations/480p/dog/00001.png')
    assert run('--expressions', texts, '--davis', source, '--data-root', root) == 0
    assert masks not in capsys.readouterr().out


def test_pairs_alone(tmp_path: Path, run: Callable) -> None:
    path = tmp_path / 'meta_expressions.json'
    write_json(path, dict(videos=sentences(dog=['a dog'], camel=['a camel'])))
    assert run('--expressions', path, '--data-root', tmp_path / 'data') == 0
    assert [p.name for p in (tmp_path / 'data').iterdir()] == ['pairs']
    assert len(read_pair_rows(tmp_path / 'data/pairs/r2-davis-n1.json')) == 6


def test_another_folder_is_refused(tmp_path: Path, run: Callable, capsys) -> None:
    path = tmp_path / 'meta_expressions.json'
    write_json(path, dict(videos=sentences(dog=['a dog'])))
    options = ('--expressions', path, '--data-root', tmp_path / 'data', '--davis', tmp_path)
    assert run(*options) == 2
    assert 'has none of the videos' in capsys.readouterr().err


def test_the_videos_of_the_sample(tmp_path: Path, test_data: Path, run: Callable) -> None:
    """Eight of the 13 videos, at half their size, with their real sentences."""
    source = test_data / 'data/mini_rytvos'
    expressions = source / 'meta_expressions/valid_with_obj/meta_expressions.json'
    root = tmp_path / 'data'
    options = ('--davis', source / 'valid', '--data-root', root)
    assert run('--expressions', expressions, *options) == 0
    dataset = DATASETS.build(
        dict(
            type='R2VOSDataset',
            data_root=str(root),
            split='valid',
            test_mode=True,
            pairs_file='pairs/r2-davis-n1.json',
            pipeline=[],
        )
    )
    assert len(dataset) == 8
    pairs = [pair for video in dataset.videos for pair in dataset.test_pairs(video)]
    counts = Counter(pair.kind for pair in pairs)
    assert (counts['positive'], counts['other_video']) == (32, 32)
