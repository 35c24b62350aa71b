import threading
import time
from contextlib import closing

import cv2
import numpy as np
import pytest
from stream_models import (
    METHODS,
    TEXTS,
    changing_predictions,
    moving_square,
    query_chosen,
    toy_model,
)

from r2vos_mm.apis import CompressedMasks, segment_video, stream_video
from r2vos_mm.utils.data_issues import DataFileError

NUM_FRAMES = 14  # windows of 4, 4, 4 and 2


@pytest.fixture(scope='module', params=METHODS)
def method(request):
    return toy_model(request.param)


@pytest.fixture(scope='module')
def toy():
    return toy_model('r2vos_tiny')


def whole_call(model, frames=None):
    frames = moving_square(NUM_FRAMES) if frames is None else frames
    with changing_predictions(model):
        return segment_video(model, frames, TEXTS, frames_per_pass=4, cut_as_stream=True)


def streamed(model, frames=None, **options):
    frames = moving_square(NUM_FRAMES) if frames is None else frames
    with changing_predictions(model):
        return list(stream_video(model, frames, TEXTS, frames_per_pass=4, **options))


def equal(found, expected, *names):
    for name in names:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)


def test_equal_to_the_whole_call_wherever_query_and_verdict_agree(method):
    whole, parts = whole_call(method), streamed(method)
    assert [len(part.frame_ids) for part in parts] == [4, 4, 4, 2]
    agreed = []
    for part in parts:
        window = slice(part.first_frame, part.frames_seen)
        assert part.frame_ids == whole.frame_names[window]
        for p in range(len(TEXTS)):
            same_query = part.queries[p] == whole.queries[p]
            same_verdict = part.found[p] == whole.found[p]
            agreed.append((bool(same_query), bool(same_verdict)))
            if not same_query:
                continue
            for name in ('ungated_masks', 'scores', 'boxes', *(['masks'] if same_verdict else [])):
                found, expected = getattr(part, name)[p], getattr(whole, name)[p, window]
                np.testing.assert_array_equal(found, expected, err_msg=name)
    # The cases occur: queries change on the way, and so do the verdicts of models that have one.
    assert {query for query, _ in agreed} == {True, False}
    assert {verdict for _, verdict in agreed} == ({True, False} if whole.judged else {True})


def test_the_last_part_has_the_final_query_and_verdict(method):
    whole, *_, last = whole_call(method), *streamed(method)
    equal(last, whole, 'queries', 'consensus', 'found', 'judged')
    np.testing.assert_array_equal(last.verdict, whole.found)
    assert last.frames_seen == NUM_FRAMES
    assert last.windows_seen == len(whole.windows)
    assert last.windows_found == whole.windows_found


def test_masks_of_every_query_equal_those_of_the_whole_call(method):
    num_queries = method.mask_head.query_position.num_embeddings
    assert num_queries > 1
    seen, frames = set(), moving_square(6)
    for number in range(num_queries):
        with query_chosen(number):
            whole, parts = whole_call(method, frames), streamed(method, frames)
        joined = np.concatenate([part.ungated_masks for part in parts], axis=1)
        np.testing.assert_array_equal(joined, whole.ungated_masks)
        seen.add(joined.tobytes())
    assert len(seen) > 1


def test_verdicts_of_windows(toy):
    """The verdict on the whole averages the logits; those of the windows stay."""
    whole, parts = whole_call(toy), streamed(toy)
    alone = np.concatenate([part.window_consensus for part in parts], axis=1)
    np.testing.assert_array_equal(alone, whole.window_consensus)
    np.testing.assert_array_equal([part.window_found for part in parts], (alone >= 0.5).T)
    logits = np.log(1 / alone[:, :2].astype(np.float64) - 1).mean(1)
    np.testing.assert_allclose(parts[1].consensus, 1 / (1 + np.exp(logits)), rtol=1e-4)
    # Found in the second and third window, though not in the video.
    assert not whole.found[0]
    assert whole.windows_found[0] == [(4, 12)]
    assert [part.windows_found[0] for part in parts] == [[], [(4, 8)], [(4, 12)], [(4, 12)]]


def test_threshold_and_compressed_masks(toy):
    plain = streamed(toy, threshold=0.0)
    small = streamed(toy, threshold=1.0, compress=True)
    for a, b in zip(plain, small, strict=True):
        assert isinstance(b.ungated_masks, CompressedMasks)
        equal(a, b, 'ungated_masks', 'scores', 'boxes', 'consensus')
        assert a.found.all()
        assert not b.found.any()
        assert not b.masks.any()
    assert any(part.ungated_masks.any() for part in small)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(texts=[]), 'there are no expressions'),
        (dict(frames_per_pass=0), 'frames_per_pass must be at least 1'),
        (dict(threshold=1.5), 'threshold is a probability, got 1.5'),
        (dict(precision='float8'), "precision 'float8' is unknown"),
    ],
)
def test_mistakes_are_told_at_the_call(toy, options, message):
    with pytest.raises(ValueError, match=message):
        stream_video(toy, moving_square(2), **dict(texts=TEXTS) | options)


