"""MTTR's released numbers, from the folder of reference data or the extract in tests/data."""

from __future__ import annotations

import check_parity
import pytest
import torch
from mttr_extracts import EXTRACT, NAMES, extract, load_extract
from mttr_fixtures import check_eval, check_train
from released_extracts import load_fixtures


@pytest.fixture(scope='module')
def fixtures() -> dict[str, dict]:
    torch.set_num_threads(1)
    return load_fixtures(NAMES, EXTRACT)


def test_outputs_query_and_masks(fixtures):
    report = check_eval(fixtures['mttr_eval_div32'], 'mttr_eval_div32')
    assert report.holds, report
    assert len(report.rows) >= 6


def test_matches_losses_and_gradients(fixtures):
    report = check_train(fixtures['mttr_train_b2_padded'], 'mttr_train_b2_padded')
    assert report.holds, report
    assert len(report.rows) >= 9


def test_extract_is_small_and_part_of_the_fixtures(test_data):
    assert EXTRACT.stat().st_size < 2e5
    kept = torch.load(EXTRACT, weights_only=True)['fixtures']
    for name in NAMES:
        full = extract(torch.load(test_data / 'golden' / f'{name}.pt', weights_only=True))
        assert kept[name].keys() == full.keys()
        for key in ('pred_is_referred', 'mask_sample'):
            assert torch.equal(kept[name]['out'][key], full['out'][key])


def test_program_fails_when_a_number_is_off(tmp_path, capsys):
    fixture = load_extract()['fixtures']['mttr_eval_div32']
    out = dict(fixture['out'], pred_is_referred=fixture['out']['pred_is_referred'] + 1e-4)
    torch.save(dict(fixture, out=out), tmp_path / 'off.pt')
    assert check_parity.main(['mttr-eval', str(tmp_path / 'off.pt')]) == 1
    failed = [line for line in capsys.readouterr().out.splitlines() if 'FAIL' in line]
    assert len(failed) == 1
    assert 'layer 2 logits' in failed[0]
