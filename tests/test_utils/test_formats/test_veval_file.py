"""Reading and writing SA-Co/VEval and YouTube-VIS files."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask
from tiny_sets import write_json
from veval_masks import target_mask

from r2vos_mm.utils.data_issues import ProblemList
from r2vos_mm.utils.formats.pairs import read_pair_rows
from r2vos_mm.utils.formats.veval import (
    VevalFile,
    frame_names,
    pairs_of,
    read_veval_file,
    track_of,
    veval_from_pairs,
    video_name,
    write_veval_file,
)
from r2vos_mm.utils.masks_io import encode_rle

SIZE = (4, 6)


def square(top: int, left: int, side: int = 2) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[top : top + side, left : left + side] = True
    return mask


def official() -> dict:
    """A file in the owners' form: two objects of one phrase, one phrase about nothing."""
    first = track_of(
        [encode_rle(square(0, 0)), encode_rle(square(1, 1))],
        track_id=1,
        video_id=7,
        category_id=3,
    )
    second = track_of([None, encode_rle(square(2, 4))], track_id=2, video_id=7, category_id=3)
    names = ['sav_1/00000.jpg', 'sav_1/00024.jpg']
    return dict(
        info=dict(version='v1', contributor='someone'),
        videos=[
            dict(id=7, video_name='sav_1', file_names=names, height=4, width=6, length=2, fps=6)
        ],
        annotations=[first | dict(noun_phrase='the dog'), second],
        categories=[dict(id=3, name='the dog'), dict(id=9, name='the cat')],
        video_np_pairs=[
            dict(id=1, video_id=7, category_id=3, noun_phrase='the dog', num_masklets=2),
            dict(id=2, video_id=7, category_id=9, noun_phrase='the cat', num_masklets=0),
        ],
    )


def test_a_file_is_written_as_it_was(tmp_path: Path) -> None:
    path = write_json(tmp_path / 'a.json', official())
    write_veval_file(tmp_path / 'b.json', read_veval_file(path))
    assert json.loads((tmp_path / 'b.json').read_text()) == official()


def test_tracks_of_pairs(tmp_path: Path) -> None:
    content = read_veval_file(write_json(tmp_path / 'a.json', official()))
    dog, cat = content.pairs
    assert [track['id'] for track in content.masklets(dog)] == [1, 2]
    assert content.masklets(cat) == []
    np.testing.assert_array_equal(
        target_mask(content.masklets(dog), 1, SIZE, 'dog'), square(1, 1) | square(2, 4)
    )
    np.testing.assert_array_equal(target_mask(content.masklets(dog), 0, SIZE, 'dog'), square(0, 0))
    assert not target_mask([], 0, SIZE, 'cat').any()


def test_areas_and_boxes() -> None:
    empty = np.zeros(SIZE, bool)
    codes = [encode_rle(square(1, 3)), encode_rle(empty), None]
    track = track_of(codes, track_id=1, video_id=1, category_id=1)
    assert track['areas'] == [4, None, None]
    assert track['bboxes'] == [[3, 1, 2, 2], None, None]
    assert track['segmentations'] == [codes[0], None, None]
    assert coco_mask.area(track['segmentations'][0]) == 4


@pytest.mark.parametrize(
    ('video', 'name'),
    [
        (dict(id=1, video_name='a', file_names=['b/0.jpg']), 'a'),
        (dict(id=1, file_names=['b/c/0.jpg']), 'b/c'),
        (dict(id=1, file_names=['0.jpg']), '1'),
    ],
)
def test_names_of_videos(video: dict, name: str) -> None:
    assert video_name(video) == name


def test_names_of_frames() -> None:
    assert frame_names(dict(file_names=['a/00001.jpg', 'a/b.c.png'])) == ['00001', 'b.c']


def test_youtube_vis_has_no_pairs(tmp_path: Path) -> None:
    content = official()
    del content['video_np_pairs']
    read = read_veval_file(write_json(tmp_path / 'a.json', content))
    assert read.pairs == []
    write_veval_file(tmp_path / 'b.json', read)
    assert json.loads((tmp_path / 'b.json').read_text()) == content


def test_pairs_of_a_foreign_file(tmp_path: Path) -> None:
    pairs = pairs_of(read_veval_file(write_json(tmp_path / 'a.json', official())), name='veval')
    write_json(tmp_path / 'pairs.json', pairs)
    rows = read_pair_rows(tmp_path / 'pairs.json')
    assert pairs['name'] == 'veval'
    assert [row['pair_id'] for row in rows] == ['sav_1/1', 'sav_1/2']
    assert [row['label'] for row in rows] == [1, 0]
    assert [row['kind'] for row in rows] == ['positive', 'no_target']
    assert {row['video'] for row in rows} == {'sav_1'}


