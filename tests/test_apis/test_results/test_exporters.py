"""Exports of masks, each read by the library that owns the format."""

import io
import subprocess
import sys
import zipfile

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from record_samples import MASKS, SIZE, records_of, some_records

from r2vos_mm.apis.results.compressed_masks import CompressedMasks
from r2vos_mm.apis.results.exporters import (
    cutout,
    detections,
    label_maps,
    read_veval,
    read_youtube_vis,
    save_cutouts,
    save_labels,
    save_masks,
    save_zip,
    slug,
    veval,
    youtube_vis,
)
from r2vos_mm.apis.results.mask_records import mask_records
from r2vos_mm.evaluation.mask_files import open_masks
from r2vos_mm.utils.cli import UserError
from r2vos_mm.utils.formats.veval import read_veval_file, write_veval_file

NAMES = dict(texts=['the dog', 'a red cat'], frame_names=['a', 'b', 'c'])
SCORES = np.float32([[0.5, 0.75, 1], [0.25, 0.25, 0.25]])
FRAMES = np.random.default_rng(0).integers(1, 256, (3, *SIZE, 3), dtype=np.uint8)


def containers() -> dict:
    return dict(
        array=MASKS, compressed=CompressedMasks.encode(MASKS), records=records_of(found=None)
    )


@pytest.fixture(params=containers())
def masks(request):
    return containers()[request.param]


def ytvis_of(content: dict):
    """Open a YouTube-VIS file with the owners' code, which MMDetection carries."""
    from mmdet.evaluation.functional import YTVIS

    return YTVIS(content)


def test_youtube_vis_is_read_by_its_owners_code(tmp_path, monkeypatch):
    """Two videos, one of which lacks the second expression; scored against itself."""
    from mmdet.evaluation.functional import YTVISeval

    records = records_of() + records_of(found=None, video='other')
    path = tmp_path / 'a.json'
    write_veval_file(path, youtube_vis(records))
    vis = ytvis_of(str(path))
    assert [vis.vids[i]['file_names'][0] for i in (1, 2)] == ['clip/a.jpg', 'other/a.jpg']
    tracks = {
        (vis.vids[ann['video_id']]['video_name'], vis.cats[ann['category_id']]['name']): ann
        for ann in vis.loadAnns(vis.getAnnIds())
    }
    assert sorted(tracks) == [('clip', 'the dog'), ('other', 'a red cat'), ('other', 'the dog')]
    for (_, text), track in tracks.items():
        expected = MASKS[NAMES['texts'].index(text)]
        for t, code in enumerate(track['segmentations']):
            found = np.zeros(SIZE) if code is None else vis.annToMask(track, t)
            np.testing.assert_array_equal(found, expected[t])
    dog = tracks['clip', 'the dog']
    assert (dog['areas'], dog['bboxes'][1], dog['score']) == ([None, 6, 6], [2, 1, 3, 2], 0.75)
    monkeypatch.setattr(np, 'float', float, raising=False)  # an old name that it uses
    scores = YTVISeval(vis, vis.loadRes(youtube_vis(records).annotations))
    scores.evaluate()
    scores.accumulate()
    scores.summarize()
    assert scores.stats[0] == 1


def test_a_found_object_that_is_never_visible_has_no_track():
    (record,) = mask_records(
        np.zeros((1, 2, *SIZE), bool), video='v', texts=['x'], frames=['0', '1'], size=SIZE
    )
    assert youtube_vis([record]).annotations == []
    assert veval([record]).pairs[0]['num_masklets'] == 0


def test_negatives_are_pairs_of_veval(tmp_path):
    write_veval_file(tmp_path / 'a.json', veval(records_of()))
    content = read_veval_file(tmp_path / 'a.json')
    dog, cat = content.pairs
    assert (dog['noun_phrase'], dog['num_masklets']) == ('the dog', 1)
    assert (cat['noun_phrase'], cat['num_masklets']) == ('a red cat', 0)
    assert cat['r2vos'] == dict(
        index=1, score=0.25, consensus=0.25, found=False, scores=[0.25, 0.25, 0.25]
    )
    vis = ytvis_of(str(tmp_path / 'a.json'))
    assert vis.getAnnIds(catIds=[dog['category_id']]) == [1]
    assert vis.getAnnIds(catIds=[cat['category_id']]) == []


