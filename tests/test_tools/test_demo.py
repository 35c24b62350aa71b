"""The demo as it is called from a shell, in this process, with random weights."""

import importlib.util
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from r2vos_mm.apis import init_model, open_frames
from r2vos_mm.visualization import write_video

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / 'configs' / 'r2vos_tiny_refshapes.py'
SMALL = 'test_dataloader.dataset.pipeline.0.transforms.1.scale=(64,64)'
_SPEC = importlib.util.spec_from_file_location('demo', ROOT / 'tools' / 'demo.py')
demo = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(demo)


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp('weights') / 'random.pth'
    torch.save(dict(state_dict=init_model(CONFIG, device='cpu').state_dict()), path)
    return str(path)


@pytest.fixture
def video(tmp_path) -> Path:
    path = tmp_path / 'ball.mp4'
    write_video(path, [np.full((40, 60, 3), 60 * t, np.uint8) for t in range(4)], fps=8)
    return path


def test_writes_overlay_masks_and_json(video, checkpoint, tmp_path, capsys):
    out = tmp_path / 'out'
    demo.main(
        [
            str(video),
            'A red  ball',
            'the dog, on the left',
            '--config',
            str(CONFIG),
            '--checkpoint',
            checkpoint,
            '--out-dir',
            str(out),
            '--window',
            '2',
            '--device',
            'cpu',
            '--cfg-options',
            SMALL,
        ]
    )
    record = json.loads((out / 'result.json').read_text())
    assert [entry['sentence'] for entry in record['sentences']] == [
        'a red ball',
        'the dog, on the left',
    ]
    assert (record['video'], record['size'], len(record['frames'])) == ('ball', [40, 60], 4)
    for entry in record['sentences']:
        assert entry['found'] == (entry['consensus'] >= record['gate_threshold'])
        assert np.shape(entry['boxes']) == (4, 4)
        assert np.mean(entry['scores']) == pytest.approx(entry['score'], abs=1e-3)
        masks = [
            cv2.imread(str(out / entry['masks'] / f'{name}.png'), cv2.IMREAD_UNCHANGED)
            for name in record['frames']
        ]
        assert all(mask.shape == (40, 60) and set(np.unique(mask)) <= {0, 255} for mask in masks)
    assert record['sentences'][1]['masks'] == 'masks/1_the_dog_on_the_left'
    overlay = open_frames(out / 'overlay.mp4')
    assert (len(overlay), overlay.fps) == (4, pytest.approx(8))
    printed, progress = capsys.readouterr()
    assert '4/4' in progress
    assert 'a red ball' in printed
    assert 'consensus' in printed


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['nowhere.mp4', 'a ball'], 'error: nowhere.mp4 does not exist'),
        (['{video}', ' '], "error: expression 0 of 1 is ' '"),
        (['{video}', 'a ball', '--window', '0'], 'error: --frames-per-pass must be at least 1'),
        (['{empty}', 'a ball'], 'has no frames'),
        (['{video}', 'a ball', '--out-dir', '{video}'], 'ball.mp4 is not a folder'),
        (
            ['{video}', 'a ball', '--config', str(CONFIG), '--checkpoint', 'nowhere.pth'],
            'error: Checkpoint nowhere.pth does not exist',
        ),
        (['{video}', 'a ball', '--checkpoint', 'a.pth'], '--checkpoint requires the --config'),
        (['{video}', 'a ball', '--config', 'r2vos_r50'], '--config requires the --checkpoint'),
        *[
            (['{video}', 'a ball', '--fps', fps], f'{fps} is not a positive number')
            for fps in ('inf', 'nan', '0', '-1')
        ],
    ],
)
def test_mistakes_are_told_in_one_line(video, checkpoint, arguments, message, tmp_path, capsys):
    empty = tmp_path / 'empty'
    empty.mkdir()
    arguments = [argument.format(video=video, empty=empty) for argument in arguments]
    if '--checkpoint' not in arguments and '--config' not in arguments:
        arguments += ['--config', str(CONFIG), '--checkpoint', checkpoint]
    with pytest.raises(SystemExit) as exit_info:
        demo.main(arguments)
    assert exit_info.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_shipped_checkpoint_is_right_on_the_sample(tmp_path, monkeypatch):
    """From another folder, with nothing but the video and the expressions."""
    samples = ROOT / 'configs' / 'samples'
    sample = json.loads((samples / 'refshapes.json').read_text())
    monkeypatch.chdir(tmp_path)
    expressions = [*sample['present'], *sample['absent']]
    demo.main([str(samples / sample['video']), *expressions, '--out-dir', 'out'])
    found = [row['found'] for row in json.loads(Path('out/result.json').read_text())['sentences']]
    assert found == [True] * len(sample['present']) + [False] * len(sample['absent'])
