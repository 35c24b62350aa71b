"""The benchmark of storages loads the same clips from each."""

import json
from pathlib import Path

import pytest
from scripts import load_script
from tiny_sets import write_set

benchmark = load_script('benchmarks/storage.py')


def test_numbers(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    root = write_set(tmp_path / 'set')
    options = ['--clips', '2', '--rounds', '2', '--frames', '2', '--json', str(tmp_path / 'a.json')]
    benchmark.main([str(root), *options])
    found = json.loads((tmp_path / 'a.json').read_text())
    assert {'files', 'zip', 'tar'} <= found.keys()
    for speed in found.values():
        assert len(speed['rounds']) == 2
        assert speed['clips_per_s'] > 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(found)


def test_other_files_are_told(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    places = {name: (str(write_set(tmp_path / name)), None) for name in 'ab'}
    path = tmp_path / 'b/train/JPEGImages/v0/00000.jpg'
    path.write_bytes((tmp_path / 'b/train/JPEGImages/v1/00000.jpg').read_bytes())
    with pytest.raises(ValueError, match='b and a give different clips'):
        benchmark.measure(places, split='train', frames=1, clips=1, rounds=1)