def test_tracks_of_one_phrase_are_joined(tmp_path):
    """A file of others, with two objects of one phrase and no keys of ours."""
    content = veval(records_of(found=None))
    tracks = [track | dict(category_id=1) for track in content.annotations]
    pair = {key: content.pairs[0][key] for key in content.pairs[0] if key != 'r2vos'}
    content.pairs[:] = [pair | dict(num_masklets=2)]
    content.annotations[:] = [tracks[0] | dict(score=0.25), tracks[1]]
    write_veval_file(tmp_path / 'a.json', content)
    (record,) = read_veval(tmp_path / 'a.json')
    np.testing.assert_array_equal([record[t] for t in range(3)], MASKS.any(0))
    assert (record.found, record.score, record.consensus) == (True, 0.25, None)
    assert record.segmentations[1]['counts'] == tracks[0]['segmentations'][1]['counts']


@settings(max_examples=50, deadline=None)
@given(drawn=st.lists(some_records(), max_size=3))
def test_veval_gives_back_what_was_written(tmp_path_factory, drawn):
    """Everything but the name of a video without one."""
    records = [record for each in drawn for record in each if record.video.strip()]
    path = tmp_path_factory.mktemp('veval') / 'a.json'
    write_veval_file(path, veval(records))
    assert read_veval(path) == records
    write_veval_file(path, youtube_vis(records))
    tracked = [record for record in records if any(record.segmentations)]
    for found, record in zip(read_youtube_vis(path), tracked, strict=True):
        assert found.expression == record.expression
        assert found.segmentations == record.segmentations


def test_masks_as_pngs(tmp_path, masks):
    folders = save_masks(tmp_path / 'new', masks, **NAMES)
    assert [folder.name for folder in folders] == ['0_the_dog', '1_a_red_cat']
    found = [[np.array(Image.open(f / f'{n}.png')) for n in 'abc'] for f in folders]
    np.testing.assert_array_equal(found, MASKS * np.uint8(255))


