"""``r2vos stream``: lines while the stream runs, files beside them, and standard input."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from scripts import exit_status

from r2vos_mm.apis import open_frames
from r2vos_mm.apis.results.mask_records import read_coco_rle
from r2vos_mm.cli.main import main
from r2vos_mm.engine.model_index import content_root

SAMPLE = content_root() / 'configs' / 'samples' / 'refshapes.mp4'
SMALL = ('--cfg-options', 'test_dataloader.dataset.pipeline.0.transforms.1.scale=(64,64)')


def test_lines_and_files(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Eight frames in windows of three; the lines are those of masks.jsonl."""
    options = ('--frames-per-pass', '3', '--out', str(tmp_path / 'out'))
    assert main(['stream', str(SAMPLE), 'a dog', 'a Ring', *options, *SMALL]) == 0
    lines = capsys.readouterr().out.splitlines()
    records = [json.loads(line) for line in lines]
    assert [(r['first_frame'], r['expression']) for r in records] == [
        (first, text) for first in (0, 3, 6) for text in ('a dog', 'a ring')
    ]
    assert [len(r['segmentations']) for r in records[::2]] == [3, 3, 2]
    (tmp_path / 'told.jsonl').write_text(''.join(f'{line}\n' for line in lines))
    written = read_coco_rle(tmp_path / 'out' / 'masks.jsonl')
    assert read_coco_rle(tmp_path / 'told.jsonl') == written
    verdict = json.loads((tmp_path / 'out' / 'verdict.json').read_text())
    assert (verdict['frames_seen'], verdict['windows_seen']) == (8, 3)
    last = {r['expression']: r['found'] for r in records[-2:]}
    assert {e['expression']: e['found'] for e in verdict['expressions']} == last


def test_standard_input(tmp_path: Path) -> None:
    """Images that follow each other, as of ``ffmpeg -f image2pipe``."""
    for index, frame in zip(range(2), open_frames(SAMPLE)):
        Image.fromarray(frame).save(tmp_path / f'{index}.png')
    images = b''.join((tmp_path / f'{index}.png').read_bytes() for index in range(2))
    line = [sys.executable, '-m', 'r2vos_mm.cli', 'stream', '-', 'a dog', '--no-masks', *SMALL]
    result = subprocess.run(line, input=images, capture_output=True, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    [record] = map(json.loads, result.stdout.splitlines())
    assert len(record['frames']) == 2
    assert 'segmentations' not in record
    assert b'note: the default model' in result.stderr


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('nowhere.mp4', 'a dog'), 'nowhere.mp4 does not exist'),
        (('{sample}', ' '), 'expression 0 of 1'),
        (('{sample}', 'a dog', '--out', '{sample}'), 'is not a folder'),
        (('{sample}', 'a dog', '--frames-per-pass', '0'), '--frames-per-pass must be at least 1'),
    ],
)
def test_mistakes(arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture) -> None:
    assert exit_status(main, ['stream', *(a.format(sample=SAMPLE) for a in arguments)]) == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
