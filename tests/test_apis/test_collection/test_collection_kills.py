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

import pytest
from fake_collection import FakeLabeller
from small_collection import BROKEN, CONFIG_OPTIONS, failures_of, rows_of, write_manifest

from r2vos_mm.apis.collection.run import label_collection

ROOT = Path(__file__).parents[3]
FAKE = ROOT / 'tests' / 'fixtures' / 'fake_collection.py'
EVERYTHING = os.environ.get('R2VOS_KILL_SWEEP') == 'all'
PATIENCE = 240


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
    one = subprocess.run(
        [*line, str(tmp_path / 'unbroken'), *CONFIG_OPTIONS],
        capture_output=True,
        text=True,
        env=environment(),
    )
    assert one.returncode == 0, one.stderr[-2000:]
    two = [*line, str(tmp_path / 'out'), '--processes', '2', *CONFIG_OPTIONS]
    kills = list(kill_and_restart(two, tmp_path / 'out', random.Random(0)))
    print(f'killed {kills.count("one")} workers and {kills.count("all")} runs')
    check(tmp_path / 'out', tmp_path / 'unbroken')
