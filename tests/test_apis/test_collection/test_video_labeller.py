"""Rows of a model: those of one call for the whole video, however it is split."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from stream_models import TEXTS, change_predictions, moving_square, toy_model
from torch import nn

from r2vos_mm.apis import VideoSegmentation, segment_video
from r2vos_mm.apis.collection.labeller import VideoLabeller, weights_digest
from r2vos_mm.apis.collection.manifest import Job
from r2vos_mm.apis.results.mask_records import MaskRecord
from r2vos_mm.utils.data_issues import DataFileError

FRAMES, WINDOW = 22, 4  # windows of 4, the last one of 2


@pytest.fixture(scope='module')
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('square')
    for index, frame in enumerate(moving_square(FRAMES)):
        Image.fromarray(frame).save(folder / f'{index}.png')
    return folder


@pytest.fixture
def model(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """A model whose best query and verdict change from window to window, by its features."""
    model = toy_model(getattr(request, 'param', 'r2vos_tiny'))
    predict, numbers = model.predict_window, {}

    def changed(clips: Any, text: Any) -> Any:
        predictions = predict(clips, text)
        key = predictions.queries.masks.sum().item()
        number = numbers.setdefault(key, len(numbers))
        return change_predictions(predictions, number, is_judged=model.cycle_head is not None)

    monkeypatch.setattr(model, 'predict_window', changed)
    return model


def whole_call(model: nn.Module, frames: Any) -> VideoSegmentation:
    return segment_video(model, frames, TEXTS, frames_per_pass=WINDOW, cut_as_stream=True)


def rows_of(
    labeller: VideoLabeller, job: Job, spans: list[tuple[int, int | None]]
) -> list[dict[str, Any]]:
    parts = [labeller.label_span(job, span) for span in spans]
    return labeller.join(job, spans, json.loads(json.dumps(parts)))


def check(rows: list[dict[str, Any]], result: VideoSegmentation) -> None:
    for row, record, ranges in zip(rows, result.records(), result.windows_found, strict=True):
        expected = record.as_dict() | dict(video=row['video'])
        assert {name: row[name] for name in expected} == expected
        assert row['windows_found'] == ranges
        assert len(MaskRecord.from_dict(row)) == len(result.frame_names)


def counted(labeller: VideoLabeller, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Spans that are segmented with given queries."""
    spans, label = [], labeller.label_span

    def label_span(job: Job, span: Any, queries: Any = None) -> Any:
        if queries is not None:
            spans.append(span)
        return label(job, span, queries)

    monkeypatch.setattr(labeller, 'label_span', label_span)
    return spans


def splits() -> Iterator[tuple[str, list[tuple[int, int | None]]]]:
    yield 'whole', [(0, None)]
    yield 'two spans', [(0, 12), (12, None)]
    yield 'a span per window', [(t, t + 4) for t in range(0, 24, 4)]
    yield 'more frames were stated', [(0, 12), (12, 24), (24, 36), (36, None)]
    yield 'fewer frames were stated', [(0, 4), (4, None)]


WITHOUT_VERDICT = pytest.param('referformer_tiny', [(0, 12), (12, None)], id='without verdict')


@pytest.mark.parametrize(
    ('model', 'spans'),
    [*(pytest.param('r2vos_tiny', s, id=n) for n, s in splits()), WITHOUT_VERDICT],
    indirect=['model'],
)
def test_rows_are_those_of_one_call(
    model: nn.Module,
    video: Path,
    spans: list[tuple[int, int | None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    labeller, result = VideoLabeller(model, frames_per_pass=WINDOW), whole_call(model, video)
    again = counted(labeller, monkeypatch)
    check(rows_of(labeller, Job('a', str(video), tuple(TEXTS)), spans), result)
    # Queries of single windows differ from those of the video.
    assert bool(again) == (len(spans) > 1)


def test_span_of_a_job(model: nn.Module, video: Path) -> None:
    """Frames 3 to 13, split at a window; names are those of the video."""
    labeller = VideoLabeller(model, frames_per_pass=WINDOW)
    result = whole_call(model, moving_square(FRAMES)[3:14])
    rows = rows_of(labeller, Job('a', str(video), tuple(TEXTS), (3, 14)), [(3, 11), (11, 14)])
    names = [str(number) for number in range(3, 14)]
    for row, record in zip(rows, result.records(), strict=True):
        assert row['frames'] == names
        assert row['segmentations'] == record.segmentations
        assert row['consensus'] == record.consensus


def test_rows_have_no_secrets_of_addresses(video: Path) -> None:
    labeller = VideoLabeller(toy_model('r2vos_tiny'), frames_per_pass=WINDOW)
    job = Job('a', f'file://user:secret@localhost{video}?signature=secret', ('x',))
    [row] = rows_of(labeller, job, [(0, None)])
    assert row['video'] == f'file://localhost{video}'
    assert 'secret' not in json.dumps(row)


def test_video_without_frames(video: Path) -> None:
    labeller = VideoLabeller(toy_model('r2vos_tiny'), frames_per_pass=WINDOW)
    job = Job('a', str(video), ('x',), (30, 40))
    with pytest.raises(DataFileError, match=r'has no frame in \[30, 40\]'):
        rows_of(labeller, job, [(30, 40)])
    with pytest.raises(FileNotFoundError, match='nowhere'):
        labeller.label_span(Job('a', 'nowhere', ('x',)), (0, None))


def test_settings_name_weights_and_config() -> None:
    model = toy_model('r2vos_tiny')
    before = VideoLabeller(model).settings
    assert before['checkpoint'] == weights_digest(model)
    assert before['frames_per_pass'] == 36
    assert before['threshold'] == model.test_cfg.gate_threshold
    with torch.no_grad():
        next(model.parameters()).view(-1)[0] += 1
    assert VideoLabeller(model).settings['checkpoint'] != before['checkpoint']
