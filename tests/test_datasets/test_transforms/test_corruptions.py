"""Corrupted frames and sentences: reproducible, of the stated strength, alike over a clip."""

import doctest
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmengine.config import Config
from toy_models import CONFIGS

from r2vos_mm.datasets import Clip, Pair
from r2vos_mm.datasets.transforms import CorruptExpressions, CorruptFrames, corruptions
from r2vos_mm.datasets.transforms.corruptions import (
    EXPRESSION_CORRUPTIONS,
    FRAME_CORRUPTIONS,
    SEVERITIES,
    corrupt_frame,
    corrupt_text,
)

SENTENCES = st.lists(st.text('abcxyz', min_size=1, max_size=6), min_size=1, max_size=25).map(
    ' '.join
)


def picture(height: int = 112, width: int = 160) -> np.ndarray:
    """Waves of all colours (H, W, 3) uint8, most of them dark."""
    rows, columns = np.mgrid[:height, :width]
    waves = np.stack([np.sin(rows / 2), np.cos(columns / 3), np.sin((rows + columns) / 4)], -1)
    return (60 + 50 * waves).astype(np.uint8)


def results(frames: int = 3, sentences: tuple[str, ...] = ('a red dog',)) -> dict:
    pairs = tuple(
        Pair(text, f'p{i}', str(i), is_negative=bool(i)) for i, text in enumerate(sentences)
    )
    clip = Clip('video', 'set', tuple(f'{i:05d}' for i in range(frames)), pairs)
    return dict(img=[picture() for _ in range(frames)], clip=[clip] * frames)


def corrupted(text: str, kind: str, severity: int, seed: int) -> str:
    return corrupt_text(text, kind=kind, severity=severity, seed=seed)


def test_examples_of_the_docstrings() -> None:
    assert doctest.testmod(corruptions).failed == 0


class TestFrames:
    @pytest.mark.parametrize('kind', FRAME_CORRUPTIONS)
    def test_worse_with_severity(self, kind: str) -> None:
        original, distances = picture().astype(int), []
        for severity in SEVERITIES:
            image = CorruptFrames(kind=kind, severity=severity).transform(results(1))['img'][0]
            assert (image.shape, image.dtype) == (original.shape, np.uint8)
            distances.append(np.abs(image - original).mean())
        # Clouds of another severity are others: there only the first and the last tell.
        compared = distances[::4] if kind == 'fog' else distances
        assert compared == sorted(compared)
        assert distances[0] > 0.2  # a blur of half a pixel at this size

    @pytest.mark.parametrize('kind', FRAME_CORRUPTIONS)
    def test_a_clip_is_corrupted_alike_and_again_the_same(self, kind: str) -> None:
        once, again = (
            CorruptFrames(kind=kind, severity=3).transform(results())['img'] for _ in range(2)
        )
        np.testing.assert_array_equal(once, again)
        other = CorruptFrames(kind=kind, severity=3, seed=1).transform(results())['img']
        is_random = kind in ('noise', 'fog')
        assert np.array_equal(once, other) != is_random
        # The frames were equal. All but noise leaves them so.
        assert np.array_equal(once[0], once[1]) == (kind != 'noise')

    def test_formulas(self) -> None:
        grey = np.full((64, 64, 3), 100, np.uint8)
        rng = np.random.default_rng(0)
        # Severity 1: brighter by 0.1 of 255; the value of grey is the grey itself.
        assert (
            corrupt_frame(grey, kind='brightness', severity=1, rng=rng)[0, 0].tolist() == [126] * 3
        )
        # Half black and half 100: the mean is 50, and 0.4 of the distance of 50 is left.
        grey[:32] = 0
        assert np.unique(corrupt_frame(grey, kind='contrast', severity=1, rng=rng)).tolist() == [
            30,
            70,
        ]
        # A standard deviation of 0.08 of 255 = 20.4, of 12,288 numbers: within 2 %.
        noisy = corrupt_frame(
            np.full((64, 64, 3), 128, np.uint8), kind='noise', severity=1, rng=rng
        )
        assert noisy.std() == pytest.approx(0.08 * 255, rel=0.02)

    def test_black_frames_in_fog(self) -> None:
        black = np.zeros((8, 8, 3), np.uint8)
        assert np.isfinite(
            corrupt_frame(black, kind='fog', severity=5, rng=np.random.default_rng(0))
        ).all()

    @pytest.mark.parametrize(('kind', 'severity'), [('rain', 1), ('fog', 0), ('fog', 6)])
    def test_unknown(self, kind: str, severity: int) -> None:
        with pytest.raises(ValueError, match='kind is one of noise, .* severity 1 to 5'):
            CorruptFrames(kind=kind, severity=severity)


