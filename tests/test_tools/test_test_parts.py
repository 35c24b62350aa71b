"""Parts of a test merge into the scores of one test, byte for byte."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from r2vos_mm.cli.main import main
from r2vos_mm.cli.test import add_arguments, apply_test_options
from r2vos_mm.refshapes import make_refshapes
from r2vos_mm.registry import DATASETS, MODELS
from r2vos_mm.utils.cli import UsageError, parser_of

ROOT = Path(__file__).parents[2]
CONFIG = 'configs/r2vos_tiny_refshapes.py'


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp('parts') / 'data'
    options = dict(size=(48, 48), length=2, progress=False, workers=1)
    make_refshapes(root, splits=dict(valid=5), **options)
    return root


def test_a_data_set_in_parts(data: Path) -> None:
    config = Config.fromfile(ROOT / CONFIG).test_dataloader.dataset
    config.data_root = str(data)
    init_default_scope('r2vos_mm')
    whole = [video.video_id for video in DATASETS.build(config).videos]
    second = DATASETS.build(config | dict(part='2/2'))
    assert [video.video_id for video in second.videos] == whole[1::2]
    assert second.metainfo['part'] == dict(index=2, count=2, videos=whole)
    with pytest.raises(ValueError, match='part 6/6 is empty: there are only 5 videos'):
        DATASETS.build(config | dict(part='6/6'))
    with pytest.raises(ValueError, match='part is for test_mode=True'):
        DATASETS.build(config | dict(part='1/2', test_mode=False, pairs_file=None))


@pytest.fixture
def arguments(tmp_path: Path):
    (tmp_path / 'weights.pth').write_bytes(b'')
    parser = parser_of('')
    add_arguments(parser)
    line = [CONFIG, str(tmp_path / 'weights.pth'), '--part', '1/2', '--no-spool']
    return parser.parse_args(line)


def test_options_of_a_part(arguments) -> None:
    config = Config.fromfile(ROOT / CONFIG)
    config.work_dir = 'runs'
    apply_test_options(config, arguments)
    assert (config.work_dir, config.test_dataloader.dataset.part) == ('runs/part1of2', '1/2')
    evaluator = config.test_evaluator
    assert (evaluator.json_path, evaluator.csv_path) == ('runs/part1of2/scores.json', None)
    assert evaluator.scored_with.startswith('e3b0c44298fc')  # SHA-256 of no bytes


@pytest.mark.parametrize('change', [
    {'test_evaluator.format_only': True},
    {'test_evaluator': [{'type': 'JFRMetric'}, {'type': 'JFRMetric'}]},
    {'test_dataloader.dataset': {'type': 'ConcatDataset', 'datasets': []}},
])  # fmt: skip
def test_what_has_no_parts(arguments, change) -> None:
    config = Config.fromfile(ROOT / CONFIG)
    config.work_dir = 'runs'
    for key, value in change.items():
        holder, _, last = key.rpartition('.')
        (config[holder] if holder else config)[last] = value
    if 'test_dataloader.dataset' in change:
        config.test_dataloader.dataset = Config(change['test_dataloader.dataset'])
    with pytest.raises(UsageError, match='--part'):
        apply_test_options(config, arguments)


@pytest.mark.slow
def test_two_processes_that_test_a_half_each(data: Path, tmp_path: Path) -> None:
    init_default_scope('r2vos_mm')
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(ROOT / CONFIG).model)
    torch.save({'state_dict': model.state_dict()}, tmp_path / 'untrained.pth')

    def run(*options: str) -> None:
        line = [
            sys.executable, 'tools/test.py', CONFIG, str(tmp_path / 'untrained.pth'),
            *options, '--cfg-options', f'test_dataloader.dataset.data_root={data}',
            f'test_evaluator.json_path={tmp_path / "whole.json"}',
            'test_dataloader.num_workers=0',
            'test_dataloader.persistent_workers=False']  # fmt: skip
        environment = {**os.environ, 'OMP_NUM_THREADS': '1'}
        done = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]

    run('--work-dir', str(tmp_path / 'whole'))
    for part in ('1/2', '2/2'):
        run('--work-dir', str(tmp_path / 'parts'), '--part', part)
    reports = [str(path) for path in sorted((tmp_path / 'parts').glob('part*/scores.json'))]
    merged = tmp_path / 'merged.json'
    assert main(['score', '--merge', *reports, '--json', str(merged)]) == 0
    assert len(reports) == 2
    assert merged.read_bytes() == (tmp_path / 'whole.json').read_bytes()
    assert json.loads(merged.read_text())['n_videos'] == 5
