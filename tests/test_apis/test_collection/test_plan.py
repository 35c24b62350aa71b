"""Tasks of a collection: order, shards and spans, by hand."""

from pathlib import Path

from r2vos_mm.apis.collection.manifest import Job
from r2vos_mm.apis.collection.plan import Task, Unit, plan_tasks, units_of


def job(frames: int | None, span: tuple[int, int] | None = None) -> Job:
    return Job('a', 'https://host/a.mp4', ('x',), span, frames)


def test_longest_first_in_shards() -> None:
    """100 videos of 10 frames, one of 300 and one unknown, taken for 100: 1400 // 64 = 21."""
    jobs = [job(10)] * 100 + [job(300), job(None)]
    tasks = plan_tasks(jobs, frames_per_pass=8)
    assert tasks[:3] == [Task(0, [100], 300, []), Task(1, [101], 100, []), Task(2, [0, 1], 20, [])]
    assert sorted(index for task in tasks for index in task.jobs) == list(range(102))
    assert [task.shard for task in tasks] == list(range(52))
    assert len(plan_tasks(jobs * 10, frames_per_pass=8, shard_frames=50)) == 10 + 10 + 200


def test_spans_begin_at_windows() -> None:
    """Of at most 20 frames in windows of 8: 16; the last span is open, or ends with the job's."""
    jobs = [job(35), job(100, (50, 90)), job(20)]
    tasks = plan_tasks(jobs, frames_per_pass=8, max_frames=20)
    assert [task.spans for task in tasks] == [
        [(50, 66), (66, 82), (82, 90)],
        [(0, 16), (16, 32), (32, None)],
        [],
    ]
    names = [unit.name for unit in units_of(tasks)]
    assert names[:4] == ['000000.0000', '000000.0001', '000000.0002', '000000']
    assert names[-1] == '000002'
    assert Unit(tasks[0]).needs() == names[:3]
    assert Unit(tasks[0], 1).needs() == Unit(tasks[2]).needs() == []


def test_a_window_is_never_cut() -> None:
    """Windows longer than a span is allowed to be."""
    assert plan_tasks([job(16)], frames_per_pass=16, max_frames=5)[0].spans == []
    assert plan_tasks([job(17)], frames_per_pass=16, max_frames=5)[0].spans == [(0, 16), (16, None)]


def test_lengths_of_files(tmp_path: Path) -> None:
    """Folders are counted; unreadable files have no length."""
    for index in range(7):
        (tmp_path / f'{index}.jpg').write_bytes(b'')
    (tmp_path / 'a.mp4').write_bytes(b'no video')
    names = (str(tmp_path), str(tmp_path / 'a.mp4'), str(tmp_path / 'nowhere.mp4'))
    tasks = plan_tasks([Job(n, n, ('x',)) for n in names], frames_per_pass=8)
    assert [(task.jobs, task.frames) for task in tasks] == [([1], 100), ([2], 100), ([0], 7)]
