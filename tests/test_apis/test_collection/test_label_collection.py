"""Runs of a collection with a model that needs no torch; tests that kill are beside this file."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from clocks import wait_until
from fake_collection import FAKE_FILE, FakeLabeller, label, write_manifest
from small_collection import rows_of

from r2vos_mm.apis.collection.folder import CollectionFolder
from r2vos_mm.apis.collection.manifest import Job
from r2vos_mm.apis.collection.plan import Task
from r2vos_mm.apis.collection.run import label_collection
from r2vos_mm.apis.collection.work import TooManyFailuresError
from r2vos_mm.utils.cli import UsageError, UserError
from r2vos_mm.utils.data_issues import DataFileError


def test_summary_and_files(tmp_path: Path) -> None:
    """Two videos of 3 and 5 frames with two expressions each, and a broken one."""
    manifest = write_manifest(tmp_path, [3, 'broken', 5])
    summary = label(manifest)
    counts = {k: v for k, v in summary.items() if 'second' not in k and k != 'bytes'}
    assert counts == dict(
        in_manifest=3, shards=3, videos=3, failed=1, rows=4, found=4, frames=8, masks=16
    )
    out = tmp_path / 'out'
    assert json.loads((out / 'summary.json').read_text()) == summary
    [failure] = map(json.loads, (out / 'failures.jsonl').read_text().splitlines())
    assert failure == dict(
        id='1', video=str(tmp_path / '1.txt'), expressions=['x', 'y'], error='1.txt is broken'
    )
    assert summary['bytes'] == sum(p.stat().st_size for p in out.glob('shards/*.jsonl'))
    names = {path.name for path in out.iterdir()}
    assert names == {'collection.json', 'failures.jsonl', 'shards', 'summary.json'}


def test_a_second_run_does_nothing(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path, [3, 5])
    label(manifest)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob('out/shards/*')}

    class Idle(FakeLabeller):
        def label_span(self, *_: object) -> dict[str, Any]:
            raise AssertionError('nothing is left')

    assert label(manifest, build=Idle)['rows'] == 4
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.glob('out/shards/*')}


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(checkpoint='two'), 'begun with checkpoint one, not two'),
        (dict(threshold=0.4), 'begun with threshold 0.5, not 0.4'),
        (dict(config=dict(model=dict(depth=2))), 'begun with config.model.depth 1, not 2'),
        (dict(config=dict(model={})), 'begun with config.model.depth 1, not None'),
    ],
)
def test_other_settings_are_refused(tmp_path: Path, change: dict, message: str) -> None:
    manifest = write_manifest(tmp_path, [3])
    label(manifest)

    def other() -> FakeLabeller:
        labeller = FakeLabeller(seconds=0)
        labeller.settings |= change
        return labeller

    with pytest.raises(UsageError, match=message):
        label(manifest, build=other)
    manifest.write_text(manifest.read_text().replace('"x"', '"z"'))
    with pytest.raises(UsageError, match='begun with manifest'):
        label(manifest)


def test_settings_in_processes_are_refused_in_one_line(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path, [3])
    label(manifest)
    with pytest.raises(UserError, match='begun with checkpoint one, not two') as error:
        label(manifest, processes=2, build=partial(FakeLabeller, 'two'))
    assert '\n' not in str(error.value)


def test_max_failures(tmp_path: Path) -> None:
    """Two are allowed, the third one ends the run; a larger number lets it go on."""
    manifest = write_manifest(tmp_path, ['broken'] * 5 + [4])
    with pytest.raises(TooManyFailuresError, match='3 videos failed, more than the 2 allowed'):
        label(manifest, max_failures=2)
    assert len((tmp_path / 'out' / 'failures.jsonl').read_text().splitlines()) == 3
    assert label(manifest, max_failures=5)['failed'] == 5


def test_many_unexpected_errors_end_the_run(tmp_path: Path) -> None:
    """As of a device that is lost; a few of them are failures of videos."""

    class Lost(FakeLabeller):
        def label_span(self, *_: object) -> dict[str, Any]:
            return [][1]

    assert label(write_manifest(tmp_path, [1] * 19), build=Lost)['failed'] == 19
    with pytest.raises(IndexError):
        label_collection(
            write_manifest(tmp_path, [1] * 20), tmp_path / 'b', build=Lost, show_progress=False
        )


def test_video_that_kills_processes_fails(tmp_path: Path) -> None:
    """After five; the others are segmented."""
    manifest = write_manifest(tmp_path, [3, 3])

    class Deadly(FakeLabeller):
        def label_span(self, job: Job, *arguments: Any) -> dict[str, Any]:
            if job.id == '0':
                os._exit(9)
            return super().label_span(job, *arguments)

    for _ in range(5):
        child = os.fork()
        if child == 0:
            label(manifest, build=Deadly)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert label(manifest, build=Deadly)['failed'] == 1
    failures = (tmp_path / 'out' / 'failures.jsonl').read_text()
    assert json.loads(failures)['error'] == '5 processes died while they segmented it'


@pytest.mark.parametrize('processes', [1, 2])
def test_preemptions_are_not_the_fault_of_a_video(tmp_path: Path, processes: int) -> None:
    """A scheduler sends SIGTERM to all processes, six times while they work on one video.

    Where there are workers, that of the video gets it first: it leaves it to the run.
    """
    manifest = write_manifest(tmp_path, [3])
    for number in range(6):
        child = os.fork()
        if child == 0:
            os.setpgid(0, 0)
            label(manifest, build=Endless, processes=processes)
            os._exit(0)
        wait_until((tmp_path / '0.begun').exists, seconds=60)
        if processes > 1:
            os.kill(int((tmp_path / '0.begun').read_text()), signal.SIGTERM)
            time.sleep(0.1)
        os.killpg(child, signal.SIGTERM)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM, number
        assert list(tmp_path.glob('out/claims/*')) == []
        (tmp_path / '0.begun').unlink()
    assert label(manifest)['failed'] == 0


class Endless(FakeLabeller):
    """A model that never finishes the first video, and fails at the others."""

    def label_span(self, job: Job, *arguments: Any) -> dict[str, Any]:
        begun = Path(job.path).with_suffix('.begun')
        while job.id != '0' and not begun.with_name('0.begun').exists():
            time.sleep(0.01)
        temporary = begun.with_suffix('.pid')
        temporary.write_text(str(os.getpid()))
        temporary.replace(begun)
        time.sleep(60 if job.id == '0' else 0)
        return super().label_span(job, *arguments)


def test_workers_that_the_run_stops_do_not_count_as_deaths(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path, [3, 'broken', 'broken'])
    with pytest.raises(TooManyFailuresError):
        label(manifest, build=Endless, processes=2, max_failures=0)
    assert (tmp_path / '0.begun').exists()
    assert list(tmp_path.glob('out/claims/*.json')) == []


def test_parts_that_another_process_joined(tmp_path: Path) -> None:
    """Between the look at what is done and the reading."""
    folder = CollectionFolder(tmp_path, [Job('a', 'a', ('x',))])
    task = Task(0, [0], 8, [(0, 4), (4, None)])
    with pytest.raises(FileNotFoundError):
        folder.read_parts(task)
    folder.write_shard(task, [], [], 0)
    assert folder.read_parts(task) is None


def test_parts_that_a_dead_process_left_are_removed(tmp_path: Path) -> None:
    """It died between the shard and the end of its parts."""
    manifest = write_manifest(tmp_path, [40])
    label(manifest, max_frames=4)
    (tmp_path / 'out' / 'parts').mkdir()
    (tmp_path / 'out' / 'parts' / '000000.0003.json').write_text('{}')
    label(manifest, max_frames=4)
    assert not (tmp_path / 'out' / 'parts').exists()


def test_unit_of_a_living_process_is_left_to_it(tmp_path: Path) -> None:
    """Another process gets the next one."""
    folders = [CollectionFolder(tmp_path, [Job(n, n, ('x',), frames=3) for n in 'ab'])]
    folders.append(CollectionFolder(tmp_path, folders[0].jobs))
    for folder in folders:
        folder.begin({}, lambda: [Task(0, [0], 3, []), Task(1, [1], 3, [])])
    with folders[0].next_unit() as first, folders[1].next_unit() as second:
        assert [first[0].name, second[0].name] == ['000000', '000001']
    with folders[1].next_unit() as again:
        assert again[0].name == '000000'


def test_progress_counts_all_processes(tmp_path: Path) -> None:
    """On stderr: videos, failures, rate and time left."""
    manifest = write_manifest(tmp_path, [3, 'broken', 5])
    line = [sys.executable, str(FAKE_FILE), str(manifest), str(tmp_path / 'out'), '2', 'progress']
    root = FAKE_FILE.parents[2]
    env = {**os.environ, 'PYTHONPATH': os.pathsep.join([str(root), str(FAKE_FILE.parent)])}
    result = subprocess.run(line, capture_output=True, text=True, env=env)
    assert result.returncode == 0, result.stderr
    last = result.stderr.splitlines()[-1]
    assert last.startswith('3/3 videos, 1 failed, ')
    assert last.endswith(' s left')
    assert ' videos/s, ' in last


def test_torchrun(tmp_path: Path) -> None:
    """Two real processes give the rows of one; both end well."""
    manifest = write_manifest(tmp_path, [3, 'broken', 5, 40, 17, 50])
    label(manifest)
    line = [sys.executable, '-m', 'torch.distributed.run', '--nproc_per_node=2', '--master_port=0']
    line += [str(FAKE_FILE), str(manifest), str(tmp_path / 'two'), '1', 'torchrun']
    root = FAKE_FILE.parents[2]
    env = {**os.environ, 'PYTHONPATH': os.pathsep.join([str(root), str(FAKE_FILE.parent)])}
    result = subprocess.run(line, capture_output=True, text=True, env=env)
    assert result.returncode == 0, result.stderr
    assert rows_of(tmp_path / 'two') == rows_of(tmp_path / 'out')


def test_units_are_looked_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is listed at the start and at the end, not for each of 40 units."""
    looks, done = [], CollectionFolder.done
    monkeypatch.setattr(CollectionFolder, 'done', lambda self: looks.append(1) or done(self))
    assert label(write_manifest(tmp_path, [3] * 40))['shards'] == 40
    assert len(looks) == 2


