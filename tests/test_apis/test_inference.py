from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from chosen_queries import choose_queries
from clocks import clock_like
from mmengine.dataset import Compose

from r2vos_mm.apis import CompressedMasks, FrameSource, inference, init_model, segment_video
from r2vos_mm.datasets import Clip, Pair
from r2vos_mm.models.utils import PredictConfig
from r2vos_mm.structures import QueryPredictions
from r2vos_mm.utils.checkpoint import CheckpointReadError
from r2vos_mm.utils.state_dict import CheckpointMismatchError

CONFIG = Path(__file__).parents[2] / 'configs' / 'r2vos_tiny_refshapes.py'
SENTENCES = ['a red square', 'a green circle that is not there']


def test_same_as_testing(model, folder):
    """A folder gives what the config's test pipeline and predict give, in windows too."""
    model.test_cfg.frames_per_pass = 3
    pairs = tuple(Pair(sentence, str(i), str(i)) for i, sentence in enumerate(SENTENCES))
    names = ('8', '9', '10', '11', '12')
    clip = Clip('clip', 'test', names, pairs)
    item = Compose(model.cfg.test_dataloader.dataset.pipeline)(
        dict(img_path=[str(folder / f'{name}.png') for name in names], clip=[clip] * 5)
    )
    assert item['inputs'].shape == (5, 3, 64, 64)
    expected = model.test_step(dict(inputs=[item['inputs']], data_samples=[item['data_samples']]))[
        0
    ].pred_pairs
    result = segment_video(model, folder, SENTENCES, precision='float32')
    assert result.masks.shape == (2, 5, 48, 80)
    assert result.masks.dtype == bool
    for name in ('masks', 'ungated_masks', 'scores', 'boxes', 'consensus'):
        np.testing.assert_allclose(
            getattr(result, name), expected[name].numpy(), rtol=1e-5, atol=1e-5, err_msg=name
        )
    assert (result.video, result.frame_names) == ('clip', list(names))


def test_masks_are_compressed_on_request(model, frames):
    model.test_cfg.gate_threshold = 1.1
    plain = segment_video(model, frames, SENTENCES, frames_per_pass=2)
    small = segment_video(model, frames, SENTENCES, frames_per_pass=2, compress=True)
    assert isinstance(plain.ungated_masks, np.ndarray)
    assert isinstance(small.masks, CompressedMasks)
    for name in ('masks', 'ungated_masks', 'scores', 'boxes', 'consensus', 'queries'):
        np.testing.assert_array_equal(getattr(small, name), getattr(plain, name), err_msg=name)
    assert small.ungated_masks.any()
    assert not small.masks.any()


@pytest.mark.parametrize(
    ('cut_as_stream', 'windows'),
    [(False, [(0, 1), (1, 3), (3, 5)]), (True, [(0, 2), (2, 4), (4, 5)])],
)
def test_windows_and_their_verdicts(model, frames, cut_as_stream, windows):
    result = segment_video(model, frames, SENTENCES, frames_per_pass=2, cut_as_stream=cut_as_stream)
    assert result.windows == windows
    for (start, stop), consensus in zip(windows, result.window_consensus.T, strict=True):
        alone = segment_video(model, frames[start:stop], SENTENCES)
        np.testing.assert_allclose(consensus, alone.consensus, rtol=1e-5)
    # An expression is found where it is in the first window only.
    first = result.with_threshold(result.window_consensus[1, 0] - 1e-6)
    found = result.window_consensus[1] >= first.gate_threshold
    ranges = [frame for start, stop in first.windows_found[1] for frame in range(start, stop)]
    expected = [t for (a, b), yes in zip(windows, found) for t in range(a, b) if yes]
    assert ranges == expected


def test_sentences_are_read_as_in_training(model, frames):
    plain = segment_video(model, frames[:2], 'a red square')
    shouted = segment_video(model, list(frames[:2]), ['  A  red SQUARE '])
    assert shouted.texts == ['a red square']
    np.testing.assert_array_equal(plain.scores, shouted.scores)
    former = segment_video(model, frames[:2], sentences='a red square')
    assert (former.texts, former.sentences) == (['a red square'], ['a red square'])


def test_speed(model, frames):
    speed = segment_video(model, frames[:2], 'a red square').speed
    assert list(speed) == ['decode', 'preprocess', 'model', 'postprocess']
    assert all(seconds > 0 for seconds in speed.values())
    assert max(speed, key=speed.get) == 'model'


@pytest.mark.parametrize(
    ('sentences', 'options', 'message'),
    [
        ([], {}, 'there are no expressions'),
        (['a ball', ' '], {}, "expression 1 of 2 is ' '"),
        (['a ball', None], {}, 'expression 1 of 2 is None'),
        ('a ball', dict(window=0), 'frames_per_pass must be at least 1'),
        ('a ball', dict(precision='float16'), "precision 'float16' is unknown"),
    ],
)
def test_mistakes(model, frames, sentences, options, message):
    with pytest.raises(ValueError, match=message):
        segment_video(model, frames, sentences, **options)


class CountedFrames(FrameSource):
    """Frames that count how many were decoded."""

    def __init__(self, frames):
        self.frames, self.title, self.decoded = frames, 'counted', 0
        self.names = [str(index) for index in range(len(frames))]

    def decode(self):
        for frame in self.frames:
            self.decoded += 1
            yield frame


