"""The released ReferFormer's numbers, from converted weights.

The full fixtures are compared where the reference data is present, else the extract in tests/data.
"""

import check_parity
import pytest
import torch
from referformer_extracts import EXTRACT, NAMES, extract_referformer
from referformer_fixtures import check_eval, check_train
from referformer_model import referformer_model
from released_extracts import assert_same, load_fixtures


@pytest.fixture(scope='module')
def fixtures() -> dict[str, dict]:
    torch.set_num_threads(1)
    return load_fixtures(NAMES, EXTRACT)


def test_outputs_and_query(fixtures):
    report = check_eval(fixtures['rf_r50_eval_div32'], 'rf_r50_eval_div32')
    assert report.holds, report
    assert len(report.rows) > 9


def test_queries_losses_and_gradients(fixtures):
    """Three clips of different sizes with sentences of 2 to 12 words, padded together."""
    report = check_train(fixtures['rf_r50_train_b3_padded'], 'rf_r50_train_b3_padded')
    assert report.holds, report
    assert len(report.rows) > 14


def test_trained_parameters_are_as_many(fixtures):
    trained = sum(p.numel() for p in referformer_model().parameters() if p.requires_grad)
    assert trained == fixtures['rf_r50_eval_div32']['params'][1] == 51_394_175


def test_extract_is_small_and_part_of_the_fixtures(test_data):
    assert EXTRACT.stat().st_size < 3e5
    kept = torch.load(EXTRACT, weights_only=True)['fixtures']
    for name in NAMES:
        full = torch.load(test_data / 'golden' / f'{name}.pt', weights_only=True)
        assert_same(kept[name], extract_referformer(full))


def test_program_fails_when_a_number_is_off(tmp_path, capsys, fixtures):
    fixture = dict(fixtures['rf_r50_eval_div32'])
    out = dict(fixture['out'], pred_boxes=fixture['out']['pred_boxes'] + 1e-4)
    torch.save(dict(fixture, out=out), tmp_path / 'off.pt')
    assert check_parity.main(['referformer-eval', str(tmp_path / 'off.pt')]) == 1
    failed = [line for line in capsys.readouterr().out.splitlines() if 'FAIL' in line]
    assert len(failed) == 1
    assert 'layer 3 boxes' in failed[0]
