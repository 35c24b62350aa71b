"""The benchmark at a tiny size; its subprocesses are real."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
CONFIG = str(ROOT / 'configs' / 'r2vos_tiny_refshapes.py')
SMALL = [
    '--size',
    '32',
    '32',
    '--frames',
    '1',
    '--warm-up',
    '0',
    '--repeats',
    '1',
    '--threads',
    '1',
    '--device',
    'cpu',
]
_FILE = ROOT / 'tools' / 'analysis_tools' / 'benchmark_model.py'
_SPEC = importlib.util.spec_from_file_location('benchmark_model', _FILE)
benchmark = importlib.util.module_from_spec(_SPEC)
sys.modules['benchmark_model'] = benchmark
_SPEC.loader.exec_module(benchmark)


def test_a_phase_in_its_own_process(tmp_path, capsys):
    out = tmp_path / 'rows.json'
    benchmark.main([CONFIG, '--test-video', *SMALL, '--out', str(out)])
    rows = json.loads(out.read_text())
    assert [entry['phase'] for entry in rows] == ['test video']
    assert rows[0]['peak_mib'] >= rows[0]['idle_mib'] > 100
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[0].count('|') == lines[1].count('|') == lines[2].count('|')
    assert '1x1x32x32, 6 sentences' in lines[2]
    assert 'CPU, 1 thread |' in lines[2]


@pytest.mark.parametrize('phase', ['train-step', 'test-video'])
def test_random_text_encoder(phase):
    """In this process, and in bfloat16; the hub's model is never asked for."""
    args = benchmark.parse_args(
        [
            CONFIG,
            *SMALL,
            '--clips',
            '2',
            '--negatives',
            '0',
            '--precision',
            'bfloat16',
            '--random-text-encoder',
            '--cfg-options',
            'model.text_encoder.pooling=pooler',
            'model.text_encoder.name_or_path=nowhere',
        ]
    )
    rows = benchmark.measure(phase, args)
    assert rows.seconds > 0
    assert 82 < rows.parameters - rows.trained < 84  # distilroberta-base has 82.1 M
    assert ('2x1x' in rows.input) == (phase == 'train-step')


def test_tokens():
    """Padded with 1 between start 0 and end 2; a word has one number."""
    tokens = benchmark.HashTokenizer(10)(['dog', 'dog cat dog'])
    ids, mask = tokens['input_ids'], tokens['attention_mask']
    word = ids[0, 1].item()
    assert 3 <= word < 10
    assert ids[0].tolist() == [0, word, 2, 1, 1]
    assert ids[1, 1] == ids[1, 3] == word
    assert mask.tolist() == [[1, 1, 1, 0, 0], [1] * 5]


def test_random_pairs():
    args = benchmark.parse_args([CONFIG, *SMALL, '--positives', '2', '--negatives', '1'])
    batch = benchmark.random_batch(args, clips=2)
    assert [clip.shape for clip in batch['inputs']] == [(1, 3, 32, 32)] * 2
    pairs = batch['data_samples'][0].gt_pairs
    assert pairs.is_negative.tolist() == [False, False, True]
    assert pairs.valid.tolist() == [[True], [True], [False]]
    assert not torch.equal(pairs.masks[0], pairs.masks[1])


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['nowhere.py'], 'error: Config nowhere.py does not exist'),
        ([CONFIG, '--frames', '0'], 'error: --size and --frames'),
        (
            [
                CONFIG,
                '--train-step',
                *SMALL,
                '--cfg-options',
                'model.text_encoder.name_or_path=package:nowhere',
            ],
            "error: train-step ended with status 2: 'package:nowhere': the Python package",
        ),
    ],
)
def test_mistakes_are_told_in_one_line(arguments, message, capsys):
    with pytest.raises(SystemExit) as exit_info:
        benchmark.main(arguments)
    assert exit_info.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