def test_missing_file(toy):
    with pytest.raises(FileNotFoundError, match=r'nowhere\.mp4 does not exist'):
        stream_video(toy, 'nowhere.mp4', TEXTS)


@pytest.fixture
def video(tmp_path):
    path = tmp_path / 'clip.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 8.0, (80, 48))
    for frame in moving_square(10):
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    writer.release()
    return path


def test_a_file_is_decoded_once(toy, video, monkeypatch):
    """Its frames are not counted first; masks are those of the whole call."""
    expected = whole_call(toy, video)
    monkeypatch.setattr('r2vos_mm.datasets.io.frames.scan_video', None)
    parts = streamed(toy, video)
    assert [part.frames_seen for part in parts] == [4, 8, 10]
    assert (parts[0].video, parts[0].fps) == ('clip', 8.0)
    equal(parts[-1], expected, 'queries', 'consensus')
    np.testing.assert_array_equal(
        parts[-1].ungated_masks[0], expected.ungated_masks[0, 8:], err_msg='last window'
    )


def test_a_damaged_file(toy, video, warnings_logged):
    content = video.read_bytes()
    video.write_bytes(content[: len(content) * 4 // 5])
    parts = streamed(toy, video)
    assert 0 < parts[-1].frames_seen < 10
    assert any('stated frames could be read' in message for message in warnings_logged())
    video.write_bytes(b'no video')
    with pytest.raises(DataFileError, match=r'clip\.avi'):
        streamed(toy, video)


def test_generators_are_asked_for_a_window_at_a_time(toy):
    """What is not needed is not read, and a generator is closed with the stream."""
    events = []

    def frames():
        try:
            for number, frame in enumerate(moving_square(20)):
                events.append(number)
                yield frame
        finally:
            events.append('closed')

    with closing(stream_video(toy, frames(), TEXTS, frames_per_pass=4)) as parts:
        assert next(parts).frames_seen == 4
        assert events == [0, 1, 2, 3]
        assert next(parts).frames_seen == 8
    assert events == [*range(8), 'closed']
    assert not reader_threads()


def test_frames_before_an_error_are_segmented(toy):
    def frames():
        yield from moving_square(5)
        raise RuntimeError('the cable was pulled')

    for latest_only in (False, True):
        parts, source = [], frames()
        stream = stream_video(
            toy, source, TEXTS, frames_per_pass=5 if latest_only else 4, latest_only=latest_only
        )
        with pytest.raises(RuntimeError, match='the cable was pulled'):
            parts.extend(stream)
        assert parts[-1].frames_seen == 5
    assert not reader_threads()


def test_frames_of_another_size(toy):
    frames = iter([*moving_square(3), np.zeros((40, 80, 3), np.uint8)])
    parts = stream_video(toy, frames, TEXTS, frames_per_pass=3)
    assert next(parts).frames_seen == 3
    with pytest.raises(DataFileError, match=r'frame 3 of video has size \(40, 80\)'):
        next(parts)


def test_a_source_without_frames(toy, warnings_logged):
    assert list(stream_video(toy, iter([]), TEXTS)) == []
    assert 'video gave no frame' in warnings_logged()[-1]


class Camera:
    """A camera of 100 frames per second, whose frames show their numbers."""

    def __init__(self, count: int) -> None:
        self.count, self.is_closed = count, False

    def __iter__(self):
        try:
            for number in range(self.count):
                time.sleep(0.01)
                yield np.full((48, 80, 3), number, np.uint8)
        finally:
            self.is_closed = True


def test_a_slow_consumer_sees_the_latest_frames(toy):
    camera, parts = Camera(200), []
    stream = stream_video(toy, camera, TEXTS[:1], frames_per_pass=3, latest_only=True)
    for part in stream:
        parts.append(part)
        time.sleep(0.2)
        if len(parts) == 4:
            break
    stream.close()
    assert camera.is_closed
    assert not reader_threads()
    numbers = [[int(name) for name in part.frame_ids] for part in parts]
    for first, *others in numbers:  # consecutive within a window
        assert others == [first + 1, first + 2]
    assert all(b[0] - a[-1] > 10 for a, b in zip(numbers[:-1], numbers[1:]))
    assert parts[-1].frames_dropped >= numbers[-1][0] - 3 * 3
    assert parts[-1].frames_seen == 12
    # Names are numbers in the source, and so are the windows.
    assert parts[-1].windows == [(numbers[-1][0], numbers[-1][-1] + 1)]
    frame = next(iter(parts[-1].source))
    assert (frame == numbers[-1][0] % 256).all()


def test_leaving_the_loop_closes_the_source(toy):
    camera = Camera(1000)
    for _ in stream_video(toy, camera, TEXTS[:1], frames_per_pass=2, latest_only=True):
        break
    deadline = time.monotonic() + 5
    while reader_threads() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert camera.is_closed


def reader_threads():
    return [thread for thread in threading.enumerate() if thread.name == 'r2vos-frames']


def test_parts_can_be_drawn(toy):
    part = streamed(toy)[-1]
    images = list(part.plot())
    assert len(images) == 2
    assert 'StreamPart' in repr(part)
