"""Collections on a local Ray of two actors, one of which is killed in the middle."""

import json
import os
import signal
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fake_collection import FakeLabeller, label, write_manifest

from r2vos_mm.apis.collection.ray_data import BatchLabeller
from r2vos_mm.apis.collection.run import label_collection
from r2vos_mm.apis.collection.work import Worker

ray = pytest.importorskip('ray', reason='Ray is not installed: pip install "r2vos_mm[ray]"')
LENGTHS = [40, 'broken', *range(60, 100, 5)]


class TracedLabeller(FakeLabeller):
    """Leaves a file named after its process for each video that it begins."""

    def __init__(self, folder: Path) -> None:
        super().__init__(seconds=0.005)
        self.folder = folder

    def label_span(self, job: Any, span: Any) -> dict[str, Any]:
        (self.folder / f'{os.getpid()}-{job.id}').touch()
        [*rows] = super().label_span(job, span)['codes']
        return dict(codes=[[dict(size=[1, 1], counts=x) for x in codes] for codes in rows])


class TracedBatchLabeller(BatchLabeller):
    """Takes the fake model."""

    def __init__(self, folder: Path) -> None:
        self.worker = Worker(None, TracedLabeller(folder))


@pytest.fixture(scope='module')
def cluster() -> Any:
    fixtures = Path(__file__).parents[2] / 'fixtures'
    paths = [Path(__file__).parent, fixtures, Path(__file__).parents[3]]
    variables = dict(PYTHONPATH=os.pathsep.join(map(str, paths)))
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env=dict(env_vars=variables),
    )
    yield
    ray.shutdown()


def kill_an_actor(traces: Path, killed: list[tuple[str, str]]) -> None:
    """Kill the process that begins the fourth video that can be read."""
    while len(found := sorted(traces.glob('*-[!1]'), key=lambda x: x.stat().st_mtime_ns)) < 4:
        time.sleep(0.005)
    process, _, video = found[-1].name.partition('-')
    os.kill(int(process), signal.SIGKILL)
    killed.append((process, video))


@pytest.fixture
def killed(tmp_path: Path) -> Any:
    traces, killed = tmp_path / 'traces', []
    traces.mkdir()
    thread = threading.Thread(target=kill_an_actor, args=(traces, killed), daemon=True)
    thread.start()
    yield killed
    thread.join(timeout=10)
    [(process, video)] = killed
    assert len(list(traces.glob(f'*-{video}'))) == 2  # begun again in another process
    assert len({path.name.partition('-')[0] for path in traces.iterdir()} - {process}) >= 1


def sorted_rows(folder: Path) -> list[str]:
    return sorted(
        line for x in folder.glob('shards/*.jsonl') for line in x.read_text().splitlines()
    )


def test_the_engine_loses_nothing(
    tmp_path: Path, cluster: Any, killed: list[tuple[str, str]]
) -> None:
    manifest = write_manifest(tmp_path, LENGTHS)
    build = partial(TracedLabeller, tmp_path / 'traces')
    summary = label(manifest, build=build, engine='ray', processes=2)
    assert (summary['videos'], summary['failed'], summary['rows']) == (10, 1, 18)
    alone, build = tmp_path / 'alone', partial(TracedLabeller, tmp_path)
    label_collection(manifest, alone, build=build, show_progress=False)
    assert sorted_rows(tmp_path / 'out') == sorted_rows(alone)


def test_the_class_for_map_batches_loses_nothing(
    tmp_path: Path, cluster: Any, killed: list[tuple[str, str]]
) -> None:
    manifest = write_manifest(tmp_path, LENGTHS)
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    rows = [row | dict(video=str(tmp_path / row['video'])) for row in rows]
    labels = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        TracedBatchLabeller,
        fn_constructor_args=[tmp_path / 'traces'],
        batch_size=1,
        concurrency=2,
    )
    rows = [(row['id'], row['expression'], row['error']) for row in labels.take_all()]
    found = sorted(rows, key=_without_none)
    expected = [(str(n), text, None) for n in range(10) if n != 1 for text in 'xy']
    expected.append(('1', None, str(tmp_path / '1.txt') + ' is broken'))
    assert found == sorted(expected, key=_without_none)


def _without_none(row: tuple[str, str | None, str | None]) -> tuple[str, str]:
    return row[0], row[1] or ''
