"""A training that is killed at any moment and resumed ends as if it had not been killed.

By default a few moments are tried. ``R2VOS_KILL_SWEEP=all`` tries every event of a run, in one
process, with loader workers, and in two processes, two kills of one run, and random times.
"""

import json
import os
import random
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from r2vos_mm.compat.checkpoint import read_checkpoint

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
TIMES = {'time', 'data_time', 'memory'}


def sweep(folder: Path, jobs: list[dict]) -> list[dict]:
    """Run the jobs, their folders below ``folder``, with tests/fixtures/kill_sweep.py."""
    files = [folder / 'jobs.json', folder / 'results.json']
    jobs = [{**job, 'folder': str(folder / job['folder'])} for job in jobs]
    files[0].write_text(json.dumps(jobs))
    script = [sys.executable, str(ROOT / 'tests' / 'fixtures' / 'kill_sweep.py')]
    done = subprocess.run([*script, *map(str, files)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(files[1].read_text())


def final_state(folder: Path) -> dict[str, Any]:
    """Return all that a run leaves, without times and places."""
    checkpoints = {path.name: read_checkpoint(path) for path in folder.glob('*.pth')}
    for checkpoint in checkpoints.values():
        meta, hub = checkpoint['meta'], checkpoint['message_hub']
        for key in ('cfg', 'time', 'experiment_name'):
            del meta[key]
            hub['runtime_info'].pop(key, None)
        scalars = hub['log_scalars']
        for key in [key for key in scalars if key.rpartition('/')[2] in TIMES]:
            del scalars[key]
        info = hub['runtime_info']
        # The number of the current iteration, which a validation does not advance.
        del info['iter']
        info.pop('eta', None)
        for key in ('last_ckpt', 'best_ckpt'):
            info[key] = Path(info.get(key) or '').name
    lines = (folder / 'losses.jsonl').read_text().splitlines()
    losses = {(x['rank'], x['iter']): x['loss'] for x in map(json.loads, lines)}
    pointer = Path((folder / 'last_checkpoint').read_text()).name
    left = [path.name for path in folder.iterdir() if '.tmp' in path.name or '.skip' in path.name]
    return dict(checkpoints=checkpoints, losses=losses, pointer=pointer, left=left)


def differences(first: Any, second: Any, name: str = '') -> list[str]:
    """Return the names of what is not bitwise equal."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        missing = [f'{name}.{key}' for key in first.keys() ^ second.keys()]
        return missing + [
            found
            for key in first.keys() & second.keys()
            for found in differences(first[key], second[key], f'{name}.{key}')
        ]
    if isinstance(first, (list, tuple)) and isinstance(second, (list, tuple)):
        return differences(dict(enumerate(first)), dict(enumerate(second)), name)
    equal = torch.equal(first, second) if isinstance(first, torch.Tensor) else first == second
    return [] if equal else [f'{name}: {first} != {second}']


def check(undisturbed: dict, results: list[dict], folder: Path) -> list[str]:
    """Return what is wrong with the results."""
    wrong = []
    for result in results:
        name = f'{Path(result["folder"]).name}, killed at {result["kill"]}'
        if any(result['lives'][-1]):
            log = Path(f'{result["folder"]}.log').read_text()[-2000:]
            wrong.append(f'{name}: ended with {result["lives"]}\n{log}')
            continue
        found = differences(undisturbed, final_state(Path(result['folder'])))
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
    assert check(expected, results, tmp_path) == []


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
    wrong = check(expected, results, tmp_path)
    print(f'{len(results)} runs, {killed} kills, {len(wrong)} differences')
    assert wrong == []
