"""The command ``r2vos gate``."""

from pathlib import Path

import mask_sets
import numpy as np
import pytest
from mask_sets import FRAMES
from PIL import Image

from r2vos_mm.cli import gate
from r2vos_mm.cli.command import run_command
from r2vos_mm.evaluation.metrics.scores_csv import read_pairs, write_pairs

CONSENSUS = {'a/0/p': 0.75, 'a/1/p': 0.25, 'b/0/p': 0.625}


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Arguments for masks of another method and their annotation."""
    mask_sets.write_truth(tmp_path)
    pred = mask_sets.write_predictions(tmp_path / 'pred')
    gt, expressions = tmp_path / 'Annotations', tmp_path / 'meta_expressions.json'
    options = ['--expressions', str(expressions), '--processes', '1']
    return [str(pred), str(gt), *options, '--out', str(tmp_path / 'out')]


def write_consensus(tmp_path: Path, files: list[str]) -> Path:
    """Write the CSV of a test."""
    from r2vos_mm.apis.gating import open_predictions, score_gated
    from r2vos_mm.apis.scoring.mask_files import find_ground_truth

    truth, tasks = find_ground_truth(
        tmp_path / 'Annotations', tmp_path / 'meta_expressions.json', None
    )
    masks = open_predictions(tmp_path / 'pred', tasks)
    options = dict(consensus=CONSENSUS, gate_threshold=0.5)
    eval_set, _ = score_gated(tasks, masks, truth, tmp_path / 'unused', **options)
    write_pairs(tmp_path / 'test.csv', eval_set.pairs)
    return tmp_path / 'test.csv'


def test_consensus_of_a_test(tmp_path: Path, files: list[str], capsys) -> None:
    """J as given 75, 50 and 100; the gate empties the second: 75, 0, 100 at 0.5."""
    csv = write_consensus(tmp_path, files)
    done = ['--consensus', str(csv), '--csv', str(tmp_path / 'b.csv')]
    assert run_command(gate, [*files, *done]) == 0
    told = capsys.readouterr().out
    assert 'out: masks of 3 pairs, 2 of them kept' in told
    assert f'{mask_sets.MEAN_J:.1f}' in told
    assert f'{100 * (0.75 + 0 + 1) / 3:.1f}' in told
    pairs = read_pairs(tmp_path / 'b.csv')
    assert {pair.pair_id: pair.consensus for pair in pairs} == CONSENSUS
    assert [pair.area for pair in pairs] == [150, 0, 100]
    assert pairs[1].before_gate.area == 100
    written = [
        np.array(Image.open(tmp_path / 'out' / 'a' / '1' / f'{frame}.png')) for frame in FRAMES
    ]
    assert not np.any(written)


def test_another_threshold(tmp_path: Path, files: list[str], capsys) -> None:
    csv = write_consensus(tmp_path, files)
    run_command(gate, [*files, '--consensus', str(csv), '--gate-threshold', '0.7'])
    assert 'masks of 3 pairs, 1 of them kept' in capsys.readouterr().out


def test_consensus_of_a_checkpoint(tmp_path: Path, files: list[str], monkeypatch, capsys) -> None:
    """The shipped checkpoint sees the frames; it finds nothing of the kind, or something."""
    for video in 'ab':
        for frame in FRAMES:
            image = np.random.default_rng(0).integers(0, 256, (20, 50, 3), dtype=np.uint8)
            mask_sets.save(tmp_path / 'JPEGImages' / video / f'{frame}.png', image, mode='RGB')
    root = Path(__file__).parents[2] / 'configs'
    model = ['--model', str(root / 'r2vos_tiny_refshapes.py')]
    model += ['--weights', str(root / 'checkpoints' / 'r2vos_tiny_refshapes.pth')]
    model += ['--frames', str(tmp_path / 'JPEGImages'), '--gate-threshold', '0', '--device', 'cpu']
    assert run_command(gate, [*files, *model]) == 0
    assert 'masks of 3 pairs, 3 of them kept' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ([], 'the verdicts need --model, --weights, --frames, or --consensus CSV'),
        (['--consensus', 'a.csv', '--frames', 'x'], 'in place of|takes the place of --frames'),
    ],
)
def test_mistakes(files: list[str], options: list[str], message: str, capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        run_command(gate, [*files, *options])
    assert stopped.value.code == 2
    assert message.split('|')[-1] in capsys.readouterr().err


def test_the_folder_must_be_empty(tmp_path: Path, files: list[str], capsys) -> None:
    csv = write_consensus(tmp_path, files)
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out' / 'x').touch()
    with pytest.raises(SystemExit):
        run_command(gate, [*files, '--consensus', str(csv)])
    assert 'is not empty' in capsys.readouterr().err


def test_predictions_that_are_not_read(tmp_path: Path, files: list[str], capsys) -> None:
    csv = write_consensus(tmp_path, files)
    (tmp_path / 'pred' / 'a' / '0' / f'{FRAMES[0]}.png').unlink()
    with pytest.raises(SystemExit) as stopped:
        run_command(gate, [*files, '--consensus', str(csv)])
    assert stopped.value.code == 2
    assert 'error: 1 predictions were not read' in capsys.readouterr().err


def test_an_annotation_that_is_not_read(tmp_path: Path, files: list[str], capsys) -> None:
    csv = write_consensus(tmp_path, files)
    (tmp_path / 'Annotations' / 'b' / f'{FRAMES[0]}.png').write_bytes(b'cut off')
    with pytest.raises(SystemExit) as stopped:
        run_command(gate, [*files, '--consensus', str(csv)])
    assert stopped.value.code == 2
    assert 'error: the annotation of 1 videos was not read' in capsys.readouterr().err
