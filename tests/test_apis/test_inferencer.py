import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.infer import BaseInferencer

from r2vos_mm.apis import CompressedMasks, R2VOSInferencer, VideoSegmentation, segment_video
from r2vos_mm.apis.inferencer import as_data_sample
from r2vos_mm.registry import INFERENCERS
from r2vos_mm.structures import ReferringDataSample
from r2vos_mm.utils.cli import UsageError
from r2vos_mm.visualization import ReferringVisualizer, write_video

CONFIG = Path(__file__).parents[2] / 'configs' / 'r2vos_tiny_refshapes.py'
RESIZE = 'test_dataloader.dataset.pipeline.0.transforms.1.scale'

TEXTS = ['a red square', 'a green circle']


@pytest.fixture(scope='module')
def weights(random_model, tmp_path_factory):
    path = tmp_path_factory.mktemp('weights') / 'random.pth'
    torch.save(dict(state_dict=random_model.state_dict()), path)
    return path


@pytest.fixture(scope='module')
def seg(weights):
    return R2VOSInferencer(
        CONFIG, weights, device='cpu', dtype='float32', cfg_options={RESIZE: (64, 64)}
    )


def test_same_as_the_functional_form(seg, frames):
    (result,) = seg(frames, texts=TEXTS)['predictions']
    expected = segment_video(seg.model, frames, TEXTS, precision='float32')
    assert isinstance(result, VideoSegmentation)
    assert isinstance(result.masks, CompressedMasks)
    for name in ('masks', 'ungated_masks', 'scores', 'boxes', 'consensus'):
        np.testing.assert_array_equal(getattr(result, name), getattr(expected, name))
    assert (result.texts, result.frame_names) == (expected.texts, expected.frame_names)


def test_contract(seg, frames, folder):
    """Keys and types of MMEngine's inferencers, for one video and for several."""
    assert isinstance(seg, BaseInferencer)
    assert INFERENCERS.get('R2VOSInferencer') is R2VOSInferencer
    assert set(seg(frames[:1], texts='a ball')) == {'predictions', 'visualization'}
    assert seg(frames[:1], texts='a ball')['visualization'] is None
    out = seg([frames[:2], folder], batch_size=2, texts='a ball', return_vis=True)
    assert [result.video for result in out['predictions']] == ['video', 'clip']
    assert [len(images) for images in out['visualization']] == [2, 5]
    assert out['visualization'][0].dtype == np.uint8


def test_unknown_keywords(seg, frames):
    with pytest.raises(TypeError, match='treshold'):
        seg(frames, texts='a ball', treshold=0.5)


@pytest.mark.parametrize('kind', ['folder', 'glob', 'video', 'generator', 'image', 'tensor'])
def test_sources(seg, frames, folder, tmp_path, kind):
    """Kinds of frames; :mod:`test_sources` reads all of them."""
    if kind == 'video':
        write_video(tmp_path / 'a.mp4', frames, fps=5)
    given, count = dict(
        folder=(folder, 5),
        glob=(f'{folder}/*.png', 5),
        video=(str(tmp_path / 'a.mp4'), 5),
        generator=((frame for frame in frames), 5),
        image=(folder / '8.png', 1),
        tensor=(torch.from_numpy(frames[0]).permute(2, 0, 1), 1),
    )[kind]
    (result,) = seg(given, texts='a ball')['predictions']
    assert result.masks.shape == (1, count, 48, 80)


def test_threshold_of_a_call(seg, frames, monkeypatch):
    results = [
        seg(frames[:2], texts=TEXTS, threshold=threshold)['predictions'][0]
        for threshold in (0.0, 1.1)
    ]
    assert [result.found.tolist() for result in results] == [[True] * 2, [False] * 2]
    assert not results[1].masks.any()
    monkeypatch.setattr(seg, 'model', None)  # nothing is computed again
    again = results[1].with_threshold(0.0)
    np.testing.assert_array_equal(again.masks, results[0].masks)


def test_stride(seg, folder):
    (result,) = seg(folder, texts='a ball', vid_stride=2)['predictions']
    assert result.frame_names == ['8', '10', '12']
    (whole,) = seg(folder, texts='a ball')['predictions']
    assert result.masks.shape[1] == 3
    assert whole.masks.shape[1] == 5


def test_windows_of_a_call(seg, frames):
    options = dict(texts='a ball', frames_per_pass=2)
    equal, full = (
        seg(frames, cut_as_stream=value, **options)['predictions'][0].windows
        for value in (False, True)
    )
    assert equal == [(0, 1), (1, 3), (3, 5)]
    assert full == [(0, 2), (2, 4), (4, 5)]


def test_data_samples(seg, frames):
    out = seg(frames[:2], return_datasamples=True, texts=TEXTS)
    (sample,) = out['predictions']
    assert isinstance(sample, ReferringDataSample)
    assert sample.pred_pairs.masks.shape == (2, 2, 48, 80)
    (result,) = seg(frames[:2], texts=TEXTS)['predictions']
    images = list(ReferringVisualizer(name='of_sample').draw_video(frames[:2], sample))
    np.testing.assert_array_equal(images, list(seg.draw(result)))
    unjudged = as_data_sample(result.with_threshold(0.5))
    consensus = 1 - unjudged.pred_pairs.misalignment_logits.sigmoid()
    torch.testing.assert_close(consensus, unjudged.pred_pairs.consensus)


