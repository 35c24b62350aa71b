"""Groups of values beyond the default, the report with its protocols, rows as CSV."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from samples import block, evaluate, random_sample, sample_of

from r2vos_mm.evaluation import JFRMetric
from r2vos_mm.evaluation.metrics.eval_sample import read_sample
from r2vos_mm.evaluation.metrics.metric_values import GROUPS, EvalSet, as_dictionary, metric_values
from r2vos_mm.evaluation.metrics.pair_scores import pair_scores
from r2vos_mm.evaluation.metrics.scores_csv import read_pairs

EMPTY = np.zeros((1, 20, 50), dtype=bool)
FULL, HALF = block(10, 40), block(10, 20)


@pytest.fixture
def samples() -> list:
    """Positives with consensus .9, .8, .4 and negatives with .7, .3, .2; J = 1, .5, 1 ungated."""
    truth = np.stack([FULL, EMPTY])
    return [
        sample_of(name, [f'{name}/0/p', f'{name}/0/n0'], truth, np.stack(masks), verdicts)
        for name, masks, verdicts in (
            ('a', (FULL, HALF), [0.9, 0.7]),
            ('b', (HALF, EMPTY), [0.8, 0.3]),
            ('c', (FULL, FULL), [0.4, 0.2]),
        )
    ]


def test_gate(samples):
    values = evaluate(samples, groups=['quality', 'robustness', 'gate'])
    # Of 9 comparisons .4 loses against .7 only. Thresholds .9 .8 .7 .4: precision 1, 1, -, 3/4
    assert values['AP_aligned'] == pytest.approx((1 + 1 + 3 / 4) / 3)
    assert values['AP_misaligned'] == pytest.approx((1 + 1 + 3 / 4) / 3)
    assert values['FPR95_aligned'] == pytest.approx(1 / 3)
    assert values['gate_TPR'] == pytest.approx(2 / 3)
    assert values['gate_FPR'] == pytest.approx(1 / 3)
    assert values['gate_balanced_accuracy'] == pytest.approx(2 / 3)
    assert values['gate_delta_J&F'] == pytest.approx(values['J&F'] - values['ungated/J&F'])
    # Gate on: 1 - 200 / 600; off: 1 - 600 / 1000
    assert values['gate_delta_R'] == pytest.approx(100 * ((1 - 1 / 3) - 0.4))


def test_threshold_of_the_gate(samples):
    assert evaluate(samples, groups=['gate'], gate_threshold=0.3)['gate_TPR'] == 1
    assert evaluate(samples, groups=['gate'], gate_threshold=0.3)['gate_FPR'] == pytest.approx(
        2 / 3
    )


def test_boxes(samples):
    for sample in samples:
        # of the queries, only that of 'b' has a right box; a box is x1, y1, x2, y2
        box = [0, 0, 40, 10] if sample.video_id == 'b' else [0, 0, 10, 10]
        sample.pred_pairs.boxes = torch.tensor([[box], [box]], dtype=torch.float32)
    values = evaluate(samples, groups=['boxes'])
    # IoU 1, .5 and 1, of which the gate rejects the last; it accepts one of three negatives
    assert values['mask_box_P@0.5'] == pytest.approx(100 * 2 / 3)
    assert values['mask_box_acc@0.5'] == pytest.approx(100 * (2 + 2) / 6)
    assert values['box_P@0.5'] == pytest.approx(100 / 3)
    assert values['box_acc@0.5'] == pytest.approx(100 * (1 + 2) / 6)
    # before the gate, one of the negatives has an empty mask
    assert values['ungated/mask_box_P@0.5'] == 100
    assert values['ungated/mask_box_acc@0.5'] == pytest.approx(100 * (3 + 1) / 6)


def test_boxes_of_models_without_boxes(samples):
    values = evaluate(samples, groups=['boxes'])
    assert np.isnan(values['box_P@0.5'])
    assert values['mask_box_P@0.5'] == pytest.approx(100 * 2 / 3)


def test_no_target(samples):
    values = evaluate(samples, groups=['quality', 'no_target'])
    # Ungated: (I, U) = (400, 400), (200, 400), (400, 400); negatives predict 200, 0, 400 pixels
    assert values['ungated/N_acc'] == pytest.approx(100 / 3)
    assert values['ungated/T_acc'] == 100
    assert values['ungated/gIoU'] == pytest.approx(100 * (1 + 0.5 + 1 + 0 + 1 + 0) / 6)
    assert values['ungated/cIoU'] == pytest.approx(100 * 1000 / (1200 + 200 + 400))
    assert values['ungated/S'] == pytest.approx((0.2**0.5 + 0 + 0.4**0.5) / 3)
    assert values['ungated/Pr@0.9'] == pytest.approx(200 / 3)
    # Gated: c is silent for its target, and its negative is emptied
    assert values['N_acc'] == pytest.approx(200 / 3)
    assert values['T_acc'] == pytest.approx(200 / 3)
    assert values['cIoU'] == pytest.approx(100 * 600 / (1200 + 200))
    assert values['mevis'] == pytest.approx((values['J&F'] + values['N_acc'] + values['T_acc']) / 3)
    # masks of fewer than 300 pixels, of a negative and of a positive, count as empty
    cleared = evaluate(samples, groups=['no_target'], clear_below=300)
    assert cleared['ungated/N_acc'] == pytest.approx(200 / 3)
    assert cleared['ungated/T_acc'] == pytest.approx(200 / 3)


class TestCgF1:
    """Presence scores of SAM 3, with the gate on and off, and answered by the consensus."""

    def test_by_hand(self, samples):
        values = evaluate(samples, groups=['cgf1'])
        # Off: 3 of 3 positives and 2 of 3 negatives are answered; tubes have IoU 1, .5 and 1
        mcc = (3 * 1 - 2 * 0) / (5 * 3 * 3 * 1) ** 0.5
        assert values['ungated/IL_MCC'] == pytest.approx(mcc, abs=1e-6)
        assert values['ungated/IL_FPR'] == pytest.approx(200 / 3, abs=1e-3)
        assert values['ungated/pmF1@0.5'] == pytest.approx(100, abs=0.01)
        assert values['ungated/pmF1@0.75'] == pytest.approx(200 / 3, abs=0.01)
        assert values['ungated/pmF1'] == pytest.approx((100 + 9 * 200 / 3) / 10, abs=0.01)
        assert values['ungated/cgF1'] == pytest.approx(mcc * values['ungated/pmF1'], abs=1e-4)
        # On: a and b are answered, c is not; of the negatives that of a
        assert values['IL_MCC'] == pytest.approx((2 * 2 - 1 * 1) / 9, abs=1e-6)
        # At .5 precision 2/2, recall 2/3; above precision 1/2, recall 1/3
        assert values['pmF1@0.5'] == pytest.approx(80, abs=0.01)
        assert values['cgF1@0.75'] == pytest.approx(40 / 3, abs=0.01)

    def test_consensus_at_one_half_whatever_the_gate(self, samples):
        values = evaluate(samples, groups=['cgf1'])
        of_consensus = {k: v for k, v in values.items() if k.startswith('consensus0.5/')}
        assert of_consensus == {f'consensus0.5/{k}': values[k] for k in list(values)[:8]}
        for sample in samples:  # a gate that is open to all
            sample.pred_pairs.masks = sample.pred_pairs.ungated_masks
        again = evaluate(samples, groups=['cgf1'])
        assert again['IL_MCC'] == values['ungated/IL_MCC']
        assert {k: again[k] for k in of_consensus} == of_consensus

    def test_a_consensus_without_mask_is_no_answer(self):
        silent = sample_of(
            'a', ['a/0/p', 'a/0/n0'], np.stack([FULL, EMPTY]), np.stack([EMPTY, EMPTY]), [0.9, 0.2]
        )
        assert evaluate([silent], groups=['cgf1'])['consensus0.5/pmF1'] == 0

    def test_decision_without_annotation(self, samples):
        for sample in samples:
            del sample.gt_pairs.masks
        values = evaluate(samples, groups=['cgf1'])
        assert values['IL_MCC'] == pytest.approx(1 / 3, abs=1e-6)
        assert np.isnan(values['cgF1'])

    def test_an_object_in_no_frame_is_no_target(self, samples):
        samples[2].gt_pairs.masks = torch.zeros_like(samples[2].gt_pairs.masks)
        values = evaluate(samples, groups=['cgf1'])
        # c/0/p is silent with the gate on: TP 2, FN 0, FP 1, TN 3
        assert values['IL_MCC'] == pytest.approx(6 / (3 * 2 * 4 * 3) ** 0.5, abs=1e-6)
        assert values['pmF1@0.5'] == pytest.approx(100, abs=0.02)

    def test_models_without_verdict(self, samples):
        for sample in samples:
            for name in ('consensus', 'ungated_masks', 'misalignment_logits'):
                delattr(sample.pred_pairs, name)
        values = evaluate(samples, groups=['cgf1'])
        assert values['IL_MCC'] == values['ungated/IL_MCC'] == pytest.approx(1 / 3, abs=1e-6)
        assert not any(key.startswith('consensus') for key in values)


def test_a_sentence_whose_object_never_appears_has_no_target():
    silent = sample_of('a', ['a/0/p'], EMPTY[None], EMPTY[None], [0.9])
    assert evaluate([silent], groups=['no_target'])['N_acc'] == 100


def test_presence(samples):
    gt = np.concatenate([EMPTY, FULL, FULL])[None]
    pred = np.concatenate([HALF, HALF, EMPTY])[None]
    values = evaluate([sample_of('a', ['a/0/p'], gt, pred, [0.9])], groups=['presence'])
    # Annotated 2, 3; predicted 1, 2; J of frame 2 is .5
    assert values['tIoU'] == pytest.approx(100 / 3)
    assert values['vIoU'] == pytest.approx(100 * 0.5 / 3)
    assert values['presence_accuracy'] == pytest.approx(100 / 3)
    assert values['false_alarm_rate'] == 100


class TestVisa:
    """R, J and F of VISA: means of the types, each with the same weight."""

    def samples(self) -> list:
        # 400 px each; predicted the object, a half and 100 px outside, something for nothing
        truths = [FULL, FULL, EMPTY]
        masks = [FULL, HALF | block(15, 20), block(1, 5)]
        found = []
        for index, (truth, mask) in enumerate(zip(truths, masks)):
            name = f'v{index}'
            sample = sample_of(name, [f'{name}/0/p'], truth[None], mask[None], [0.9])
            sample.gt_pairs.sentence_types = [index]
            # Beside the object there is one of 100 px
            sample.gt_foreground = torch.from_numpy(FULL | (block(15, 20) & ~block(10, 20)))
            found.append(sample)
        return found

    def test_by_hand(self):
        values = evaluate(self.samples(), groups=['visa'])
        # 100 of 500 px are wrong: .8; the sentence without target is left out
        assert values['visa_R/referring'] == pytest.approx(100)
        assert values['visa_R/reasoning'] == pytest.approx(80)
        assert values['visa_R'] == pytest.approx(90)
        # (I, U) = (400, 400), (200, 500)
        assert values['visa_J'] == pytest.approx(100 * (1 + 0.4) / 2)
        assert values['visa_J&F'] == pytest.approx((values['visa_J'] + values['visa_F']) / 2)

    def test_types_are_optional_and_the_other_objects_are_not(self):
        samples = self.samples()[:2]
        for sample in samples:
            del sample.gt_pairs.sentence_types
        assert evaluate(samples, groups=['visa'])['visa_R'] == pytest.approx(90)
        for sample in samples:
            del sample.gt_foreground
        assert np.isnan(evaluate(samples, groups=['visa'])['visa_R'])

    def test_unknown_type(self):
        sample = self.samples()[0]
        sample.gt_pairs.sentence_types = [5]
        with pytest.raises(ValueError, match="pair 'v0/0/p' of video 'v0' has sentence type 5"):
            evaluate([sample], groups=['visa'])


def test_groups_select_the_metrics(samples):
    assert set(evaluate(samples, groups=['verdict'])) == {'AUROC', 'AUROC/other_video'}
    assert 'J&F&R' not in evaluate(samples, groups=['quality'])


def test_report_names_a_protocol_for_every_figure(samples, tmp_path: Path):
    path = tmp_path / 'new' / 'report.json'
    values = evaluate(samples, groups=GROUPS, protocols=['per_expression', 'a2d'], json_path=path)
    report = json.loads(path.read_text(encoding='utf-8'))
    reported = {figure['key']: figure for figure in report['figures']}
    assert reported.keys() == values.keys()
    for key, figure in reported.items():
        assert figure['protocol'] in ('per_expression', 'a2d', 'all_frames', 'per_pair')
        assert (figure['gate'] == 'off') == key.startswith('ungated/')
        assert figure['value'] == values[key] or np.isnan(values[key]) == (figure['value'] is None)
    assert (report['n_pairs'], report['n_negative'], report['n_videos']) == (6, 3, 3)
    assert report['protocols']['a2d']['n_samples'] == report['protocols']['a2d']['n_frames'] == 3
    assert len(report['scored_pairs_sha256']) == 64
    assert report['rows'][1]['ungated_J_frames'] == [1.0]
    assert report['rows'][0]['J'] is None


def test_the_csv_restores_all_metrics(tmp_path: Path):
    samples = [random_sample(index) for index in range(4)]
    protocols = ('per_expression', 'from_first_appearance', 'a2d')
    path = tmp_path / 'pairs.csv'
    values = evaluate(samples, groups=GROUPS, protocols=protocols, csv_path=path)
    rows = read_pairs(path)
    expected = [
        row
        for sample in samples
        for row in pair_scores(read_sample(sample), bound_th=0.008, boxes=True)
    ]
    assert rows == sorted(expected, key=lambda row: row.pair_id)
    again = metric_values(EvalSet(rows, protocols=protocols, groups=GROUPS))
    assert as_dictionary(again) == pytest.approx(values, abs=0, rel=0, nan_ok=True)


def test_a_csv_of_something_else_is_refused(tmp_path: Path):
    path = tmp_path / 'pairs.csv'
    path.write_text('pair_id,J\na/0/p,.5\n')
    with pytest.raises(ValueError, match='pairs.csv is not a CSV of pairs, it lacks'):
        read_pairs(path)


def test_a_cut_csv_is_told_with_its_line(samples, tmp_path: Path):
    path = tmp_path / 'pairs.csv'
    evaluate(samples, csv_path=path)
    text = path.read_text()
    path.write_text(text[: text.rindex(';') if ';' in text else len(text) - 30])
    with pytest.raises(ValueError, match=r'pairs.csv, line 7'):
        read_pairs(path)


def test_rows_before_a_broken_sample_are_kept(samples, tmp_path: Path):
    path, partial = tmp_path / 'pairs.csv', tmp_path / 'pairs.partial0.csv'
    good, samples[2].pred_pairs.consensus[0] = deepcopy(samples[2]), float('nan')
    metric = JFRMetric(csv_path=path)
    with pytest.raises(ValueError, match="'c/0/p'"):
        metric.process(None, samples)
    assert [row.pair_id for row in read_pairs(partial)] == ['a/0/p', 'a/0/n0', 'b/0/p', 'b/0/n0']
    assert not path.exists()
    # The next evaluation begins anew, and leaves the whole file only.
    metric = JFRMetric(csv_path=path)
    metric.process(None, samples[:1])
    assert len(read_pairs(partial)) == 2
    metric.process(None, [samples[1], good])
    metric.evaluate(3)
    assert not partial.exists()
    assert len(read_pairs(path)) == 6


def test_objects_of_davis_go_to_their_own_csv(tmp_path: Path):
    sample = sample_of('a', ['a/0/p'], FULL[None], HALF[None], [0.9])
    sample.gt_pairs.obj_ids = ['3']
    report = tmp_path / 'report.json'
    evaluate([sample], protocols=['davis_unsup'], csv_path=tmp_path / 'pairs.csv', json_path=report)
    (record,) = json.loads(report.read_text())['objects']
    assert (record['object'], record['J_frames']) == ('a/annotator0/object3', [0.5])
    lines = (tmp_path / 'pairs.objects.csv').read_text().splitlines()
    assert lines[1].startswith('a/annotator0/object3,a,0,3,0,0.5,0.5,')
