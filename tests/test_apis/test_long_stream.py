"""Memory of long streams; ``R2VOS_LONG_STREAM=1`` measures 10,000 frames."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / 'fixtures' / 'long_stream.py'
IS_LONG = os.environ.get('R2VOS_LONG_STREAM') == '1'


def measured(*options: object) -> dict:
    """What the script prints."""
    environment = os.environ | {'PYTHONPATH': str(SCRIPT.parents[2])}
    command = [sys.executable, str(SCRIPT), *map(str, options)]
    output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return json.loads(output.stdout.splitlines()[-1])


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='memory is read from /proc')
def test_a_stream_takes_the_same_memory_at_every_length(tmp_path):
    num_frames = 10_000 if IS_LONG else 180
    found = measured('stream', num_frames, '--size', 96, 128, '--out', tmp_path)
    memory = dict(found['memory'])
    reference = memory[min(72, num_frames)]
    later = {done: size for done, size in memory.items() if done > 72}
    assert len(later) >= 3
    assert all(abs(size - reference) < 0.1 * reference for size in later.values()), later
    assert found['files'] == 2 * num_frames
    assert json.loads((tmp_path / 'verdict.json').read_text())['frames_seen'] == num_frames


@pytest.mark.skipif(not IS_LONG, reason='takes several minutes: set R2VOS_LONG_STREAM=1')
def test_a_whole_video_in_one_call():
    found = measured('whole', 10_000, '--size', 720, 1280)
    assert found['shape'] == [2, 10_000, 720, 1280]
    assert found['foreground'] > 0
    assert found['peak_mb'] < 2000
