"""The comparison of two checkouts; their processes are real."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from scripts import exit_status, load_script

tool = load_script('benchmarks/compare_speed.py')
ROOT = Path(tool.__file__).parents[2]


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    """One video of two frames, with a square that the prediction moves."""
    for kind, left in (('gt', 8), ('osvos', 10)):
        folder = tmp_path / 'masks' / kind / 'a'
        folder.mkdir(parents=True)
        for frame in range(2):
            image = np.zeros((40, 70), np.uint8)
            image[10:30, left : left + 20] = 255
            cv2.imwrite(str(folder / f'{frame:05d}.png'), image)
    return tmp_path / 'masks'


def test_both_checkouts_score_the_same(masks, tmp_path, capsys):
    out = tmp_path / 'a.json'
    options = ['--works', 'arrays', '--masks', str(masks), '--rounds', '1', '--out', str(out)]
    tool.main(['--base', str(ROOT), *options])
    (found,) = json.loads(out.read_text())
    assert found['difference'] == 0
    assert found['ours']['peak'] > 20
    low, median, high = found['ratio']
    assert 0 < low == median == high
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[0].count('|') == lines[2].count('|')


def test_ratios_and_share_of_a_product():
    base = [tool.Run(cpu=cpu, wall=9, peak=1) for cpu in (6.0, 4.0, 9.0)]
    ours = [tool.Run(cpu=cpu, wall=9, peak=1) for cpu in (2.0, 2.0, 1.0)]
    first_of_base = tool.Run(cpu=99, wall=99, peak=7, result=[[0.5, 1.0]])
    first = tool.Run(cpu=99, wall=99, peak=5, flops=100, result=[[0.5, 0.75]])
    found = tool._comparison('x', base, ours, first_of_base, first, 200.0)
    assert found.ratio == (2.0, 3.0, 9.0)
    assert (found.base.cpu, found.ours.cpu, found.base.peak, found.ours.peak) == (6, 2, 7, 5)
    assert found.product_share == 100 / 2 / 200
    assert found.difference == 0.25


def test_another_package_than_the_checkouts_is_refused(masks, tmp_path, capsys):
    (tmp_path / 'base/r2vos_mm').mkdir(parents=True)
    options = ['--works', 'arrays', '--masks', str(masks), '--rounds', '1']
    assert exit_status(tool.main, ['--base', str(tmp_path / 'base'), *options]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f'error: score_arrays in {tmp_path}/base failed: ')
    assert 'r2vos_mm is imported from' in error


def test_works_without_their_data_are_left_out_unless_asked_for(capsys):
    args = tool.parse_args(['--base', str(ROOT)])
    assert tool.chosen_works(args) == ['paper', 'released', 'four', 'train', 'small']
    assert exit_status(tool.main, ['--base', str(ROOT), '--works', 'folder']) == 2
    assert '--works folder needs --masks' in capsys.readouterr().err
