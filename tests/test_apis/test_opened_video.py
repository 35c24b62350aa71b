import numpy as np
import pytest
from stream_models import METHODS, TEXTS, moving_square, toy_model

from r2vos_mm.apis import CompressedMasks, open_video, segment_video

FRAMES = moving_square(7)
NAMES = ('ungated_masks', 'masks', 'scores', 'boxes', 'consensus', 'queries', 'window_consensus')


@pytest.mark.parametrize(
    ('preset', 'memory'), [*((preset, 1024) for preset in METHODS), ('r2vos_tiny', 0)]
)
def test_answers_are_those_of_a_call(preset, memory, monkeypatch):
    model, done = toy_model(preset), []
    options = dict(frames_per_pass=3)
    with open_video(
        model, FRAMES, **options, memory=memory, on_progress=lambda *x: done.append(x)
    ) as video:
        assert len(video) == 7
        monkeypatch.setattr(model, 'extract_clips', None)  # features are not computed again
        answers = [video.ask(TEXTS[0]), video.ask(TEXTS)]
    assert done == [(2, 7), (4, 7), (7, 7)]
    monkeypatch.undo()
    expected = [segment_video(model, FRAMES, texts, **options) for texts in (TEXTS[0], TEXTS)]
    for found, wanted in zip(answers, expected, strict=True):
        for name in NAMES:
            found_array, wanted_array = getattr(found, name), getattr(wanted, name)
            np.testing.assert_array_equal(found_array, wanted_array, err_msg=name)
        assert (found.video, found.frame_names, found.texts, found.windows) == (
            wanted.video,
            wanted.frame_names,
            wanted.texts,
            wanted.windows,
        )


def test_a_closed_video():
    model = toy_model('r2vos_tiny')
    video = open_video(model, FRAMES, cut_as_stream=True, frames_per_pass=3, compress=True)
    answer = video.ask('a ball')
    assert answer.windows == [(0, 3), (3, 6), (6, 7)]
    assert isinstance(answer.masks, CompressedMasks)
    video.close()
    with pytest.raises(ValueError, match='video was closed: open the video again'):
        video.ask('a ball')


def test_mistakes():
    model = toy_model('r2vos_tiny')
    with pytest.raises(FileNotFoundError, match=r'nowhere\.mp4'):
        open_video(model, 'nowhere.mp4')
    with pytest.raises(ValueError, match='frames_per_pass must be at least 1'):
        open_video(model, FRAMES, frames_per_pass=0)
    with open_video(model, FRAMES) as video, pytest.raises(ValueError, match='no expressions'):
        video.ask([])
