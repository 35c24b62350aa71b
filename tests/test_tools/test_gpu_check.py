"""The check of a GPU, as far as a CPU can run it."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from scripts import load_script

tool = load_script('benchmarks/gpu_check.py')
SCRIPT = Path(tool.__file__).with_suffix('.sh')


def test_all_steps_on_a_cpu(tmp_path):
    """Without those that compile models, which take as long as all others together."""
    steps = [name for name in tool.STEPS if not name.startswith('compiled')]
    command = ['bash', SCRIPT, '--cpu', '--out', tmp_path, '--steps', *steps]
    environment = os.environ | dict(PYTHON=sys.executable)
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((tmp_path / 'gpu_check.json').read_text())
    assert [step['status'] for step in results['steps']] == ['done'] * len(steps)
    assert {row['step'] for row in results['rows']} == set(steps)
    speeds = [row['what'] for row in results['rows'] if row['unit'] == 'frames/s']
    kinds = ['eager bfloat16', 'eager float32', 'eager bfloat16, 4 sentences']
    assert speeds == 2 * [*kinds, 'end to end bfloat16, JPEG of 96x64 to RLE']
    assert (tmp_path / 'gpu_check.md').read_text() in done.stdout


@pytest.fixture
def steps(monkeypatch):
    """Three steps: one measures, one fails, one does not end."""

    def measure(job, records):
        records.add('speed', 3.0, 'frames/s', bound='>= 4')

    def fail(job, records):
        records.add('error', 0.5, '', bound='<= 0.5')
        raise ValueError('no memory\nmore')

    steps = [('measure', measure, 9), ('fail', fail, 9), ('hang', lambda *_: time.sleep(60), 0.3)]
    steps = {name: tool.Step(run, seconds) for name, run, seconds in steps}
    monkeypatch.setattr(tool, 'STEPS', steps)
    monkeypatch.setattr('r2vos_mm.utils.register_all_modules', lambda: None)


def test_steps_that_fail_do_not_stop_the_others(steps, tmp_path, capfd):
    names = ['fail', 'hang', 'measure']
    assert tool.main(['--cpu', '--out', str(tmp_path), '--steps', *names]) == 1
    results = json.loads((tmp_path / 'gpu_check.json').read_text())
    statuses = [step['status'] for step in results['steps']]
    assert statuses == ['failed', 'stopped at its time limit', 'done']
    rows = [(row['step'], row['value'], row['holds']) for row in results['rows']]
    assert rows == [
        ('fail', 0.5, True),
        ('fail', 'ValueError: no memory', True),
        ('measure', 3.0, False),
    ]
    assert '| measure | speed | 3 frames/s | >= 4 **not met** |' in capfd.readouterr().out


def test_errors_are_relative_to_the_largest_value():
    expected = torch.tensor([1.0, -2.0])
    assert tool._relative_error(torch.tensor([1.5, -2.0]), expected) == 0.25
    assert not tool._meets(float('nan'), '<= 1')


def test_a_slow_call_is_timed_at_least_once():
    job = tool.Job('cpu', tool.CPU, 1, None)
    timing = tool.timed(job, lambda: time.sleep(0.02), warm_up=5, repeats=5, seconds=0.001)
    assert timing.count == 1
    assert timing.median >= 0.02


@pytest.mark.skipif(torch.cuda.is_available(), reason='there is a GPU')
def test_no_gpu_is_told(capsys):
    with pytest.raises(SystemExit) as error:
        tool.main([])
    assert error.value.code == 2
    assert capsys.readouterr().err == 'error: there is no GPU: --cpu tries the script on a CPU\n'


def test_a_wrong_folder_of_wheels_is_told(tmp_path):
    environment = os.environ | dict(R2VOS_WHEELS=str(tmp_path / 'none'))
    done = subprocess.run(['bash', SCRIPT], env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.endswith('none, which is not a folder\n')
