"""A training that is killed or signalled at any moment and resumed ends as if it had not been.

By default a few moments are tried. ``R2VOS_KILL_SWEEP=all`` tries every event of a run, in one
process, with loader workers, and in two processes, two kills of one run, and random times.
"""

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from run_states import differences, final_state, last_state

ROOT = Path(__file__).parents[2]
EVERYTHING = os.environ.get('R2VOS_KILL_SWEEP') == 'all'
# Event, how many of its name come before it, and what had happened.
MOMENTS = {
    'start': ('start', 0),
    'before the first checkpoint': ('after_train_iter', 1),
    'in the first checkpoint': ('half of iter_3', 0),
    'in a later checkpoint': ('half of iter_9', 0),
    'between checkpoint and pointer': ('after iter_9.pth', 0),
    'before an old checkpoint is removed': ('remove iter_4.pth', 0),
    'in a validation': ('after_val_iter', 2),
    'in the last validation': ('after_val_iter', 5),
    'between best checkpoints': ('remove best_JFR_iter_4.pth', 0),
    'after the best checkpoint': ('after best_JFR_iter_12.pth', 0),
    'after the end': ('end', 0),
}
WORKERS = ['train_dataloader.num_workers=2', 'train_dataloader.persistent_workers=True']


def sweep(folder: Path, jobs: list[dict]) -> list[dict]:
    """Run the jobs, their folders below ``folder``, with tests/fixtures/kill_sweep.py."""
    files = [folder / 'jobs.json', folder / 'results.json']
    jobs = [{**job, 'folder': str(folder / job['folder'])} for job in jobs]
    files[0].write_text(json.dumps(jobs))
    script = [sys.executable, str(ROOT / 'tests' / 'fixtures' / 'kill_sweep.py')]
    done = subprocess.run([*script, *map(str, files)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(files[1].read_text())


def check(
    undisturbed: dict,
    results: list[dict],
    state: Callable[[Path], dict] = final_state,
) -> list[str]:
    """Return what is wrong with the results."""
    wrong = []
    for result in results:
        name = f'{Path(result["folder"]).name}, killed at {result["kill"]}'
        if any(result['lives'][-1]):
            log = Path(f'{result["folder"]}.log').read_text()[-2000:]
            wrong.append(f'{name}: ended with {result["lives"]}\n{log}')
            continue
        found = differences(undisturbed, state(Path(result['folder'])))
        wrong += [f'{name}: {text}' for text in found[:3]]
    return wrong


@pytest.fixture(scope='module')
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], dict]:
    """Names of the events of a run that is not killed, and what it leaves."""
    folder = tmp_path_factory.mktemp('undisturbed')
    result = sweep(folder, [dict(folder='run', kill=[])])[0]
    assert result['lives'] == [[0]], (folder / 'run.log').read_text()
    return result['events'], final_state(folder / 'run')


@pytest.mark.slow
def test_some_moments(undisturbed: tuple[list[str], dict], tmp_path: Path) -> None:
    events, expected = undisturbed
    jobs = []
    for number, (event, before) in enumerate(MOMENTS.values()):
        indices = [i for i, name in enumerate(events, start=1) if name == event]
        jobs.append(dict(folder=f'run{number}', kill=[indices[before]]))
    results = sweep(tmp_path, jobs)
    assert all(result['lives'][0] == [-9] for result in results)
    assert check(expected, results) == []


@pytest.mark.skipif(not EVERYTHING, reason='R2VOS_KILL_SWEEP=all tries every moment')
@pytest.mark.parametrize(
    ('ranks', 'options', 'step'), [(1, [], 1), (1, WORKERS, 4), (2, [], 3)],
    ids=['one process', 'loader workers', 'two processes'],
)  # fmt: skip
def test_every_moment(tmp_path: Path, ranks: int, options: list[str], step: int) -> None:
    """Every ``step``-th event, in turns on the first and the last rank; two kills; random times."""
    shared = dict(ranks=ranks, options=options)
    start = sweep(tmp_path, [dict(folder='undisturbed', kill=[], **shared)])[0]
    expected, count = final_state(tmp_path / 'undisturbed'), len(start['events'])
    rng = random.Random(0)
    kills = [[event if event % 2 else -event] for event in range(1, count + 1, step)]
    kills += [sorted(rng.sample(range(1, count), 2)) for _ in range(40 // step)]
    kills += [[{'seconds': rng.uniform(0, 1.5 * ranks)}] for _ in range(80 // step)]
    jobs = [dict(folder=f'run{n}', kill=kill, **shared) for n, kill in enumerate(kills)]
    results = sweep(tmp_path, jobs)
    killed = sum(-9 in statuses for result in results for statuses in result['lives'])
    wrong = check(expected, results)
    print(f'{len(results)} runs, {killed} kills, {len(wrong)} differences')
    assert wrong == []


end_of_run = partial(last_state, iteration=12)


@pytest.mark.slow
def test_two_processes_signalled_three_times(tmp_path: Path) -> None:
    """The first, the last and again the first rank receive SIGTERM; all leave together."""
    shared = dict(ranks=2, signal='SIGTERM')
    jobs = [
        dict(folder=f'run{n}', kill=kill, **shared) for n, kill in enumerate([[], [20, -14, 14]])
    ]
    results = sweep(tmp_path, jobs)
    assert [set(life) & {143} for life in results[1]['lives']] == [{143}, {143}, {143}, set()]
    assert check(end_of_run(tmp_path / 'run0'), results, end_of_run) == []
    log = (tmp_path / 'run1.log').read_text()
    assert log.count('Stopped by SIGTERM after iteration') == 3


@pytest.mark.skipif(not EVERYTHING, reason='R2VOS_KILL_SWEEP=all tries every moment')
@pytest.mark.parametrize(('ranks', 'step'), [(1, 1), (2, 3)])
def test_signals_at_every_moment(tmp_path: Path, ranks: int, step: int) -> None:
    shared = dict(ranks=ranks, signal='SIGTERM')
    start = sweep(tmp_path, [dict(folder='undisturbed', kill=[], **shared)])[0]
    kills = [[n if n % 2 else -n] for n in range(1, len(start['events']) + 1, step)]
    jobs = [dict(folder=f'run{n}', kill=kill, **shared) for n, kill in enumerate(kills)]
    results = sweep(tmp_path, jobs)
    wrong = check(end_of_run(tmp_path / 'undisturbed'), results, end_of_run)
    left = sum(143 in result['lives'][0] for result in results)
    print(f'{len(results)} runs, {left} left early, {len(wrong)} differences')
    assert wrong == []
