"""The queue: order, progress, cancelling, errors and limits."""

import pytest
from clocks import wait_until

from r2vos_mm.serve import JobQueue
from r2vos_mm.serve.clips import RefusedError
from r2vos_mm.utils.cli import UsageError


@pytest.fixture
def queue(red_model):
    queue = JobQueue(red_model, max_jobs=2, max_results=2)
    yield queue
    red_model.gate.set()
    queue.close()


@pytest.fixture
def clip(store):
    return store.open_sample('square')


def test_jobs_run_one_after_another(queue, clip, red_model):
    red_model.gate.clear()
    first, second = queue.submit(clip, ['a']), queue.submit(clip, ['b', 'c'])
    wait_until(lambda: first.state == 'running')
    assert (second.state, queue.position(first), queue.position(second)) == ('queued', 0, 1)
    with pytest.raises(RefusedError, match='2 requests are waiting already'):
        queue.submit(clip, ['d'])
    red_model.gate.set()
    wait_until(lambda: second.state == 'done')
    assert red_model.calls == [['a'], ['b', 'c']]
    assert (first.state, first.done, first.total) == ('done', 5, 5)
    assert second.result.texts == ['b', 'c']
    assert queue[second.key] is second


def test_a_running_and_a_waiting_job_are_cancelled(queue, clip, red_model):
    red_model.gate.clear()
    first, second = queue.submit(clip, ['a']), queue.submit(clip, ['b'])
    wait_until(lambda: first.state == 'running')
    queue.cancel(second)
    queue.cancel(first)
    red_model.gate.set()
    third = queue.submit(clip, ['c'])
    wait_until(lambda: third.state == 'done')
    assert (first.state, first.result, second.state) == ('cancelled', None, 'cancelled')
    assert red_model.calls == [['a'], ['c']]
    queue.cancel(third)
    assert third.state == 'done'


def test_errors_are_one_line_and_the_queue_goes_on(clip):
    errors = [UsageError(f'{clip.path}: cut off'), 'fault', None]

    def segment(clip, texts, on_progress):
        error = errors.pop(0)
        if error == 'fault':
            {}['x']  # noqa: B018
        elif error is not None:
            raise error

    queue = JobQueue(segment)
    jobs = [queue.submit(clip, ['a']) for _ in range(3)]
    wait_until(lambda: jobs[-1].state == 'done')
    assert [job.state for job in jobs] == ['failed', 'failed', 'done']
    assert jobs[0].error == 'square: cut off'
    assert jobs[1].error.startswith('internal error: ')
    queue.close()


def test_old_results_are_forgotten(queue, clip):
    jobs = []
    for text in 'abc':
        jobs.append(queue.submit(clip, [text]))
        wait_until(lambda: jobs[-1].state == 'done')
    wait_until(lambda: len(queue._jobs) == 2)
    with pytest.raises(RefusedError, match='has been removed'):
        queue[jobs[0].key]
    assert queue[jobs[2].key] is jobs[2]


def test_close_ends_the_thread(red_model, clip):
    queue = JobQueue(red_model)
    job = queue.submit(clip, ['a'])
    queue.close()
    assert job.state in ('done', 'cancelled')
    assert not queue._thread.is_alive()
