"""Transforms of clips, alone and with the image transforms of MMCV and MMDetection."""

import doctest
import io
from collections.abc import Callable
from pathlib import Path

import cv2
import mmcv
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from r2vos_mm.datasets import Clip, DataFileError, Pair
from r2vos_mm.datasets.io.mask_sources import PngMasks, masks_of_objects
from r2vos_mm.datasets.transforms import (
    ClipPhotoMetricDistortion,
    CorruptExpressions,
    LoadMasks,
    LoadVideoFrame,
    PackReferringInputs,
    SubsampleSegMap,
    SwapLeftRight,
    augmentation,
)
from r2vos_mm.datasets.transforms.augmentation import swap_left_right
from r2vos_mm.datasets.transforms.formatting import relative_boxes
from r2vos_mm.registry import TRANSFORMS
from r2vos_mm.utils.images import decode_image, jpeg_reduction


def save(path: Path, pixels: np.ndarray, mode: str | None = None, **kwargs: object) -> str:
    image = Image.fromarray(pixels)
    (image if mode is None else image.convert(mode)).save(path, **kwargs)
    return str(path)


@pytest.fixture
def picture() -> np.ndarray:
    """Smooth (16, 24, 3) RGB image that JPEG keeps well."""
    rows, columns = np.mgrid[:16, :24]
    return np.stack([8 * rows, 8 * columns, 4 * (rows + columns)], -1).astype(np.uint8)


def run(transforms: list[dict], results: dict, seed: int = 0) -> dict:
    """A pipeline as a dataset runs it."""
    np.random.seed(seed)
    with DefaultScope.overwrite_default_scope('r2vos_mm'):
        return Compose(transforms)(results)


def broadcast(*transforms: dict) -> dict:
    return dict(type='TransformBroadcaster', share_random_params=True, transforms=list(transforms))


def clip_results(sentences: list[str], obj_ids: list[str], seg_maps: np.ndarray) -> dict:
    """Results of a loaded clip: images whose red channel repeats the object ids."""
    pairs = tuple(
        Pair(
            sentence,
            f'p{i}',
            str(i),
            obj_id,
            is_negative=not obj_id,
            kind='positive' if obj_id else 'other_video',
        )
        for i, (sentence, obj_id) in enumerate(zip(sentences, obj_ids))
    )
    count, height, width = seg_maps.shape
    images = [
        np.stack(
            [np.full((height, width), 7), np.full((height, width), 50), seg_map * 40], -1
        ).astype(np.uint8)
        for seg_map in seg_maps
    ]  # BGR
    clip = Clip('video', 'set', tuple(f'{i:05d}' for i in range(count)), pairs)
    return dict(
        img=images,
        gt_seg_map=list(seg_maps),
        clip=[clip] * count,
        img_path=[f'{i}.jpg' for i in range(count)],
        img_shape=[(height, width)] * count,
        ori_shape=[(height, width)] * count,
    )


@pytest.fixture
def seg_maps() -> np.ndarray:
    """Two frames (20, 30): object 1 at the left edge, object 4 in the right half, then gone."""
    maps = np.zeros((2, 20, 30), np.uint8)
    maps[:, 2:8, 0:3] = 1
    maps[0, 10:15, 20:27] = 4
    return maps


class TestLoadVideoFrame:
    def load(self, path: object) -> dict:
        return LoadVideoFrame().transform(dict(img_path=str(path)))

    def test_colours_come_as_bgr(self, tmp_path: Path, picture: np.ndarray) -> None:
        results = self.load(save(tmp_path / 'a.png', picture))
        np.testing.assert_array_equal(results['img'], picture[..., ::-1])
        assert results['img_shape'] == results['ori_shape'] == (16, 24)

    @pytest.mark.parametrize('mode', ['L', 'CMYK'])
    def test_grey_and_cmyk_have_three_channels(
        self, tmp_path: Path, picture: np.ndarray, mode: str
    ) -> None:
        path = save(tmp_path / 'a.jpg', picture, mode, quality=95)
        image = self.load(path)['img']
        expected = np.asarray(Image.open(path).convert('RGB'))[..., ::-1]
        assert image.shape == (16, 24, 3)
        assert image.dtype == np.uint8
        np.testing.assert_allclose(image.astype(int), expected, atol=3)

    def test_bytes_behind_the_end_of_a_jpeg_are_harmless(
        self, tmp_path: Path, picture: np.ndarray
    ) -> None:
        path = Path(save(tmp_path / 'a.jpg', picture, quality=95))
        expected = self.load(path)['img']
        path.write_bytes(path.read_bytes() + b'camera notes')
        np.testing.assert_allclose(self.load(path)['img'].astype(int), expected, atol=3)

    @pytest.mark.parametrize('kept', [0, 2, 100, 400])
    def test_truncated_files_are_named(
        self, tmp_path: Path, picture: np.ndarray, kept: int
    ) -> None:
        path = Path(save(tmp_path / 'a.jpg', picture, quality=95))
        content = path.read_bytes()
        assert len(content) > 500
        path.write_bytes(content[:kept])
        with pytest.raises(DataFileError, match=r'a\.jpg is not a complete image.*again'):
            self.load(path)

    def test_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(DataFileError, match=r'cannot read .*b\.jpg.*put the frame there'):
            self.load(tmp_path / 'b.jpg')