def test_secrets_of_addresses_are_not_written(tmp_path: Path) -> None:
    """Nor in messages; a manifest that is signed again continues."""
    address = 'https://user:p@ssword@host/a.mp4?X-Amz-Signature=secret#secret'
    row = dict(id='a', video=address, expressions=['x'])
    manifest = tmp_path / 'jobs.jsonl'
    manifest.write_text(json.dumps(row))

    class Refused(FakeLabeller):
        def label_span(self, job: Job, *_: object) -> dict[str, Any]:
            raise DataFileError(f'{job.path} cannot be read')

    assert label(manifest, build=Refused)['failed'] == 1
    written = [path.read_text() for path in (tmp_path / 'out').rglob('*') if path.is_file()]
    assert len(written) == 5
    for text in written:
        assert not any(word in text for word in ('user', 'ssword', 'secret', 'Signature'))
    [failure] = map(json.loads, (tmp_path / 'out' / 'failures.jsonl').read_text().splitlines())
    assert failure['video'] == 'https://host/a.mp4'
    assert failure['error'] == 'https://...@host/a.mp4?... cannot be read'
    manifest.write_text(json.dumps(row).replace('secret', 'other'))
    assert label(manifest)['failed'] == 1


@pytest.mark.parametrize(('engine', 'name'), [('torchrun', 'RANK'), ('slurm', 'SLURM_PROCID')])
def test_launchers(tmp_path: Path, engine: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each process of a launcher works until all is done; without one, a line says so."""
    manifest = write_manifest(tmp_path, [3, 5])
    monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match=f'needs {name} in the environment'):
        label(manifest, engine=engine)
    for rank in '01':
        monkeypatch.setenv(name, rank)
        assert label(manifest, engine=engine)['videos'] == 2


def test_arguments(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path, [3])
    with pytest.raises(UsageError, match="engine 'spark' is unknown"):
        label(manifest, engine='spark')
    with pytest.raises(UsageError, match='at least 1'):
        label(manifest, processes=0)