def test_a_file_without_tracks_keeps_its_positives(tmp_path: Path) -> None:
    content = official()
    del content['annotations']
    assert len(read_veval_file(write_json(tmp_path / 'a.json', content)).pairs) == 2


CHANGES = [
    ('videos', dict(file_names=[]), "no list 'file_names'"),
    ('videos', dict(length=3), '2 file names, but length 3'),
    ('videos', dict(id=None), "no 'id'"),
    ('annotations', dict(segmentations=[None]), '1 segmentations, its video has 2'),
    ('annotations', dict(segmentations=None), 'no segmentations'),
    ('annotations', dict(id=2), 'occurs twice'),
    ('video_np_pairs', dict(video_id=8), 'video 8, which is not listed'),
    ('video_np_pairs', dict(category_id=None), "no 'category_id'"),
    ('video_np_pairs', dict(noun_phrase=' '), "no text 'noun_phrase'"),
    ('video_np_pairs', dict(num_masklets=0), 'num_masklets 0, but 2 annotations'),
    ('video_np_pairs', dict(num_masklets='2'), "num_masklets '2'"),
    ('video_np_pairs', dict(r2vos=3), "has 'r2vos'"),
]


@pytest.mark.parametrize(('part', 'change', 'message'), CHANGES)
def test_entries_that_cannot_be_used(tmp_path: Path, part: str, change: dict, message: str) -> None:
    content = official()
    content[part][0].update(change)
    path = write_json(tmp_path / 'a.json', content)
    with pytest.raises(ValueError, match=rf'a\.json: {part}\[\d\]') as raised:
        read_veval_file(path)
    assert message in str(raised.value)
    problems = ProblemList('a')
    read_veval_file(path, problems)
    assert message in problems.rows[0].what


@pytest.mark.parametrize('content', [[], {}, dict(videos={}), dict(videos=[], annotations=3)])
def test_other_files_are_refused(tmp_path: Path, content: object) -> None:
    with pytest.raises(ValueError, match=r'a\.json is not a SA-Co/VEval or YouTube-VIS file'):
        read_veval_file(write_json(tmp_path / 'a.json', content))


texts = st.text(st.characters(codec='utf-8'), min_size=1, max_size=8).filter(str.strip)
rows = st.lists(
    st.tuples(st.sampled_from('uvw'), st.sampled_from(['a dog', 'A  cat']) | texts, st.booleans()),
    max_size=6,
)


@settings(max_examples=50, deadline=None)
@given(rows=rows, with_tracks=st.booleans())
def test_pairs_files_come_back(tmp_path_factory, rows: list, with_tracks: bool) -> None:
    pairs = dict(format='r2-pairs/1', name='n', pairs_sha256='x', params=dict(seed='s'))
    pairs['pairs'] = [
        dict(
            pair_id=f'{video}/{i}',
            video=video,
            exp_video='v',
            exp_id=str(i),
            exp=text,
            obj_id='1',
            label=int(label),
            kind='positive' if label else 'easy',
            rank=i,
            of_someone=[i],
        )
        for i, (video, text, label) in enumerate(rows)
    ]
    names = dict(file_names=['0.jpg', '1.jpg'], height=4, width=6)
    tracks = {
        row['pair_id']: [[encode_rle(square(0, i % 4)), None]]
        for i, row in enumerate(pairs['pairs'])
        if row['label']
    }
    path = tmp_path_factory.mktemp('veval') / 'a.json'
    content = veval_from_pairs(pairs, dict.fromkeys('uvw', names), tracks if with_tracks else None)
    write_veval_file(path, content)
    read = read_veval_file(path)
    assert read == content
    assert pairs_of(read) == pairs
    for i, pair in enumerate(read.pairs):
        found = target_mask(read.masklets(pair), 0, SIZE, '')
        expected = square(0, i % 4) if with_tracks and pair['num_masklets'] else np.zeros(SIZE)
        np.testing.assert_array_equal(found, expected)


def test_tracks_must_agree_with_labels() -> None:
    row = dict(pair_id='v/0', video='v', exp='a dog', label=1)
    videos = dict(v=dict(file_names=['0.jpg'], height=4, width=6))
    with pytest.raises(ValueError, match='pair v/0 has label 1, but 0 tracks'):
        veval_from_pairs(dict(pairs=[row]), videos, {})


def test_an_empty_file_of_pairs(tmp_path: Path) -> None:
    content = VevalFile([], others=dict(r2vos=dict(format='r2-pairs/1')))
    write_veval_file(tmp_path / 'a.json', content)
    assert read_veval_file(tmp_path / 'a.json') == content
