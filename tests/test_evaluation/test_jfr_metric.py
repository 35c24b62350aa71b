"""JFRMetric: values by hand, both gates in one pass, absent classes, wrong samples, CSV."""

from __future__ import annotations

import csv
import logging
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger
from samples import block, evaluate, random_sample, sample_of

from r2vos_mm.evaluation import JFRMetric
from r2vos_mm.evaluation.jfr_metric import merge_scores
from r2vos_mm.evaluation.metrics import pair_scores
from r2vos_mm.evaluation.metrics.eval_sample import read_sample
from r2vos_mm.evaluation.metrics.metric_values import combined_values
from r2vos_mm.registry import METRICS


@pytest.fixture
def worked_example() -> list:
    """Two videos: J = 1 and .5; areas 400 and 200 on positives, 60 and 0 on negatives.

    The gate drops the second positive and the first negative.
    """
    empty = np.zeros_like(block(1, 1))
    return [
        sample_of(
            'a',
            ['a/0/p', 'a/0/n0'],
            np.stack([block(10, 40), empty]),
            np.stack([block(10, 40), block(2, 30)]),
            [0.9, 0.3],
        ),
        sample_of(
            'b',
            ['b/0/p', 'b/0/n0'],
            np.stack([block(10, 40), empty]),
            np.stack([block(10, 20), empty]),
            [0.4, 0.6],
            kinds=['positive', 'attribute'],
        ),
    ]


