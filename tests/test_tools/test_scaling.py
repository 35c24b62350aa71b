"""The benchmark of scaling: efficiencies and estimates by hand, and what it measures and draws."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from scripts import load_script

scaling = load_script('benchmarks/scaling.py')
NUMBERS = dict(
    training=[
        dict(processes=p, batch=b, seconds=s, quartiles=(s, s), count=9)
        for p, b, s in ((1, 2, 0.8), (2, 2, 1.0), (2, 1, 0.5))
    ],
    labelling=[
        dict(processes=p, rows=r, start_s=5, work_s=1, rows_per_s=s, bytes_per_mask=100)
        for p, r, s in ((1, 10, 2.0), (2, 20, 3.6), (2, 10, 3.0))
    ],
    costs=dict(
        frame_ms=2.0, megapixels=0.01, mask_ms=1.0, row_ms=0.036, header_ms=3.6, unit_ms=1.0
    ),
)
SITE = scaling.Site(
    videos=1000, frames=100, texts=2, width=100, height=100, bytes_per_video=1e6, masks_per_s=50,
    start_s=36, cores=8, storage_mb_s=10, storage_ops_s=100, shard_frames=1000,
)  # fmt: skip


def test_efficiencies() -> None:
    """0.8 / 1.0; 0.8 / (2 x 0.5); 3.6 / (2 x 2); 3 / (2 x 2)."""
    assert scaling.efficiencies(NUMBERS) == {
        'training, weak': 0.8,
        'training, strong': 0.8,
        'labelling, weak': 0.9,
        'labelling, strong': 0.75,
    }


def test_one_gpu() -> None:
    """200 masks take 4 s: 1000 videos take 4000 s; 36 s of start, 0.036 of rows, 3.6 of headers."""
    found = scaling.estimate(NUMBERS, SITE, 1, has_lengths=False)
    seconds = {name: 3600 * hours for name, hours in found.hours.items()}
    assert seconds == pytest.approx(dict(start=36, manifest=0.036, headers=3.6, model=4000))
    # 100 frames of 2 ms and 200 masks of 1 ms in 4 s, of 8 cores; 1.02 MB in 4 s, of 10 MB/s; one
    # shard per 10 videos: 5.3 + (26 + 1) / 10 calls in 4 s, of 100.
    use = {'CPU cores': 0.4 / 4 / 8, 'storage': 1.02 / 4 / 10, 'file operations': 8 / 4 / 100}
    assert found.use == pytest.approx(use)
    assert found.bottleneck == 'GPUs (next: storage)'


def test_a_resource_that_is_exhausted() -> None:
    """80 GPUs need 20.4 MB/s: twice what storage gives, so that they take twice the time."""
    found = scaling.estimate(NUMBERS, replace(SITE, storage_ops_s=1e6), 80, has_lengths=True)
    assert found.use['storage'] == pytest.approx(2.04)
    assert found.hours['headers'] == 0
    assert found.hours['model'] == pytest.approx(4000 / 80 / 0.9 * 2.04 / 3600)
    assert found.bottleneck == 'storage'


def test_costs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ('ROWS', 'HEADERS', 'UNITS', 'REPEATS'):
        monkeypatch.setattr(scaling, name, 5)
    found = scaling.costs(tmp_path)
    assert found.megapixels == 384 * 224 / 1e6
    assert min(vars(found).values()) > 0


def test_table_and_picture(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / 'a.json').write_text(json.dumps(NUMBERS))
    scaling.main([str(tmp_path / 'a.json'), '--plot', str(tmp_path / 'a.png')])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split('|')[1].strip() for line in lines[4:8]] == ['1', '8', '64', '512']
    assert sum('assumed: ' in line for line in lines) == 12
    assert Image.open(tmp_path / 'a.png').size[0] > 1000
    assert scaling.report(NUMBERS).splitlines()[1].split() == [
        '1',
        '2',
        '0.800',
        '0.800-0.800',
        '9',
    ]