def test_frames_are_decoded_window_by_window(model, frames, monkeypatch):
    source, seen, done = CountedFrames(frames), [], []
    extract = model.extract_clips

    def spy(inputs, *arguments, **options):
        seen.append((inputs.shape[1], source.decoded))
        return extract(inputs, *arguments, **options)

    monkeypatch.setattr(model, 'extract_clips', spy)
    segment_video(
        model, source, 'a ball', frames_per_pass=2, on_progress=lambda *step: done.append(step)
    )
    # Windows of 1, 2 and 2 frames; one frame is decoded beforehand for the size.
    assert seen == [(1, 2), (2, 4), (2, 6)]
    assert done == [(1, 5), (3, 5), (5, 5)]


def test_a_config_without_window_is_bounded(model, monkeypatch):
    lengths = []
    extract = model.extract_clips
    monkeypatch.setattr(
        model,
        'extract_clips',
        lambda x, *more, **options: lengths.append(x.shape[1]) or extract(x, *more, **options),
    )
    monkeypatch.setattr(model, 'test_cfg', replace(model.test_cfg, frames_per_pass=None))
    segment_video(model, np.zeros((37, 8, 8, 3), np.uint8), 'a ball')
    assert lengths == [18, 19]


def test_masks_of_many_frames_are_enlarged_as_one():
    """Long videos are enlarged part by part; 20 frames, the chosen query is the second."""
    logits = torch.randn(2, 20, 2, 6, 5, generator=torch.Generator().manual_seed(0))
    scores = torch.zeros(2, 20, 2)
    scores[..., 1] = 1
    pairs = choose_queries(
        QueryPredictions(scores, torch.rand(2, 20, 2, 4), logits),
        torch.zeros(2),
        (11, 13),
        config=PredictConfig(),
    )
    expected = F.interpolate(logits[:, :, 1], size=(11, 13), mode='bilinear') > 0
    assert torch.equal(pairs.masks, expected)


def test_verdict_empties_masks(model, frames):
    model.test_cfg.gate_threshold = 1.1
    result = segment_video(model, frames[:2], SENTENCES)
    assert not result.found.any()
    assert not result.masks.any()
    assert result.ungated_masks.any()
    view = result.views()[1]
    assert (view.sentence, view.found) == (SENTENCES[1], False)
    np.testing.assert_allclose(view.boxes * [80, 48, 80, 48], result.boxes[1], rtol=1e-4, atol=1e-4)


def test_model_without_verdict(frames):
    model = init_model(
        CONFIG,
        device='cpu',
        cfg_options={'model.cycle_head': None, 'model.mask_head.mixes_reconstruction': False},
    )
    result = segment_video(model, frames[:1], 'a ball')
    assert not result.judged
    assert result.found.all()
    assert result.views()[0].consensus is None


def test_precision(model, frames):
    """The config tests in bfloat16; it changes numbers a little."""
    exact, half, default = (
        segment_video(model, frames[:2], 'a red square', precision=precision)
        for precision in ('float32', 'bfloat16', None)
    )
    np.testing.assert_array_equal(half.scores, default.scores)
    assert not np.array_equal(half.scores, exact.scores)
    np.testing.assert_allclose(half.consensus, exact.consensus, atol=0.05)


class TestInitModel:
    """Reading checkpoints."""

    def test_weights_are_loaded(self, random_model, tmp_path):
        path = tmp_path / 'model.pth'
        torch.save(dict(state_dict=random_model.state_dict(), meta={}), path)
        model = init_model(str(CONFIG), path, device='cpu')
        assert not model.training
        weights = model.state_dict()
        assert all(
            torch.equal(weights[key], value) for key, value in random_model.state_dict().items()
        )

    def test_other_models_weights_are_refused(self, random_model, tmp_path):
        path = tmp_path / 'other.pth'
        weights = dict(random_model.state_dict())
        weights['neck.unknown'] = weights.pop(next(iter(weights)))
        torch.save(dict(state_dict=weights), path)
        with pytest.raises(CheckpointMismatchError, match=r'other\.pth does not belong'):
            init_model(CONFIG, path, device='cpu')

    @pytest.mark.parametrize('content', [b'', b'damaged'])
    def test_damaged(self, tmp_path, content):
        path = tmp_path / 'damaged.pth'
        path.write_bytes(content)
        with pytest.raises(CheckpointReadError, match=r'damaged\.pth'):
            init_model(CONFIG, path, device='cpu')

    def test_no_mapping(self, tmp_path):
        path = tmp_path / 'list.pth'
        torch.save([1, 2], path)
        with pytest.raises(CheckpointReadError, match=r'list\.pth holds a list'):
            init_model(CONFIG, path, device='cpu')

    @pytest.mark.parametrize(
        ('config', 'checkpoint', 'message'),
        [
            ('nowhere.py', None, r'Config nowhere\.py does not exist'),
            (CONFIG, 'nowhere.pth', r'Checkpoint nowhere\.pth does not exist'),
        ],
    )
    def test_missing_files(self, config, checkpoint, message):
        with pytest.raises(FileNotFoundError, match=message):
            init_model(config, checkpoint, device='cpu')


def test_time_since_the_last_reading(monkeypatch):
    times = chain([10.0, 11.0, 13.0, 17.0])
    monkeypatch.setattr(inference, 'time', clock_like(perf_counter=lambda: next(times)))
    clock = inference.StageClock()
    for stage in ('decode', 'model', 'decode'):
        clock.end(stage)
    assert clock.seconds == dict(decode=5.0, preprocess=0.0, model=2.0, postprocess=0.0)