@pytest.fixture
def warnings_logged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Messages that the metric logs as warnings."""
    messages: list[str] = []
    logger = MMLogger.get_current_instance()
    handle = logger.handle
    monkeypatch.setattr(
        logger,
        'handle',
        lambda record: (
            messages.append(record.getMessage()) if record.levelno >= logging.WARNING else None,
            handle(record),
        ),
    )
    return messages


class TestFigures:
    def test_without_gate(self, worked_example):
        values = evaluate(worked_example)
        assert values['ungated/J'] == pytest.approx(100 * (1 + 200 / 400) / 2)
        assert values['ungated/R'] == pytest.approx(100 * (1 - 60 / 600))
        assert values['ungated/R_frac'] == pytest.approx(100 * (1 - 0.06 / 0.6))
        assert values['ungated/R_pair'] == pytest.approx(100 * (0.85 + 1) / 2)
        assert values['ungated/area_ratio'] == pytest.approx((1 + 0.5) / 2)
        assert values['ungated/R/other_video'] == pytest.approx(100 * (1 - 60 / 400))
        assert values['ungated/R/attribute'] == pytest.approx(100)

    def test_what_is_below_zero_is_clipped_in_one_figure_only(self, worked_example):
        # Negatives of 900 px and none, positives of 400 and 200
        area = torch.arange(1000).reshape(1, 20, 50) < 900
        worked_example[0].pred_pairs.ungated_masks[1] = area
        values = evaluate(worked_example)
        assert values['ungated/R'] == pytest.approx(-50)
        assert values['ungated/R_clipped'] == 0

    def test_with_gate(self, worked_example):
        values = evaluate(worked_example)
        assert values['J'] == pytest.approx(50)
        assert values['F'] == pytest.approx(50)
        assert values['R'] == pytest.approx(100)
        assert values['J&F&R'] == pytest.approx((50 + 50 + 100) / 3)
        assert values['area_ratio'] == pytest.approx(0.5)

    @pytest.mark.parametrize('prefix', ['', 'ungated/'])
    def test_means(self, worked_example, prefix):
        values = {
            name.removeprefix(prefix): value
            for name, value in evaluate(worked_example).items()
            if name.startswith(prefix)
        }
        assert values['J&F'] == pytest.approx((values['J'] + values['F']) / 2)
        assert values['J&F&R'] == pytest.approx((values['J'] + values['F'] + values['R']) / 3)

    def test_auroc(self, worked_example):
        # .9 and .4 against .3 and .6: 3 of 4 won; per kind 2 of 2 and 1 of 2
        values = evaluate(worked_example)
        assert values['AUROC'] == pytest.approx(3 / 4)
        assert values['AUROC/other_video'] == 1.0
        assert values['AUROC/attribute'] == pytest.approx(1 / 2)

    def test_means_are_over_frames_then_pairs(self):
        # First pair: frames 1, 0, 0 -> 1/3; second pair: one frame of 1 -> 2/3 overall
        good, empty = block(10, 40), np.zeros_like(block(1, 1))
        samples = [
            sample_of(
                'a', ['a/0/p'], np.stack([np.concatenate([good] * 3)]),
                np.stack([np.concatenate([good, empty, empty])]), [0.9],
            ),
            sample_of('b', ['b/0/p'], good[None], good[None], [0.9]),
        ]  # fmt: skip
        values = evaluate(samples)
        assert values['J'] == pytest.approx(100 * 2 / 3)
        assert values['F'] == pytest.approx(100 * 2 / 3)
        assert values['J_recall'] == pytest.approx(100 * 2 / 3)

    def test_equal_the_plain_functions(self, yardstick):
        samples = [random_sample(index) for index in range(4)]
        values = evaluate(samples)
        for prefix, field in (('', 'masks'), ('ungated/', 'ungated_masks')):
            per_pair = [
                yardstick.naive_scores(
                    sample.pred_pairs[field][0].numpy(), sample.gt_pairs.masks[0].numpy()
                ).mean(axis=1)
                for sample in samples
            ]
            region, contour = 100 * np.mean(per_pair, axis=0)
            assert values[f'{prefix}J'] == pytest.approx(region, abs=1e-9)
            assert values[f'{prefix}F'] == pytest.approx(contour, abs=1e-9)

    def test_gate_per_frame(self, monkeypatch):
        # A gate that empties one frame of two: only that frame is scored again.
        good = np.concatenate([block(10, 40)] * 2)[None]
        sample = sample_of('a', ['a/0/p'], good, good, [0.9])
        sample.pred_pairs.masks = sample.pred_pairs.masks.clone()
        sample.pred_pairs.masks[0, 1] = False
        lengths = []
        score = pair_scores.score_masks
        monkeypatch.setattr(
            pair_scores,
            'score_masks',
            lambda pred, gt, **kw: lengths.append(len(pred)) or score(pred, gt, **kw),
        )
        values = evaluate([sample])
        assert values['J'] == 50.0
        assert values['ungated/J'] == 100.0
        assert lengths == [2, 1]

    def test_samples_and_dictionaries_alike(self):
        samples = [random_sample(index) for index in range(3)]
        expected = evaluate(samples)
        metric = JFRMetric()
        metric.process(None, samples)
        assert metric.evaluate(3) == expected
        metric.process(None, [sample.to_dict() for sample in samples])
        assert metric.evaluate(3) == expected

    def test_order_of_samples_does_not_matter(self):
        samples = [random_sample(index) for index in range(5)]
        assert evaluate(samples) == evaluate(samples[::-1])

    def test_built_from_a_config_with_prefix(self, worked_example):
        metric = METRICS.build({'type': 'JFRMetric', 'prefix': 'val'})
        metric.process(None, worked_example)
        assert metric.evaluate(2)['val/ungated/J'] == pytest.approx(75)

    def test_names_are_plain_without_a_warning_about_the_prefix(self, warnings_logged):
        assert JFRMetric().prefix == ''
        assert not warnings_logged


class TestAbsence:
    def test_no_negatives(self, worked_example, warnings_logged):
        values = evaluate(only(worked_example, positive=True))
        assert values['ungated/J'] == pytest.approx(75)
        for name in ('R', 'R_frac', 'R_pair', 'R_clipped', 'J&F&R', 'AUROC'):
            assert math.isnan(values[name])
        assert any('no negative pairs' in message for message in warnings_logged)

    def test_no_positives(self, worked_example, warnings_logged):
        values = evaluate(only(worked_example, positive=False))
        known = {key for key, value in values.items() if not math.isnan(value)}
        # The share of answered negatives needs no positives.
        assert known == {'IL_FPR', 'ungated/IL_FPR', 'consensus0.5/IL_FPR'}
        assert any('no positive pairs' in message for message in warnings_logged)

    def test_video_without_annotation(self, worked_example, warnings_logged):
        del worked_example[1].gt_pairs.masks
        values = evaluate(worked_example)
        assert values['ungated/J'] == pytest.approx(100)
        assert values['ungated/R'] == pytest.approx(90)
        assert values['AUROC'] == pytest.approx(3 / 4)
        assert any('1 of 2 positive pairs have no annotated' in text for text in warnings_logged)

    def test_model_without_verdict(self, worked_example, warnings_logged):
        for sample in worked_example:
            sample.pred_pairs.masks = sample.pred_pairs.ungated_masks
            for name in ('consensus', 'ungated_masks', 'misalignment_logits'):
                del sample.pred_pairs[name]
        values = evaluate(worked_example)
        assert values['J'] == values['ungated/J'] == pytest.approx(75)
        assert math.isnan(values['AUROC'])
        assert any('no consensus' in message for message in warnings_logged)

    def test_negatives_of_unknown_sentences(self, worked_example, warnings_logged):
        # 1 - mean(60, 0) / mean(400, 200), the pairs cannot be told
        worked_example[1].gt_pairs.pair_ids = ['b/0/p', 'c/7/n0']
        values = evaluate(worked_example)
        assert values['ungated/R'] == pytest.approx(90)
        assert math.isnan(values['R_pair'])
        assert any('weights all negatives alike' in message for message in warnings_logged)

    def test_nothing_segmented_on_positives(self, worked_example, warnings_logged):
        for sample in worked_example:
            sample.pred_pairs.ungated_masks = sample.pred_pairs.ungated_masks.clone()
            sample.pred_pairs.ungated_masks[0] = False
        assert evaluate(worked_example)['ungated/R'] == 0.0
        assert any('R is set to 0' in message for message in warnings_logged)


def only(samples: list, *, positive: bool) -> list:
    """The same samples with their positive, or their negative, pairs only."""
    kept = []
    for sample in samples:
        keep = sample.gt_pairs.is_negative != positive
        sample.gt_pairs, sample.pred_pairs = sample.gt_pairs[keep], sample.pred_pairs[keep]
        kept.append(sample)
    return kept


class TestPublishedMeans:
    """The means that papers print, from their own parts."""

    @pytest.mark.parametrize(
        ('parts', 'printed'),
        [
            ((56.0, 58.3, 63.2), 59.17),  # R2-VOS, Table C
            ((59.4, 62.9, 65.5), 62.6),
        ],
    )
    def test_j_and_f_and_r(self, parts, printed):
        known = dict(zip(('J', 'F', 'R'), parts))
        assert combined_values(known)['J&F&R'] == pytest.approx(printed, abs=5e-3)

    def test_mevis(self):
        # (53.09 + 41.38 + 92.53) / 3
        known = {'J&F': 53.09, 'N_acc': 41.38, 'T_acc': 92.53}
        assert combined_values(known) == {'mevis': pytest.approx(62.33, abs=5e-3)}


class TestErrors:
    def refused(self, sample, error: type[Exception], match: str) -> None:
        with pytest.raises(error, match=match):
            JFRMetric().process(None, [sample.to_dict()])

    def test_pair_twice_in_a_sample(self, worked_example):
        worked_example[0].gt_pairs.pair_ids = ['a/0/p', 'a/0/p']
        self.refused(worked_example[0], ValueError, "'a/0/p' of video 'a' occurs twice")

    def test_pair_twice_in_the_dataset(self, worked_example):
        metric = JFRMetric()
        metric.process(None, [worked_example[0], worked_example[1], worked_example[0]])
        with pytest.raises(ValueError, match="'a/0/n0' occurs twice|'a/0/p' occurs twice"):
            metric.evaluate(3)

    def test_size(self, worked_example):
        worked_example[0].gt_pairs.masks = torch.zeros(2, 1, 20, 51, dtype=torch.bool)
        self.refused(worked_example[0], ValueError, "gt_pairs.masks of video 'a' has shape")

    def test_number_of_frames(self, worked_example):
        worked_example[0].pred_pairs.ungated_masks = torch.zeros(2, 3, 20, 50, dtype=torch.bool)
        self.refused(worked_example[0], ValueError, "pred_pairs.ungated_masks of video 'a'")

    def test_number_of_pairs(self, worked_example):
        sample = worked_example[0].to_dict()
        sample['pred_pairs'] = worked_example[1].pred_pairs[:1].to_dict()
        with pytest.raises(
            ValueError, match=r"video 'a' has shape \(1, .*, expected \(P, T, H, W\) = \(2, any"
        ):
            JFRMetric().process(None, [sample])

    @pytest.mark.parametrize('name', ['masks', 'ungated_masks'])
    def test_dtype(self, worked_example, name):
        pred = worked_example[0].pred_pairs
        pred[name] = pred[name].to(torch.uint8)
        self.refused(worked_example[0], TypeError, f"pred_pairs.{name} of video 'a' must be bool")

    @pytest.mark.parametrize('name', ['consensus', 'scores'])
    def test_nan(self, worked_example, name):
        worked_example[0].pred_pairs[name][1] = float('nan')
        self.refused(worked_example[0], ValueError, f"{name} of pair 'a/0/n0', video 'a', is NaN")

    @pytest.mark.parametrize('group', ['gt_pairs', 'pred_pairs'])
    def test_missing_group(self, worked_example, group):
        delattr(worked_example[0], group)
        self.refused(worked_example[0], KeyError, f"video 'a' has no '{group}'")

    def test_missing_field(self, worked_example):
        del worked_example[0].pred_pairs.ungated_masks
        self.refused(worked_example[0], KeyError, "video 'a' has no 'ungated_masks'")

    def test_kind_against_label(self, worked_example):
        worked_example[0].gt_pairs.kinds = ['positive', 'positive']
        self.refused(worked_example[0], ValueError, "'a/0/n0' of video 'a' has kind 'positive'")


def test_csv_has_what_the_metrics_are_computed_from(worked_example, tmp_path: Path):
    path = tmp_path / 'new' / 'pairs.csv'
    values = evaluate(worked_example, csv_path=path)
    with path.open(newline='', encoding='utf-8') as file:
        lines = {line['pair_id']: line for line in csv.DictReader(file)}
    assert list(lines) == ['a/0/n0', 'a/0/p', 'b/0/n0', 'b/0/p']
    positives = [line for line in lines.values() if line['label'] == '1']
    for name in ('J', 'F', 'ungated_J', 'ungated_F'):
        mean = 100 * np.mean([float(line[name]) for line in positives])
        assert mean == pytest.approx(values[name.replace('_', '/')])
    negative = lines['a/0/n0']
    assert (negative['ungated_area'], negative['area'], negative['J']) == ('60', '0', '')
    assert (negative['kind'], negative['gt_area']) == ('other_video', '')
    assert float(negative['ungated_area_fraction']) == 0.06


def test_only_numbers_are_kept_of_a_sample(worked_example):
    metric = JFRMetric()
    metric.process(None, worked_example)
    for row in (row for rows in metric.results for row in rows):
        for value in vars(row).values():
            assert not isinstance(value, (torch.Tensor, np.ndarray))


class TestMerge:
    def rows(self, **changes) -> list[list[pair_scores.PairScores]]:
        (row,) = pair_scores.pair_scores(
            read_sample(only([random_sample(0)], positive=True)[0]), bound_th=0.008
        )
        return [[row], [replace(row, **changes)]]

    def test_repeated_pair_counts_once(self, warnings_logged):
        results = self.rows()
        assert merge_scores(results, allow_repeats=True) == results[0]
        assert not warnings_logged

    def test_repeated_pair_with_other_scores_is_told(self, warnings_logged):
        results = self.rows(consensus=0.123)
        assert merge_scores(results, allow_repeats=True) == results[0]
        assert any("'video0/0/p' was scored by two" in message for message in warnings_logged)

    def test_two_pairs_of_one_id_are_refused(self):
        with pytest.raises(ValueError, match="'video0/0/p' occurs twice"):
            merge_scores(self.rows(expression='another one'), allow_repeats=True)


class TestObjectsInNoFrame:
    """Masks of 0 and 255 instead of ids leave every object without a pixel."""

    EMPTY = np.zeros((1, 20, 50), dtype=bool)

    def test_a_model_that_segments_nothing_does_not_score_100(self, warnings_logged):
        samples = [
            sample_of(v, [f'{v}/0/p'], self.EMPTY[None], self.EMPTY[None], [1]) for v in 'ab'
        ]
        protocols = ['per_expression', 'from_first_appearance', 'davis_semi', 'refcoco']
        values = evaluate(samples, protocols=protocols)
        quality = [values[key] for key in values if key.rpartition('/')[2] in ('J', 'F', 'mIoU')]
        assert len(quality) == 2 * 7
        assert all(map(math.isnan, quality))
        what = '2 of 2 pairs have an object that is in no frame (a/0/p, b/0/p): J and F are NaN'
        assert any(what in message for message in warnings_logged)

    def test_single_objects_are_named(self, warnings_logged):
        truth = np.stack([block(10, 40), self.EMPTY])
        sample = sample_of('a', ['a/0/p', 'a/1/p'], truth, truth, [1, 1])
        assert evaluate([sample])['J'] == 100
        what = '1 of 2 pairs have an object that is in no frame (a/1/p): they count as never'
        assert any(what in message for message in warnings_logged)
