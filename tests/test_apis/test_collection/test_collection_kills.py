"""A collection whose processes are killed at any moment ends with the rows of an unbroken run.

By default one run is killed five times. ``R2VOS_KILL_SWEEP=all`` repeats that 40 times, and does it
with a small model on video files.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from fake_collection import FakeLabeller

from r2vos_mm.apis.collection.run import label_collection

ROOT = Path(__file__).parents[3]
FAKE = ROOT / 'tests' / 'fixtures' / 'fake_collection.py'
EVERYTHING = os.environ.get('R2VOS_KILL_SWEEP') == 'all'
BROKEN, LONG = (7, 20, 33), (5, 28)
CONFIG = 'configs/r2vos_tiny_refshapes.py'
RESIZE = 'test_dataloader.dataset.pipeline.0.transforms.1.scale'
PATIENCE = 240


def length(number: int) -> int:
    """Frames of a video: 1 to 30, and more in two."""
    return 110 + number if number in LONG else 1 + 7 * number % 30


def write_manifest(folder: Path, *, is_fake: bool) -> Path:
    """Write 40 videos of unequal length, three of them broken, and their manifest."""
    lines = []
    for number in range(40):
        name = f'{number:02d}.{"txt" if is_fake else "avi"}'
        row = dict(id=f'v{number}', video=name, expressions=['a red square', 'A Dog'][: number % 3])
        if is_fake:
            row['frames'] = length(number)
            (folder / name).write_text('no' if number in BROKEN else str(length(number)))
        elif number in BROKEN:
            (folder / name).write_bytes(b'\0' * 99)
        else:
            write_video(folder / name, length(number))
        lines.append(json.dumps({**row, 'expressions': row['expressions'] or ['the ring']}) + '\n')
    path = folder / 'jobs.jsonl'
    path.write_text(''.join(lines))
    return path


def write_video(path: Path, frames: int) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 6, (64, 48))
    for t in range(frames):
        frame = np.full((48, 64, 3), 30 + t % 60, np.uint8)
        frame[10:30, t % 44 : t % 44 + 20] = (30, 30, 220)
        writer.write(frame)
    writer.release()


def rows_of(folder: Path) -> list[str]:
    paths = (folder / 'shards').glob('*.jsonl')
    return sorted(line for path in paths for line in path.read_text().splitlines())


def failures_of(folder: Path) -> list[str]:
    return sorted((folder / 'failures.jsonl').read_text().splitlines())


def num_done(out: Path) -> int:
    return sum(1 for name in ('shards', 'parts') for _ in (out / name).glob('[!.]*'))


def children_of(pid: int) -> list[int]:
    """Worker processes of a run, without the tracker of multiprocessing."""
    text = Path(f'/proc/{pid}/task/{pid}/children').read_text()
    lines = {int(p): Path(f'/proc/{p}/cmdline').read_bytes() for p in text.split()}
    return [child for child, line in lines.items() if b'spawn_main' in line]


def kill_and_restart(line: list[str], out: Path, rng: random.Random) -> Iterator[str]:
    """Run to the end with five kills, of one worker or of all processes in turn."""
    for kill in range(5):
        process = subprocess.Popen(line, start_new_session=True, env=environment())
        wanted = num_done(out) + rng.randrange(8)
        end = time.monotonic() + PATIENCE
        while num_done(out) < wanted and process.poll() is None and time.monotonic() < end:
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.1))
        workers = children_of(process.pid) if process.poll() is None else []
        if kill % 2 == 0 and workers:
            os.kill(rng.choice(workers), signal.SIGKILL)
            yield 'one'
            time.sleep(rng.uniform(0, 0.3))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            yield 'all'
        process.wait()
    done = subprocess.run(line, capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stderr[-2000:]


def environment() -> dict[str, str]:
    return {**os.environ, 'PYTHONPATH': os.pathsep.join([str(ROOT), str(FAKE.parent)])}


def check(out: Path, unbroken: Path) -> None:
    """Compare all that a run leaves, but times."""
    assert rows_of(out) == rows_of(unbroken)
    assert failures_of(out) == failures_of(unbroken)
    assert len(failures_of(out)) == len(BROKEN)
    summaries = [json.loads((f / 'summary.json').read_text()) for f in (out, unbroken)]
    names = ('in_manifest', 'videos', 'failed', 'rows', 'found', 'frames', 'masks', 'bytes')
    assert [summaries[0][n] for n in names] == [summaries[1][n] for n in names]
    assert summaries[0]['videos'] == 40
    assert sorted(p.name for p in out.iterdir()) == sorted(p.name for p in unbroken.iterdir())
    assert sorted(p.name for p in (out / 'shards').iterdir()) == sorted(
        p.name for p in (unbroken / 'shards').iterdir()
    )


@pytest.mark.parametrize('seed', range(40 if EVERYTHING else 1))
def test_kills(tmp_path: Path, seed: int) -> None:
    """Two processes; two videos are split into spans."""
    manifest = write_manifest(tmp_path, is_fake=True)
    options = dict(build=FakeLabeller, max_frames=40, show_progress=False)
    label_collection(manifest, tmp_path / 'unbroken', **options)
    line = [sys.executable, str(FAKE), str(manifest), str(tmp_path / 'out'), '2']
    kills = list(kill_and_restart(line, tmp_path / 'out', random.Random(seed)))
    print(f'killed {kills.count("one")} workers and {kills.count("all")} runs')
    assert kills
    check(tmp_path / 'out', tmp_path / 'unbroken')


@pytest.mark.skipif(not EVERYTHING, reason='R2VOS_KILL_SWEEP=all kills runs of a model')
def test_kills_of_a_model(tmp_path: Path) -> None:
    """The command, with a small model, on video files."""
    manifest = write_manifest(tmp_path, is_fake=False)
    line = [sys.executable, '-m', 'r2vos_mm.cli', 'predict', '--manifest', str(manifest)]
    line += ['--model', 'r2vos_tiny', '--device', 'cpu', '--max-frames', '40']
    line += ['--frames-per-pass', '8', '--out']
    end = ['--cfg-options', f'{RESIZE}=(64,64)']
    one = subprocess.run(
        [*line, str(tmp_path / 'unbroken'), *end], capture_output=True, text=True, env=environment()
    )
    assert one.returncode == 0, one.stderr[-2000:]
    two = [*line, str(tmp_path / 'out'), '--processes', '2', *end]
    kills = list(kill_and_restart(two, tmp_path / 'out', random.Random(0)))
    print(f'killed {kills.count("one")} workers and {kills.count("all")} runs')
    check(tmp_path / 'out', tmp_path / 'unbroken')
