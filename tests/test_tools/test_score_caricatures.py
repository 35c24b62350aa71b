"""Caricatures of models: what they get by construction, and that nothing is random."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scripts import load_script
from tiny_sets import write_set

from r2vos_mm.data_prep.r2_pairs import build_r2_pairs
from r2vos_mm.utils.files import write_json

tool = load_script('benchmarks/score_caricatures.py')


@pytest.fixture(scope='module')
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny set, with two negative pairs for each expression."""
    root = write_set(tmp_path_factory.mktemp('set'), split='valid')
    source = root / 'meta_expressions/valid/meta_expressions.json'
    pairs = build_r2_pairs(source, categories=root / 'valid/meta.json', negatives_per_positive=2)
    write_json(root / 'pairs/valid.json', pairs.content)
    return root


def test_scores(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = tmp_path / 'scores.json'
    tool.main([str(root), '--out', str(tmp_path), '--json', str(path)])
    found = json.loads(path.read_text())
    always, never, noisy = found['always'], found['never'], found['noisy gate']
    assert (always['J&F'], always['T_acc'], always['N_acc'], always['cgF1']) == (100, 100, 0, 0)
    # every object is visible in every frame
    assert (never['tIoU'], never['R'], never['N_acc'], never['S'], never['cgF1']) == (
        *(0, 100, 100, 0, 0),
    )
    assert never['J&F&R'] == pytest.approx((2 * never['J&F'] + 100) / 3)
    assert always['AUROC'] == never['AUROC'] == 0.5
    assert noisy['IL_MCC'] > 0
    assert noisy['AUROC'] > 0.5
    assert '| `cgF1` | 0.0 | 0.0 |' in capsys.readouterr().out
    with Image.open(tmp_path / 'what_scores_mean.png') as image:
        assert np.asarray(image).std() > 5
    assert tool.measure(root, 'valid', 'pairs/valid.json') == found


def test_the_largest_object() -> None:
    masks = np.zeros((2, 1, 4, 4), bool)
    masks[0, 0, :1], masks[1, 0, :2] = True, True
    pair = tool.Shown('v/0/p', False, masks[0], masks)
    answer = tool.by_size(pair, typical=0.5)
    assert (answer.masks == masks[1]).all()
    # half of the frame, as usual
    assert answer.consensus == 0.5