class TestReducedDecoding:
    """A JPEG decoded at a part of its size is nearly the same after the resize."""

    SIZE = (480, 640)  # (height, width)

    @pytest.fixture
    def path(self, tmp_path: Path) -> str:
        """Edges and texture down to some pixels, as a camera leaves them."""
        noise = np.random.default_rng(0).integers(0, 256, (*self.SIZE, 3), dtype=np.uint8)
        rows, columns = np.mgrid[: self.SIZE[0], : self.SIZE[1]]
        discs = 90 * ((rows - 240) ** 2 + (columns - 320) ** 2 < 150**2) + 60 * (columns % 160 < 70)
        picture = cv2.GaussianBlur(noise, (0, 0), 1.5) // 2 + discs[..., None].astype(np.uint8)
        return save(tmp_path / 'a.jpg', picture, quality=95)

    @pytest.mark.parametrize(
        ('scale', 'reduction'), [((320, 240), 2), ((160, 120), 4), ((60, 40), 8), ((321, 241), 1)]
    )
    def test_close_to_decoding_all(self, path: str, scale: tuple[int, int], reduction: int) -> None:
        results = LoadVideoFrame(largest_scale=scale).transform(dict(img_path=path))
        height, width = (side // reduction for side in self.SIZE)
        assert results['img'].shape == (height, width, 3)
        assert results['img_shape'] == (height, width)
        assert results['ori_shape'] == self.SIZE
        full = LoadVideoFrame().transform(dict(img_path=path))['img']
        target = (width * 3 // 4, height * 3 // 4)
        expected = cv2.resize(full, target, interpolation=cv2.INTER_AREA).astype(int)
        difference = np.abs(cv2.resize(results['img'], target) - expected)
        assert difference.mean() < 2

    @given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 900), st.integers(1, 900))
    def test_nothing_is_enlarged_later(
        self, width: int, height: int, long: int, short: int
    ) -> None:
        scale = (max(long, short), min(long, short))
        factor = jpeg_reduction((width, height), scale)
        wanted = mmcv.image.geometric.rescale_size((width, height), scale)
        for side, least in zip((width, height), wanted):
            assert factor == 1 or -(-side // factor) >= least

    def test_masks_follow(self, path: str, tmp_path: Path) -> None:
        ids = np.zeros(self.SIZE, np.uint8)
        ids[100:200, 300:] = 3
        results = LoadVideoFrame(largest_scale=(320, 240)).transform(
            dict(img_path=path, target_masks=PngMasks(save(tmp_path / 'm.png', ids)))
        )
        np.testing.assert_array_equal(
            LoadMasks().transform(dict(results))['gt_seg_map'], ids[::2, ::2]
        )
        # Behind a resize the ground truth keeps its size.
        behind = LoadMasks().transform(dict(results, scale=(320, 240)))
        np.testing.assert_array_equal(behind['gt_seg_map'], ids)

    def test_other_files_and_broken_ones(
        self, path: str, tmp_path: Path, picture: np.ndarray
    ) -> None:
        load = LoadVideoFrame(largest_scale=(4, 4))
        png = save(tmp_path / 'a.png', picture)
        assert load.transform(dict(img_path=png))['img'].shape == (16, 24, 3)
        content = Path(path).read_bytes()
        for kept in (100, len(content) // 2):
            Path(path).write_bytes(content[:kept])
            with pytest.raises(DataFileError, match=r'a\.jpg is not a complete image'):
                load.transform(dict(img_path=path))


class TestLoadMasks:
    IDS = np.arange(12, dtype=np.uint8).reshape(3, 4)

    def load(self, path: object, shape: tuple[int, int] = (3, 4)) -> dict:
        return LoadMasks().transform(dict(target_masks=PngMasks(Path(path)), ori_shape=shape))

    def test_palette_and_grey_give_ids(self, tmp_path: Path) -> None:
        palette = Image.fromarray(self.IDS, mode='P')
        palette.putpalette(list(range(255, 219, -1)))
        palette.save(tmp_path / 'p.png')
        Image.fromarray(self.IDS, mode='L').save(tmp_path / 'l.png')
        for name in ('p.png', 'l.png'):
            ids = self.load(tmp_path / name)['gt_seg_map']
            np.testing.assert_array_equal(ids, self.IDS)
            assert ids.dtype == np.uint8

    def test_one_bit_masks_are_object_1(self, tmp_path: Path) -> None:
        Image.fromarray(self.IDS > 5).save(tmp_path / 'm.png')
        np.testing.assert_array_equal(self.load(tmp_path / 'm.png')['gt_seg_map'], self.IDS > 5)

    @pytest.mark.parametrize('mode', ['RGB', 'RGBA'])
    def test_colours_are_refused(self, tmp_path: Path, mode: str) -> None:
        path = save(tmp_path / 'c.png', self.IDS, mode)
        with pytest.raises(DataFileError, match=rf'c\.png is not a mask \(mode {mode} .*convert'):
            self.load(path)

    def test_another_size_than_the_frame(self, tmp_path: Path) -> None:
        path = save(tmp_path / 'c.png', self.IDS)
        with pytest.raises(DataFileError, match=r'c\.png has a mask of size \(3, 4\)'):
            self.load(path, (6, 8))

    def test_truncated(self, tmp_path: Path) -> None:
        path = tmp_path / 'c.png'
        noise = np.random.default_rng(0).integers(0, 255, (40, 40), dtype=np.uint8)
        save(path, noise)
        path.write_bytes(path.read_bytes()[:300])
        with pytest.raises(DataFileError, match=r'c\.png is not a complete image'):
            self.load(path, (40, 40))

    def test_without_ground_truth_nothing_happens(self) -> None:
        assert LoadMasks().transform(dict(ori_shape=(3, 4))) == dict(ori_shape=(3, 4))


class TestSwapLeftRight:
    def test_examples_of_the_docstring(self) -> None:
        assert doctest.testmod(augmentation).failed == 0

    @pytest.mark.parametrize(
        ('sentence', 'expected'),
        [
            ('dog on the left', 'dog on the right'),
            ('right, behind', 'left, behind'),
            ('leftmost of the left', 'rightmost of the right'),
            ('going rightwards', 'going leftwards'),
            ('a leftward move', 'a rightward move'),
            ('left-hand side', 'right-hand side'),
            ('upright', 'upright'),
            ('brightest', 'brightest'),
            ('leftover food', 'leftover food'),
            ('', ''),
        ],
    )
    def test_whole_words(self, sentence: str, expected: str) -> None:
        assert swap_left_right(sentence) == expected

    @given(
        st.lists(st.sampled_from(['left', 'right', 'leftmost', 'dog', 'bright', ','])).map(' '.join)
    )
    def test_twice_is_nothing(self, sentence: str) -> None:
        assert swap_left_right(swap_left_right(sentence)) == sentence

    @pytest.mark.parametrize(
        ('flip', 'direction', 'expected'),
        [
            (True, 'horizontal', 'right'),
            (True, 'diagonal', 'right'),
            (True, 'vertical', 'left'),
            (False, None, 'left'),
        ],
    )
    def test_follows_the_flip(
        self, seg_maps: np.ndarray, flip: bool, direction: str | None, expected: str
    ) -> None:
        results = clip_results(['left', 'left'], ['1', ''], seg_maps)
        results.update(flip=[flip] * 2, flip_direction=[direction] * 2)
        clips = SwapLeftRight().transform(results)['clip']
        assert [pair.text for pair in clips[0].pairs] == [expected] * 2
        assert len(clips) == 2

    def test_without_a_flip_in_the_pipeline(self, seg_maps: np.ndarray) -> None:
        results = clip_results(['left'], ['1'], seg_maps)
        assert SwapLeftRight().transform(results)['clip'][0].pairs[0].text == 'left'


class TestSubsampleSegMap:
    def test_keeps_the_middle_of_every_block(self) -> None:
        labels = np.arange(8 * 12).reshape(8, 12)
        thin = SubsampleSegMap(stride=4).transform(dict(gt_seg_map=labels))['gt_seg_map']
        # rows 2, 6 and columns 2, 6, 10 of twelve labels a row
        assert thin.tolist() == [[26, 30, 34], [74, 78, 82]]

    def test_stride_one_changes_nothing(self, seg_maps: np.ndarray) -> None:
        thin = SubsampleSegMap(stride=1).transform(dict(gt_seg_map=seg_maps[0]))['gt_seg_map']
        assert (thin == seg_maps[0]).all()

    def test_a_stride_is_a_whole_number_of_pixels(self) -> None:
        with pytest.raises(ValueError, match='stride must be at least 1, got 0'):
            SubsampleSegMap(stride=0)


class TestPackReferringInputs:
    def test_everything_of_the_sample(self, seg_maps: np.ndarray) -> None:
        results = clip_results(['the right one', 'a dog', 'none'], ['4', '1', ''], seg_maps)
        packed = PackReferringInputs().transform(results)
        inputs, sample = packed['inputs'], packed['data_samples']
        assert inputs.shape == (2, 3, 20, 30)
        assert inputs.dtype == torch.uint8
        assert inputs[:, 2].eq(7).all()  # blue comes last
        np.testing.assert_array_equal(inputs[:, 0].numpy(), seg_maps * 40)
        assert sample.metainfo == dict(
            video_id='video',
            dataset='set',
            frame_ids=['00000', '00001'],
            frame_paths=['0.jpg', '1.jpg'],
            img_shape=(20, 30),
            ori_shape=(20, 30),
            scale_factor=(1.0, 1.0),
            flip=False,
        )
        pairs = sample.gt_pairs
        assert pairs.texts == ['the right one', 'a dog', 'none']
        assert (pairs.exp_ids, pairs.obj_ids) == (['0', '1', '2'], ['4', '1', ''])
        assert (pairs.pair_ids, pairs.kinds) == (
            ['p0', 'p1', 'p2'],
            ['positive', 'positive', 'other_video'],
        )
        assert pairs.is_negative.tolist() == [False, False, True]
        assert pairs.valid.tolist() == [[True, False], [True, True], [False, False]]
        np.testing.assert_array_equal(pairs.masks[0].numpy(), seg_maps == 4)
        np.testing.assert_array_equal(pairs.masks[1].numpy(), seg_maps == 1)
        assert not pairs.masks[2].any()
        # object 4: columns 20..26 of 30, rows 10..14 of 20 -> cx 23.5/30, cy 12.5/20, 7/30, 5/20
        torch.testing.assert_close(
            pairs.boxes[0, 0], torch.tensor([23.5 / 30, 12.5 / 20, 7 / 30, 5 / 20])
        )
        assert pairs.boxes[0, 1].tolist() == pairs.boxes[2, 0].tolist() == [0.0] * 4
        assert pairs.boxes.dtype == torch.float32
        assert pairs.masks.dtype == pairs.valid.dtype == torch.bool

    def test_without_ground_truth(self, seg_maps: np.ndarray) -> None:
        results = clip_results(['a dog'], ['1'], seg_maps)
        del results['gt_seg_map']
        pairs = PackReferringInputs().transform(results)['data_samples'].gt_pairs
        assert 'masks' not in pairs
        assert 'boxes' not in pairs
        assert pairs.texts == ['a dog']

    def test_frames_of_different_size_are_named(self, seg_maps: np.ndarray) -> None:
        results = clip_results(['a dog'], ['1'], seg_maps)
        results['ori_shape'][1] = (20, 31)
        with pytest.raises(DataFileError, match=r'1\.jpg has size \(20, 31\).*video video'):
            PackReferringInputs().transform(results)

    @given(st.integers(1, 6), st.integers(1, 7), st.data())
    def test_boxes_hold_exactly_the_mask(
        self, height: int, width: int, data: st.DataObject
    ) -> None:
        size = height * width
        bits = data.draw(st.lists(st.booleans(), min_size=size, max_size=size))
        mask = np.array(bits).reshape(1, 1, height, width)
        boxes, valid = relative_boxes(mask)
        assert valid.item() == mask.any()
        cx, cy, w, h = boxes[0, 0] * (width, height, width, height)
        if mask.any():
            rows, columns = np.nonzero(mask[0, 0])
            expected = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            np.testing.assert_allclose(
                (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2), expected, atol=1e-5
            )
        else:
            assert (cx, cy, w, h) == (0, 0, 0, 0)

    def test_background_is_no_object(self) -> None:
        assert not masks_of_objects(np.zeros((1, 2, 2), np.uint8), ['']).any()


class TestWithImageTransforms:
    def test_a_crop_keeps_pairs_whose_object_it_cuts_off(self, seg_maps: np.ndarray) -> None:
        for seed in range(8):
            results = run(
                [
                    broadcast(dict(type='mmdet.RandomCrop', crop_size=(8, 8))),
                    dict(type='PackReferringInputs'),
                ],
                clip_results(['a', 'b', 'a'], ['4', '1', '4'], seg_maps),
                seed,
            )
            pairs = results['data_samples'].gt_pairs
            assert pairs.texts == ['a', 'b', 'a']
            assert results['data_samples'].img_shape == (8, 8)
            # The red channel shows the ids: masks, boxes and validity follow the pixels.
            for pair, obj_id in enumerate((4, 1, 4)):
                expected = results['inputs'][:, 0] == 40 * obj_id
                assert torch.equal(pairs.masks[pair], expected)
                assert torch.equal(pairs.valid[pair], expected.flatten(1).any(1))

    def test_all_frames_share_the_random_draws(self, seg_maps: np.ndarray) -> None:
        same = np.repeat(seg_maps[:1], 4, 0)
        flips = set()
        for seed in range(12):
            results = run(
                [
                    broadcast(
                        dict(type='RandomFlip', prob=0.5),
                        dict(type='ClipPhotoMetricDistortion'),
                        dict(
                            type='mmdet.RandomCrop',
                            crop_type='relative_range',
                            crop_size=(0.5, 0.5),
                        ),
                        dict(
                            type='RandomChoiceResize', scales=[(40, 20), (60, 30)], keep_ratio=True
                        ),
                    ),
                    dict(type='SwapLeftRight'),
                    dict(type='PackReferringInputs'),
                ],
                clip_results(['left'], ['1'], same),
                seed,
            )
            inputs, sample = results['inputs'], results['data_samples']
            assert all(torch.equal(frame, inputs[0]) for frame in inputs)
            assert sample.gt_pairs.texts == ['right' if sample.flip else 'left']
            assert inputs.shape[-2:] == sample.img_shape == sample.gt_pairs.masks.shape[-2:]
            flips.add(sample.flip)
        assert flips == {True, False}

    def test_flipped_masks_are_mirrored(self, seg_maps: np.ndarray) -> None:
        results = run(
            [broadcast(dict(type='RandomFlip', prob=1.0)), dict(type='PackReferringInputs')],
            clip_results(['a'], ['1'], seg_maps),
        )
        np.testing.assert_array_equal(
            results['data_samples'].gt_pairs.masks[0].numpy(), (seg_maps == 1)[..., ::-1]
        )


class TestClipPhotoMetricDistortion:
    def test_colours_stay_in_their_order(self) -> None:
        """A red image stays mainly red, whatever is drawn: channels are never swapped."""
        red = np.zeros((4, 4, 3), np.uint8)
        red[..., 2] = 180
        transform = ClipPhotoMetricDistortion()
        results = []
        for seed in range(40):
            np.random.seed(seed)
            results.append(transform.transform(dict(img=red.copy()))['img'])
        for image in results:
            assert image.dtype == np.uint8
            assert image[..., 2].min() > image[..., :2].max()
        assert len({image.tobytes() for image in results}) > 10

    def test_bytes_do_not_wrap_around(self) -> None:
        transform = ClipPhotoMetricDistortion(brightness_delta=200)
        for seed in range(20):
            np.random.seed(seed)
            white = transform.transform(dict(img=np.full((2, 2, 3), 250, np.uint8)))['img']
            assert white.min() > 15  # at least (250 - 200) * 0.5 = 25, up to rounding


def test_complete_jpeg_needs_no_second_decoder(
    picture: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, 'JPEG')
    fail = lambda *args: pytest.fail('Pillow was asked')  # noqa: E731
    monkeypatch.setattr(JpegImageFile, 'load', fail)

    assert decode_image(buffer.getvalue()).shape == (16, 24, 3)


@pytest.mark.parametrize(
    ('former', 'current'),
    [
        ('CorruptSentences', CorruptExpressions),
        ('LoadObjectMask', LoadMasks),
        ('LoadTargetMasks', LoadMasks),
        ('PackTargetInputs', PackReferringInputs),
        ('ThinSegMap', SubsampleSegMap),
    ],
)
def test_former_names_work_with_a_warning(
    former: str, current: type, warnings_logged: Callable
) -> None:
    options = {
        'CorruptSentences': dict(kind='typos', severity=1),
        'ThinSegMap': dict(stride=2),
    }.get(former, {})
    with DefaultScope.overwrite_default_scope('r2vos_mm'):
        assert type(TRANSFORMS.build(dict(type=former) | options)) is current
    assert warnings_logged() == [
        f'The transform {former} is now {current.__name__}: rename it in the config'
    ]