class TestSentences:
    @given(SENTENCES, st.sampled_from(SEVERITIES), st.integers(0, 3))
    def test_dropped_words(self, sentence: str, severity: int, seed: int) -> None:
        words, left = sentence.split(), corrupted(sentence, 'drop', severity, seed).split()
        dropped = min(math.ceil(severity / 10 * len(words)), len(words) - 1)
        assert len(left) == len(words) - dropped
        rest = iter(words)
        assert all(word in rest for word in left)  # in the order they had

    @given(SENTENCES, st.sampled_from(SEVERITIES), st.integers(0, 3))
    def test_swapped_words_are_the_same_words(
        self, sentence: str, severity: int, seed: int
    ) -> None:
        assert sorted(corrupted(sentence, 'swap', severity, seed).split()) == sorted(
            sentence.split()
        )

    @given(SENTENCES, st.sampled_from(SEVERITIES), st.integers(0, 3))
    def test_typos_change_as_many_words_as_stated(
        self, sentence: str, severity: int, seed: int
    ) -> None:
        words, typed = sentence.split(), corrupted(sentence, 'typos', severity, seed).split()
        changed = [pair for pair in zip(words, typed) if pair[0] != pair[1]]
        assert len(typed) == len(words)
        assert all(abs(len(typo) - len(word)) <= 1 for word, typo in changed)
        assert len(changed) == math.ceil(severity / 10 * len(words))

    @given(
        SENTENCES,
        st.sampled_from(SEVERITIES),
        st.integers(0, 3),
        st.sampled_from(sorted(EXPRESSION_CORRUPTIONS)),
    )
    def test_pure_functions(self, sentence: str, severity: int, seed: int, kind: str) -> None:
        once = corrupted(sentence, kind, severity, seed)
        np.random.seed(severity)
        assert corrupted(sentence, kind, severity, seed) == once

    def test_seeds_differ(self) -> None:
        sentence = 'the small brown dog that runs to the left of a large old tree'
        for kind in EXPRESSION_CORRUPTIONS:
            assert len({corrupted(sentence, kind, 3, seed) for seed in range(5)}) > 1

    def test_all_pairs_of_a_clip(self) -> None:
        clips = CorruptExpressions(kind='drop', severity=5).transform(
            results(2, ('a red dog there', 'one cat'))
        )['clip']
        assert [len(pair.text.split()) for pair in clips[0].pairs] == [2, 1]
        assert [pair.pair_id for pair in clips[0].pairs] == ['p0', 'p1']
        assert len(clips) == 2

    def test_unknown(self) -> None:
        with pytest.raises(ValueError, match="kind is one of drop, swap, typos .* got 'noise'"):
            CorruptExpressions(kind='noise', severity=1)


@pytest.mark.parametrize(
    ('name', 'transform'), [('frames', 'CorruptFrames'), ('expressions', 'CorruptExpressions')]
)
def test_configs_corrupt_testing_only(name: str, transform: str) -> None:
    path = CONFIGS / f'r2vos/robustness/r2vos_tiny_2xb3-3k_refshapes_corrupted-{name}.py'
    config, plain = Config.fromfile(path), Config.fromfile(CONFIGS / 'r2vos_tiny_refshapes.py')
    config.merge_from_dict({'test_dataloader.dataset.pipeline.1.severity': 5})
    pipeline = config.test_dataloader.dataset.pipeline
    assert [pipeline[0], pipeline[2]] == plain.test_dataloader.dataset.pipeline
    assert (pipeline[1].type, pipeline[1].severity) == (transform, 5)
    for part in ('train', 'val'):
        assert config[f'{part}_dataloader'].dataset == plain[f'{part}_dataloader'].dataset
