import json
import zipfile

import cv2
import numpy as np
import pytest

from r2vos_mm.apis import CompressedMasks, VideoSegmentation, open_frames
from r2vos_mm.apis.results.compressed_masks import FrameMasks
from r2vos_mm.apis.results.exporters import read_veval
from r2vos_mm.apis.results.mask_records import MaskRecord, read_coco_rle
from r2vos_mm.utils.masks_io import encode_rle

MASKS = np.zeros((2, 3, 4, 6), bool)
MASKS[0, 1:, 1:3, 2:5] = True
MASKS[1, 0, 0, 0] = True


class LazyMasks:
    """Masks of which no more are read than are asked for by number."""

    shape = MASKS.shape

    def __init__(self, found=(True, True)):
        self.found = found

    def __len__(self):
        return len(MASKS)

    def __getitem__(self, index):
        p, frames = index
        assert not isinstance(frames, slice)
        return MASKS[p, frames] & self.found[p]

    def __array__(self, dtype=None, copy=None):
        raise AssertionError('all masks are decoded at once')

    def where(self, found):
        return LazyMasks(found)

    def row(self, p):
        return FrameMasks(self, p)

    def rle(self, p, frame):
        return encode_rle(self[p, frame])


def compressed():
    return CompressedMasks.encode(MASKS)


def result_of(masks=MASKS, **fields):
    values = dict(
        video='clip',
        frame_names=['a', 'b', 'c'],
        texts=['the dog, left', '[bold] cat'],
        ungated_masks=masks,
        scores=np.float32([[0.5, 0.75, 1], [0.25, 0.25, 0.25]]),
        boxes=np.zeros((2, 3, 4), np.float32),
        consensus=np.float32([0.75, 0.25]),
        judged=True,
        gate_threshold=0.5,
        source=open_frames(np.zeros((3, 4, 6, 3), np.uint8)),
    )
    return VideoSegmentation(**values | fields)


@pytest.fixture(params=['array', 'lazy', 'compressed'])
def result(request):
    kinds = dict(array=lambda: MASKS, lazy=LazyMasks, compressed=compressed)
    return result_of(kinds[request.param]())


def test_the_verdict_empties_masks(result):
    assert result.found.tolist() == [True, False]
    assert result.masks[0, 1].sum() == 6
    assert result.masks[1, 0].sum() == 0
    assert result.ungated_masks[1, 0].sum() == 1


def test_another_threshold(result):
    both, none = result.with_threshold(0.2), result.with_threshold(0.8)
    assert both.found.tolist() == [True, True]
    assert both.masks is result.ungated_masks
    assert none.found.tolist() == [False, False]
    assert none.masks[0, 1].sum() == 0
    assert result.gate_threshold == 0.5


def test_repr(result):
    assert repr(result) == (
        "VideoSegmentation('clip', 3 frames of 6x4, 'the dog, left': in the video (0.75), "
        "'[bold] cat': not in the video (0.25))"
    )
    assert 'no verdict' in repr(result_of(judged=False))


def test_former_name():
    assert result_of().sentences == ['the dog, left', '[bold] cat']


def test_frames_of_an_expression(result):
    masks = result.frame_masks(0)
    assert len(masks) == 3
    assert [mask.sum() for mask in masks] == [0, 6, 6]
    assert masks[[2, 0]].sum((1, 2)).tolist() == [6, 0]
    assert result.views()[0].select([1]).masks.shape == (1, 4, 6)


def test_save(result, tmp_path):
    written = result.save(tmp_path / 'out', what=('masks', 'json', 'overlay'), fps=5)
    assert [path.name for path in written] == ['masks', 'result.json', 'overlay.mp4']
    record = json.loads((tmp_path / 'out' / 'result.json').read_text())
    first, second = record['sentences']
    assert (first['found'], first['score'], first['masks']) == (True, 0.75, 'masks/0_the_dog_left')
    assert (second['found'], second['consensus']) == (False, 0.25)
    read = cv2.imread(str(tmp_path / 'out' / first['masks'] / 'b.png'), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(read, MASKS[0, 1] * 255)
    overlay = open_frames(tmp_path / 'out' / 'overlay.mp4')
    assert (len(overlay), overlay.fps) == (3, 5)


def test_json_without_masks_names_no_folder(tmp_path):
    result_of().save(tmp_path, what=['json'])
    assert json.loads((tmp_path / 'result.json').read_text())['sentences'][0]['masks'] is None
    assert [path.name for path in tmp_path.iterdir()] == ['result.json']


def test_unknown_files(tmp_path):
    with pytest.raises(ValueError, match="save 'gif' is unknown: there are masks, json, overlay"):
        result_of().save(tmp_path, what=['gif'])


def test_frames_that_are_gone():
    with pytest.raises(ValueError, match="frames of 'clip' cannot be read again"):
        result_of(source=None).plot()


def test_summary(result):
    lines = result.summary().splitlines()
    assert '2 of 3' in lines[3]
    assert '[bold] cat' in lines[4]
    assert '0 of 3' in lines[4]
    assert 'not in the video' in lines[4]


EXPORTS = dict(
    coco_rle='masks.json',
    jsonl='masks.jsonl',
    youtube_vis='youtube_vis.json',
    veval='veval.json',
    cutouts='cutouts',
    zip='masks.zip',
    labels='labels.npy',
)


def test_exports(tmp_path, result):
    paths = result.save(tmp_path, what=list(EXPORTS))
    assert [path.name for path in paths] == list(EXPORTS.values())
    records = result.records()
    assert [record.found for record in records] == [True, False]
    assert read_coco_rle(tmp_path / 'masks.json') == records
    assert read_coco_rle(tmp_path / 'masks.jsonl') == records
    assert [MaskRecord.from_dict(item) for item in result.to_coco_rle()] == records
    assert read_veval(tmp_path / 'veval.json') == records
    assert json.loads((tmp_path / 'veval.json').read_text()) == result.to_veval()
    assert json.loads((tmp_path / 'youtube_vis.json').read_text()) == result.to_youtube_vis()
    assert [len(result.to_youtube_vis()[key]) for key in ('categories', 'annotations')] == [2, 1]
    assert [path.name for path in (tmp_path / 'cutouts').iterdir()] == ['0_the_dog_left']
    with zipfile.ZipFile(tmp_path / 'masks.zip') as archive:
        assert len(archive.namelist()) == 1 + 2 * 3
        summary = json.loads(archive.read('result.json'))
    assert [item['masks'] for item in summary['sentences']] == ['0_the_dog_left', '1_bold_cat']
    np.testing.assert_array_equal(result.to_labels(), MASKS[0])
    np.testing.assert_array_equal(np.load(tmp_path / 'labels.npy'), MASKS[0])
    np.testing.assert_array_equal(result.to_labels(tmp_path / 'b.npy'), MASKS[0])


def test_exports_follow_the_threshold(result):
    pairs = result.with_threshold(0.25).to_veval()['video_np_pairs']
    assert [pair['num_masklets'] for pair in pairs] == [1, 1]
    assert result.with_threshold(0.25).to_labels().max() == 2


def test_records_without_verdicts():
    assert [record.consensus for record in result_of(judged=False).records()] == [None, None]


def test_cutouts_without_frames(tmp_path):
    with pytest.raises(ValueError, match='cannot be read again'):
        result_of(source=None).save_cutouts(tmp_path)


def test_detections_of_a_result(result):
    pytest.importorskip('supervision', reason='needs the extra supervision')
    assert [len(frame) for frame in result.to_supervision()] == [0, 1, 1]