@pytest.mark.parametrize('kind', ['array', 'generator', 'video'])
def test_stream(seg, frames, tmp_path, kind):
    """Each window as a call that cuts the same windows, as far as the verdict so far agrees."""
    if kind == 'video':
        write_video(tmp_path / 'a.mp4', frames, fps=5)
    given = dict(array=frames, generator=iter(frames), video=tmp_path / 'a.mp4')[kind]
    parts = list(seg.stream(given, TEXTS, frames_per_pass=2, threshold=0.0))
    assert [part.frame_ids for part in parts] == [['00000', '00001'], ['00002', '00003'], ['00004']]
    assert all(isinstance(part.masks, CompressedMasks) for part in parts)
    whole = tmp_path / 'a.mp4' if kind == 'video' else frames
    options = dict(texts=TEXTS, frames_per_pass=2, cut_as_stream=True, threshold=0.0)
    (result,) = seg(whole, **options)['predictions']
    np.testing.assert_array_equal(parts[-1].consensus, result.consensus)
    assert parts[-1].found.tolist() == result.found.tolist()
    agree = [part for part in parts if (part.queries == result.queries).all()]
    assert parts[-1] in agree
    for part in agree:
        span = slice(part.first_frame, part.frames_seen)
        np.testing.assert_array_equal(part.masks, result.masks[:, span])


def test_stream_of_each_second_frame(seg, folder):
    parts = list(seg.stream(folder, 'a ball', frames_per_pass=2, vid_stride=2))
    assert [part.frame_ids for part in parts] == [['8', '10'], ['12']]


def test_opened_video(seg, frames):
    with seg.open(frames, frames_per_pass=2) as clip:
        answers = [clip.ask(text) for text in TEXTS]
    for text, answer in zip(TEXTS, answers, strict=True):
        (result,) = seg(frames, texts=text, frames_per_pass=2)['predictions']
        assert isinstance(answer.masks, CompressedMasks)
        np.testing.assert_array_equal(answer.ungated_masks, result.ungated_masks)
        np.testing.assert_array_equal(answer.consensus, result.consensus)


class TestFiles:
    """What is written and printed."""

    def test_one_video(self, seg, frames, tmp_path, capsys):
        seg(frames[:2], texts=TEXTS, out_dir=tmp_path / 'out', print_result=True)
        written = sorted(path.name for path in (tmp_path / 'out').iterdir())
        assert written == ['masks', 'result.json']
        assert 'a green circle' in capsys.readouterr().out

    def test_several_videos(self, seg, frames, folder, tmp_path):
        inputs = [frames[:1], folder, frames[:2]]
        seg(inputs, texts='a ball', out_dir=tmp_path / 'out', save='json')
        found = {
            path.parent.name: len(json.loads(path.read_text())['frames'])
            for path in (tmp_path / 'out').glob('*/result.json')
        }
        assert found == dict(video_0=1, clip=5, video_2=2)

    def test_overlay_in_the_style_of_the_config(self, seg, frames, tmp_path, monkeypatch):
        styles = []
        draw = VideoSegmentation.plot
        monkeypatch.setattr(
            VideoSegmentation,
            'plot',
            lambda result, *, style: styles.append(style) or draw(result, style=style),
        )
        seg(frames[:1], texts='a ball', out_dir=tmp_path, save=['overlay'])
        assert styles == [seg.visualizer.style]
        assert (tmp_path / 'overlay.mp4').stat().st_size > 500

    def test_nothing_by_default(self, seg, frames, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        seg(frames[:1], texts='a ball')
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ('options', 'error', 'message'),
    [
        (dict(texts=[]), ValueError, 'there are no expressions'),
        (dict(texts='a', out_dir='{tmp}', save='gif'), ValueError, "save 'gif' is unknown"),
        (dict(texts='a', out_dir='{tmp}/clip/8.png'), UsageError, 'is not a folder'),
        (dict(texts='a', vid_stride=0), ValueError, 'stride of frames is at least 1'),
        (dict(texts='a', show=True), UsageError, 'no window can be opened'),
    ],
)
def test_mistakes(seg, folder, tmp_path, options, error, message, monkeypatch):
    monkeypatch.delenv('DISPLAY', raising=False)
    monkeypatch.delenv('WAYLAND_DISPLAY', raising=False)
    options = {n: v.format(tmp=tmp_path) if n == 'out_dir' else v for n, v in options.items()}
    with pytest.raises(error, match=message):
        seg(folder, **options)


def test_endless_sources(seg, monkeypatch):
    monkeypatch.setattr('r2vos_mm.datasets.io.streams.LiveFrames.__init__', _camera)
    with pytest.raises(ValueError, match='camera has no end: segment it with .*stream'):
        seg(0, texts='a ball')


def _camera(self, address):
    self.title = 'camera'


class TestModel:
    """What a model is given as."""

    def test_list_models(self):
        names = R2VOSInferencer.list_models()
        assert 'r2vos_tiny' in names
        assert 'referformer_r50_8xb1-6e_ref-ytvos' in names
        assert set(names) == set(BaseInferencer.list_models('r2vos_mm'))
        assert R2VOSInferencer.list_models(patterns='mttr_tiny') == [
            'mttr_tiny_1xb4-400iter_ref-ytvos'
        ]

    def test_config_object(self, weights):
        config = Config.fromfile(CONFIG)
        seg = R2VOSInferencer(config, weights, 'cpu')
        assert seg.cfg.model == config.model
        assert seg.visualizer.style is not None

    @pytest.mark.parametrize(
        ('options', 'message'),
        [
            (dict(device='tpu'), "device 'tpu' cannot be used"),
            (dict(dtype='float16'), "precision 'float16' is unknown"),
        ],
    )
    def test_mistakes(self, weights, options, message):
        with pytest.raises(ValueError, match=message):
            R2VOSInferencer(CONFIG, weights, **dict(device='cpu') | options)

    def test_dtype_of_torch(self, weights):
        assert R2VOSInferencer(CONFIG, weights, 'cpu', dtype=torch.float32).dtype == 'float32'
