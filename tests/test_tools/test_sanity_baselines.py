"""The sanity check on RefShapes, and its parts by hand."""

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from clocks import clock_like
from hypothesis import given
from hypothesis import strategies as st
from mmengine.structures import InstanceData

from r2vos_mm.apis import init_model
from r2vos_mm.datasets import Pair
from r2vos_mm.refshapes import make_refshapes
from r2vos_mm.structures import ReferringDataSample
from r2vos_mm.utils.cli import UsageError

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / 'configs' / 'r2vos_tiny_refshapes.py'
_FILE = ROOT / 'tools' / 'analysis_tools' / 'sanity_baselines.py'
_SPEC = importlib.util.spec_from_file_location('sanity_baselines', _FILE)
sanity = importlib.util.module_from_spec(_SPEC)
sys.modules['sanity_baselines'] = sanity
_SPEC.loader.exec_module(sanity)


def subject(video: int, obj_id: str, sentence: str) -> 'sanity.Subject':
    return sanity.Subject(video, Pair(sentence, f'{video}/{sentence}/p', '0', obj_id))


def test_three_numbers(tmp_path, capsys):
    make_refshapes(
        tmp_path / 'data',
        splits=dict(valid=3),
        size=(64, 64),
        length=3,
        num_objects=(2, 2),
        sentences_per_object=2,
        workers=1,
        progress=False,
    )
    checkpoint = tmp_path / 'random.pth'
    torch.save(dict(state_dict=init_model(CONFIG, device='cpu').state_dict()), checkpoint)
    out = tmp_path / 'sanity.json'
    sanity.main(
        [
            str(CONFIG),
            str(checkpoint),
            '--num-videos',
            '2',
            '--device',
            'cpu',
            '--out',
            str(out),
            '--csv',
            str(tmp_path / 'answers.csv'),
            '--kinds',
            'shuffled',
            'other_videos',
            'changed_colours',
            '--by-words',
            '--every',
            '2',
            '--cfg-options',
            f'test_dataloader.dataset.data_root={tmp_path / "data"}',
            'test_dataloader.dataset.pipeline.0.transforms.1.scale=(64,64)',
        ]
    )
    found = json.loads(out.read_text())
    assert (found['num_videos'], found['num_pairs']) == (2, 8)
    assert all(0 <= found[name] <= 100 for name in ('right', 'shuffled', 'blob'))
    printed = capsys.readouterr().out
    assert 'J of 8 positive pairs in 2 videos, masks before the gate' in printed
    assert f'{found["right"]:.1f}' in printed
    assert 'right, with a colour' in printed
    assert found['kinds']['other_videos']['count'] == 16  # 4 objects, 4 expressions each
    rows = (tmp_path / 'answers.csv').read_text().splitlines()
    assert len(rows) == 1 + sum(row['count'] for row in found['kinds'].values())


class Listener:
    """A 'model' whose mask is row n of the frame for the sentence 'n'."""

    def test_step(self, batch):
        sample = batch['data_samples'][0]
        masks = torch.zeros(len(sample.gt_pairs.texts), 2, 4, 4, dtype=torch.bool)
        for mask, sentence in zip(masks, sample.gt_pairs.texts):
            mask[:, int(sentence)] = True
        logits = torch.tensor([float('-inf')] * len(masks))  # no verdict
        sample.pred_pairs = InstanceData(ungated_masks=masks, misalignment_logits=logits)
        return [sample]


def test_a_model_that_listens():
    """Right: J = 1. Sentence '1' for object '0': no overlap, J = 0; '3' for itself: J = 1."""
    truth = torch.zeros(3, 2, 4, 4, dtype=torch.bool)
    truth[0, :, 0] = truth[1, :, 3] = True
    sample = sanity_sample(truth, torch.tensor([False, False, True]))
    item = dict(inputs=torch.zeros(2, 3, 4, 4), data_samples=sample)
    pairs = [subject(0, '1', '0'), replace(subject(0, '2', '3'), row=1)]
    asked = [(pairs[0], 'right', '0'), (pairs[1], 'right', '3')]
    asked += [(pairs[0], 'shuffled', '1'), (pairs[1], 'shuffled', '3')]
    answers, masks = sanity.score_video(Listener(), item, asked)
    assert [(x.kind, x.j) for x in answers] == [
        ('right', 1), ('right', 1), ('shuffled', 0), ('shuffled', 1),
    ]  # fmt: skip
    np.testing.assert_array_equal(masks, truth[:2].numpy())
    row = sanity.table_row(answers, 'shuffled')
    assert (row.count, row.j) == (2, 50)
    assert np.isnan(row.auroc)  # no verdict


def test_area_under_the_curve_by_kind():
    """Right 2 and 0, others 1: one of two pairs is in order. Changed: only against its original."""
    answers = [
        sanity.Answer('v', kind, text, original, 1, 1, verdict, float('nan'))
        for kind, text, original, verdict in (
            ('right', 'red', 'red', 2), ('right', 'a dog', 'a dog', 0),
            ('other_videos', 'a cat', 'red', 1), ('changed_colours', 'blue', 'red', 1),
        )
    ]  # fmt: skip
    assert sanity.table_row(answers, 'other_videos').auroc == 0.5
    assert sanity.table_row(answers, 'changed_colours').auroc == 1
    assert np.isnan(sanity.table_row(answers, 'right').auroc)


