import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from stream_models import TEXTS, changing_predictions, moving_square, toy_model

from r2vos_mm.apis import StreamWriter, segment_video, stream_video
from r2vos_mm.apis.results.mask_records import read_coco_rle
from r2vos_mm.utils.masks_io import read_label_png

FRAMES = moving_square(7)

INTERRUPTED = """
import sys, time
sys.path[:0] = {folders}
from stream_models import TEXTS, moving_square, toy_model
from r2vos_mm.apis import StreamWriter, stream_video
from r2vos_mm.utils.cli import short_errors

def camera():
    while True:
        yield from moving_square(40)

with short_errors(), StreamWriter({out!r}) as writer:
    for part in stream_video(toy_model('r2vos_tiny'), camera(), TEXTS, frames_per_pass=2,
                             latest_only=True, threshold=0.0):
        writer.write(part)
"""


def test_files_of_a_stream(tmp_path):
    model = toy_model('r2vos_tiny')
    parts = []
    with changing_predictions(model), StreamWriter(tmp_path / 'out') as writer:
        for part in stream_video(model, FRAMES, TEXTS, frames_per_pass=3):
            writer.write(part)
            parts.append(part)
            # What was written so far is complete.
            assert len(read_coco_rle(tmp_path / 'out' / 'masks.jsonl')[0]) == part.frames_seen
    masks = np.concatenate([part.masks for part in parts], axis=1)
    for p, record in enumerate(read_coco_rle(tmp_path / 'out' / 'masks.jsonl')):
        folder = next((tmp_path / 'out' / 'masks').glob(f'{p}_*'))
        names = sorted(path.stem for path in folder.iterdir())
        assert names == record.frames == [f'{t:05d}' for t in range(7)]
        for t, name in enumerate(names):
            np.testing.assert_array_equal(read_label_png(folder / f'{name}.png') > 0, masks[p, t])
            np.testing.assert_array_equal(record[t], masks[p, t])
        assert record.found == parts[-1].found[p]
    verdict = json.loads((tmp_path / 'out' / 'verdict.json').read_text())
    assert (verdict['frames_seen'], verdict['windows_seen']) == (7, 3)
    for p, row in enumerate(verdict['expressions']):
        assert row['expression'] == TEXTS[p]
        assert row['found'] == parts[-1].found[p]
        assert row['consensus'] == pytest.approx(parts[-1].consensus[p], abs=1e-4)
        assert [tuple(frames) for frames in row['windows_found']] == parts[-1].windows_found[p]
    assert masks.any()


def test_kinds_of_files(tmp_path):
    model = toy_model('mttr_tiny')
    with StreamWriter(tmp_path / 'out', what=['verdict']) as writer:
        for part in stream_video(model, FRAMES[:2], TEXTS[0]):
            writer.write(part)
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['verdict.json']
    row = json.loads((tmp_path / 'out' / 'verdict.json').read_text())['expressions'][0]
    # A model without a verdict finds everything.
    assert (row['found'], row['consensus'], row['windows_found']) == (True, None, [[0, 2]])
    with pytest.raises(
        ValueError, match="'pngs' is unknown: a stream writes masks, jsonl, verdict"
    ):
        StreamWriter(tmp_path, what=['pngs'])


def test_ctrl_c_leaves_valid_files(tmp_path):
    out, script = tmp_path / 'out', tmp_path / 'stream.py'
    fixtures = Path(__file__).parents[2] / 'fixtures'
    root = Path(__file__).parents[3]
    script.write_text(INTERRUPTED.format(folders=[str(fixtures), str(root)], out=str(out)))
    process = subprocess.Popen([sys.executable, script], stderr=subprocess.PIPE, text=True)
    lines = out / 'masks.jsonl'
    deadline = time.monotonic() + 300
    while not (lines.exists() and lines.read_text().count('\n') > 5):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert 'Traceback' not in errors
    assert lines.read_text().endswith('\n')
    records = read_coco_rle(lines)
    written = list((out / 'masks').rglob('*'))
    assert not [path for path in written if path.name.startswith('.')]
    for path in written:
        if path.suffix == '.png':
            assert read_label_png(path).shape == (48, 80)
    assert sum(path.suffix == '.png' for path in written) >= sum(map(len, records))
    assert json.loads((out / 'verdict.json').read_text())['frames_seen'] >= 2


def test_the_same_masks_as_a_call(tmp_path):
    """Of a model whose query and verdict stay the same."""
    model = toy_model('referformer_tiny')
    whole = segment_video(model, FRAMES, TEXTS[0], frames_per_pass=7)
    with StreamWriter(tmp_path, what=['jsonl']) as writer:
        for part in stream_video(model, FRAMES, TEXTS[0], frames_per_pass=7):
            writer.write(part)
    (record,) = read_coco_rle(tmp_path / 'masks.jsonl')
    np.testing.assert_array_equal(np.stack([record[t] for t in range(7)]), whole.masks[0])