def test_cutouts_are_transparent_outside_the_mask(tmp_path, masks):
    folders = save_cutouts(tmp_path, iter(FRAMES), masks, **NAMES, found=[True, False])
    assert [folder.name for folder in folders] == ['0_the_dog']
    assert sorted(path.name for path in folders[0].iterdir()) == ['a.png', 'b.png', 'c.png']
    for t, name in enumerate('abc'):
        image = Image.open(folders[0] / f'{name}.png')
        assert image.mode == 'RGBA'
        found = np.asarray(image)
        np.testing.assert_array_equal(found[..., 3], MASKS[0, t] * 255)
        np.testing.assert_array_equal(found[..., :3], FRAMES[t] * MASKS[0, t][..., None])
    read = cv2.imread(str(folders[0] / 'b.png'), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(read[1, 2, :3], FRAMES[1, 1, 2][::-1])
    with pytest.raises(ValueError, match=r'size \(4, 6\), its mask \(2, 2\)'):
        cutout(FRAMES[0], np.ones((2, 2), bool))


def test_zip_of_masks(tmp_path, masks):
    path = save_zip(tmp_path / 'a.zip', masks, **NAMES, summary=dict(video='ü'))
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.read('result.json').decode() == '{"video": "ü"}'
        with archive.open('0_the_dog/b.png') as file:
            image = np.array(Image.open(io.BytesIO(file.read())))
    np.testing.assert_array_equal(image, MASKS[0, 1] * np.uint8(255))
    files = open_masks(path, ['0_the_dog', '1_a_red_cat'])
    np.testing.assert_array_equal(files.read('1_a_red_cat', 'a', 0) > 0, MASKS[1, 0])
    again = save_zip(tmp_path / 'b.zip', masks, **NAMES, summary=dict(video='ü'))
    assert again.read_bytes() == path.read_bytes()


def test_a_failed_zip_leaves_the_old_one(tmp_path):
    (tmp_path / 'a.zip').write_text('old')
    with pytest.raises(IndexError):
        save_zip(tmp_path / 'a.zip', MASKS[:, :1], **NAMES)
    assert [path.read_text() for path in tmp_path.iterdir()] == ['old']


def test_labels_of_overlapping_masks(tmp_path):
    """The higher score of the frame wins, then the first expression."""
    masks = np.ones((3, 3, 1, 2), bool)
    masks[:, :, 0, 1] = False
    scores = np.float32([[0.5, 0.5, 0.5], [0.5, 0.75, 0.25], [0.25, 0.5, 0.75]])
    labels = np.stack([*label_maps(masks, num_frames=3, scores=scores)])
    assert labels.tolist() == [[[1, 0]], [[2, 0]], [[3, 0]]]
    path = save_labels(tmp_path / 'a.npy', labels, shape=labels.shape, dtype=labels.dtype)
    np.testing.assert_array_equal(np.load(path), labels)


def test_labels_of_many_expressions():
    labels = next(label_maps(np.ones((300, 1, 1, 1)) > 0, num_frames=1, scores=np.zeros((300, 1))))
    assert labels.dtype == np.int32
    assert labels.item() == 1


@settings(max_examples=30, deadline=None)
@given(masks=arrays(bool, (3, 2, 3, 4)))
def test_labels_of_separate_masks_hold_all_of_them(masks):
    masks &= ~(np.cumsum(masks, axis=0) > 1)
    labels = np.stack([*label_maps(masks, num_frames=2, scores=np.ones((3, 2)))])
    for p in range(3):
        np.testing.assert_array_equal(labels == p + 1, masks[p])


def test_supervision_draws_the_detections(masks):
    sv = pytest.importorskip('supervision', reason='needs the extra supervision')
    found = list(detections(masks, texts=NAMES['texts'], scores=SCORES))
    assert [len(frame) for frame in found] == [1, 1, 1]
    first, second, _ = found
    assert second.class_id.tolist() == [0]
    assert second.tracker_id.tolist() == [1]
    assert second.data['class_name'].tolist() == ['the dog']
    assert second.confidence.tolist() == [0.75]
    assert second.xyxy.tolist() == [[2, 1, 4, 2]]
    assert second.area.tolist() == [6]
    assert first.data['class_name'].tolist() == ['a red cat']
    np.testing.assert_array_equal(second.mask, MASKS[:1, 1])
    scene = np.zeros((*SIZE, 3), np.uint8)
    drawn = sv.MaskAnnotator(opacity=1).annotate(scene.copy(), second)
    np.testing.assert_array_equal(drawn.any(-1), MASKS[0, 1])
    merged = sv.Detections.merge([first, second])
    assert merged.class_id.tolist() == [1, 0]


def test_supervision_of_frames_without_objects():
    sv = pytest.importorskip('supervision', reason='needs the extra supervision')
    (frame,) = detections(MASKS[:1, :1], texts=['the dog'], scores=SCORES[:1, :1])
    assert frame == sv.Detections.empty()


def test_without_supervision(monkeypatch):
    monkeypatch.setitem(sys.modules, 'supervision', None)
    with pytest.raises(UserError, match=r"pip install 'r2vos_mm\[supervision\]'"):
        detections(MASKS, texts=NAMES['texts'], scores=SCORES)


def test_nothing_heavy_is_imported():
    """A viewer of result files needs neither torch nor MMEngine."""
    code = (
        'import sys, r2vos_mm.apis.results.exporters, r2vos_mm.apis.gating\n'
        "print({'torch', 'mmengine', 'mmcv', 'supervision'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout == 'set()\n'


def test_slug():
    assert slug('the dog, left of the bus') == 'the_dog_left_of_the_bus'