def test_questions_by_kind():
    subjects = [
        subject(0, '1', 'a silver car'), subject(0, '1', 'a white car'), subject(1, '1', 'a dog'),
    ]  # fmt: skip
    asked = sanity.questions(subjects, ['other_videos', 'changed_colours'], seed=0)
    by_kind = {kind: [(x.video, text) for x, k, text in asked if k == kind] for _, kind, _ in asked}
    assert by_kind['other_videos'] == [(0, 'a dog'), (1, 'a silver car'), (1, 'a white car')]
    changed = [text for _, text in by_kind['changed_colours']]
    assert len(changed) == 6
    assert not {'a silver car', 'a grey car', 'a white car', 'a dog'} & set(changed)
    assert asked == sanity.questions(subjects, ['other_videos', 'changed_colours'], seed=0)


def sanity_sample(masks, is_negative):
    sample = ReferringDataSample(metainfo=dict(video_id='v'))
    sample.gt_pairs = InstanceData(masks=masks, is_negative=is_negative)
    return sample


@given(st.lists(st.integers(1, 4), min_size=2, max_size=6), st.integers(0, 9))
def test_no_sentence_stays_with_its_object(counts, seed):
    """Objects with 1-4 sentences; possible when no object has more than half of them."""
    subjects = [
        subject(video, '1', f'sentence {video} {k}')
        for video, count in enumerate(counts)
        for k in range(count)
    ]
    if 2 * max(counts) > sum(counts):
        with pytest.raises(UsageError, match='cannot be shuffled'):
            sanity.shuffle_sentences(subjects, seed=seed)
        return
    shuffled = sanity.shuffle_sentences(subjects, seed=seed)
    assert sorted(shuffled) == sorted(s.pair.text for s in subjects)
    assert all(text.split()[1] != str(s.video) for s, text in zip(subjects, shuffled))
    assert shuffled == sanity.shuffle_sentences(subjects, seed=seed)


def test_equal_texts_are_no_wrong_sentences():
    subjects = [subject(0, '1', 'a dog'), subject(1, '1', 'a dog')]
    with pytest.raises(UsageError, match='cannot be shuffled'):
        sanity.shuffle_sentences(subjects, seed=0)


def test_blob_has_the_mean_area():
    blob = sanity.centre_blob((60, 100), 0.1)
    assert blob.sum() == pytest.approx(600, rel=0.03)
    np.testing.assert_array_equal(blob, blob[::-1, ::-1])


def test_blob_score():
    """Two frames, the object fills one and is absent in the other: the circle has the frame's area.

    A circle of area 20 * 20 in a 20 x 20 frame has radius 20 / sqrt(pi) = 11.3 and is cut at the
    border: J = |circle| / 400 in the first frame, 0 in the second.
    """
    truth = np.zeros((1, 2, 20, 20), bool)
    truth[0, 0] = True
    share = sanity.centre_blob((20, 20), 1.0).mean()
    assert 0.85 < share < 1
    assert sanity.blob_score([truth]) == pytest.approx(share / 2)


def test_ground_truth_is_needed():
    class Unknown:
        data_root = 'data/unknown'
        videos = [None]

        def get_data_info(self, item):
            return dict(video=0)

        def test_pairs(self, video):
            return [Pair('a dog', 'v/0/p', '0')]

    with pytest.raises(UsageError, match='data/unknown.* has no ground truth'):
        sanity.positive_pairs(Unknown(), [0])


def test_as_many_videos_as_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Right and shuffled take 1 s each, the first video timed: 20 / 2 - 1 = 9, at least three."""
    clock = [0.0]

    def score_video(*_: object) -> None:
        clock[0] += 1.0

    monkeypatch.setattr(sanity, 'time', clock_like(monotonic=lambda: clock[0]))
    monkeypatch.setattr(sanity, 'score_video', score_video)
    monkeypatch.setattr(sanity, 'positive_pairs', lambda *_: [])
    assert sanity.fitting_videos(None, [None], max_seconds=20) == 9
    assert sanity.fitting_videos(None, [None], max_seconds=1) == 3


def test_rows_by_what_expressions_name() -> None:
    """One expression may name several things; 'something' and wrong expressions do not count."""
    texts = {'a red car moving left': 0.2, 'a Black swan': 0.6, 'a dog looking for something': 0.4}
    asked = [('right', text, j) for text, j in texts.items()]
    asked += [('right', 'a boy with something', 1.0), ('shuffled', 'a red bus', 0.9)]
    answers = [sanity.Answer('v', kind, text, text, j, j, 0.0, 0.0) for kind, text, j in asked]
    rows = sanity.rows_by_words(answers)
    assert {name: (row.count, round(row.j, 6)) for name, row in rows.items()} == {
        'colour': (2, 40.0),  # (0.2 + 0.6) / 2
        'relation': (1, 20.0),
        'action': (2, 30.0),  # (0.2 + 0.4) / 2
        'neither': (1, 100.0),
    }
