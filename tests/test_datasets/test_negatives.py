"""Negative pairs of training clips."""

import doctest
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tiny_sets import write_json

from r2vos_mm.datasets import Expression, PairsFileNegatives, TrainNegatives, VideoRecord
from r2vos_mm.datasets.pairs import categories as categories_module
from r2vos_mm.datasets.pairs import words as lexicon
from r2vos_mm.datasets.pairs.categories import may_contain
from r2vos_mm.registry import TASK_UTILS


def video(video_id: str, categories: dict[str, str], *sentences: tuple[str, str]) -> VideoRecord:
    expressions = tuple(
        Expression(str(i), sentence, obj_id) for i, (sentence, obj_id) in enumerate(sentences)
    )
    return VideoRecord(video_id, ('00000',), Path(video_id), None, expressions, categories)


VIDEOS = [
    video('dogs', {'1': 'dog', '2': 'dog'}, ('a white dog on the left', '1'), ('a dog', '2')),
    video('cat', {'1': 'cat'}, ('a small red cat behind the tree', '1'), ('the cat', '1')),
    video('fox', {'1': 'fox'}, ('a fox', '1')),
    video('surf', {'1': 'surfboard'}, ('a surfboard', '1')),
    video('man', {'1': 'person'}, ('a man', '1')),
]


def draws(source: object, record: VideoRecord, count: int = 60) -> list:
    return [
        pair for seed in range(count) for pair in source.draw(record, np.random.default_rng(seed))
    ]


def prepared(videos: list[VideoRecord] = VIDEOS, **kwargs: object) -> TrainNegatives:
    source = TrainNegatives(**kwargs)
    source.prepare(videos, Path('data'))
    return source


def test_examples_of_the_docstrings() -> None:
    assert doctest.testmod(categories_module).failed == 0
    assert doctest.testmod(lexicon).failed == 0


@pytest.mark.parametrize(
    ('present', 'target', 'expected'),
    [
        ({'dog'}, 'dog', True),
        ({'fox'}, 'dog', True),
        ({'cat'}, 'dog', False),
        ({'skateboard'}, 'person', True),
        ({'skateboard'}, 'hand', True),
        ({'dog'}, 'person', False),
        ({'person'}, 'skateboard', False),
        (set(), 'dog', False),
        ({'square'}, 'circle', False),
    ],
)
def test_what_a_video_may_contain(present: set, target: str, expected: bool) -> None:
    assert may_contain(present, target) is expected


def test_other_videos_categories_are_foreign() -> None:
    source = prepared(per_clip=1, shares=dict(other_video=1.0))
    # dog: not the fox (its group); surfboard: not the man (people come with surfboards).
    assert {pair.text for pair in draws(source, VIDEOS[0])} == {
        'a small red cat behind the tree',
        'the cat',
        'a surfboard',
        'a man',
    }
    assert 'a man' not in {pair.text for pair in draws(source, VIDEOS[3])}
    for pair in draws(source, VIDEOS[0]):
        assert (pair.is_negative, pair.kind, pair.obj_id) == (True, 'other_video', '')


def test_without_categories_words_are_compared(warnings_logged: Callable) -> None:
    videos = [
        video('a', {}, ('a dog runs', '1')),
        video('b', {}, ('the dog', '1')),
        video('c', {}, ('a cat on the left', '1')),
    ]
    source = prepared(videos, per_clip=1, shares=dict(other_video=1.0))
    assert {pair.text for pair in draws(source, videos[0])} == {'a cat on the left'}
    assert len(warnings_logged()) == 1
    assert '3 of 3 videos' in warnings_logged()[0]


@pytest.mark.parametrize(
    ('kind', 'allowed'),
    [
        ('relation', {'a small red cat in front of the tree'}),
        (
            'attribute',
            {'a big red cat behind the tree'}
            | {
                f'a small {colour} cat behind the tree'
                for colour in (
                    'yellow',
                    'green',
                    'blue',
                    'purple',
                    'black',
                    'white',
                    'grey',
                    'gray',
                )
            },
        ),
    ],
)
def test_one_word_is_changed(kind: str, allowed: set[str]) -> None:
    pairs = draws(prepared(per_clip=1, shares={kind: 1.0}), VIDEOS[1])
    assert {pair.text for pair in pairs} <= allowed
    assert {(pair.kind, pair.exp_id) for pair in pairs} == {(kind, '0')}


def test_no_word_is_changed_where_another_object_may_fit() -> None:
    source = prepared(per_clip=1, shares=dict(attribute=0.5, relation=0.5))
    assert draws(source, VIDEOS[0]) == []


def test_articles_agree() -> None:
    rng = np.random.default_rng(0)
    changed = {
        lexicon.change_one_word('a blue bus', lexicon.ATTRIBUTES, avoid='', rng=rng)
        for _ in range(60)
    }
    assert 'an orange bus' in changed
    assert 'a orange bus' not in changed
    assert (
        lexicon.change_one_word('an old bus', lexicon.ATTRIBUTES, avoid='', rng=rng)
        == 'a young bus'
    )


def test_words_of_other_sentences_are_not_put_in() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        assert (
            lexicon.change_one_word(
                'the left bus', lexicon.RELATIONS, avoid='a car on the right', rng=rng
            )
            is None
        )


def test_shares() -> None:
    videos = [VIDEOS[1], *(video(f'v{i}', {'1': f'c{i}'}, (f'thing {i}', '1')) for i in range(50))]
    source = prepared(videos, per_clip=1, shares=dict(other_video=0.5, attribute=0.3, relation=0.2))
    counts = Counter(pair.kind for pair in draws(source, videos[0], 1000))
    # Binomial: 1000 draws, standard deviation at most 16.
    assert abs(counts['other_video'] - 500) < 65
    assert abs(counts['attribute'] - 300) < 60
    assert abs(counts['relation'] - 200) < 55


def test_other_kinds_stand_in_and_sentences_differ() -> None:
    source = prepared(per_clip=3, shares=dict(relation=1.0, other_video=1e-9))
    for seed in range(20):
        pairs = source.draw(VIDEOS[1], np.random.default_rng(seed))
        assert len({pair.text for pair in pairs}) == len(pairs) == 3
        assert [pair.kind for pair in pairs] == ['relation', 'other_video', 'other_video']


def test_a_single_video_has_no_other() -> None:
    source = prepared(VIDEOS[:1], per_clip=2, shares=dict(other_video=1.0))
    assert source.draw(VIDEOS[0], np.random.default_rng(0)) == []


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (dict(per_clip=-1), 'per_clip >= 0'),
        (dict(shares={}), 'not all zero'),
        (dict(shares=dict(other_video=0)), 'not all zero'),
        (dict(shares=dict(other_video=-1.0, relation=2.0)), 'shares >= 0'),
        (dict(shares=dict(colour=1.0)), r"not \['colour'\]"),
    ],
)
def test_bad_arguments(kwargs: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainNegatives(**kwargs)


def row(video_id: str, number: int, kind: str, **changes: object) -> dict:
    label = int(kind == 'positive')
    return (
        dict(
            pair_id=f'{video_id}/{number}',
            video=video_id,
            exp_video='x',
            exp_id=str(number),
            exp=f'Sentence  {number}',
            obj_id='1',
            category='c',
            label=label,
            kind=kind,
            rank=0,
        )
        | changes
    )


class TestPairsFileNegatives:
    def source(self, root: Path, rows: list[dict], **kwargs: object) -> PairsFileNegatives:
        write_json(root / 'pairs.json', dict(format='r2-pairs/1', pairs=rows))
        source = TASK_UTILS.build(
            dict(type='PairsFileNegatives', pairs_file='pairs.json', **kwargs)
        )
        source.prepare(VIDEOS, root)
        return source

    def test_pairs_of_the_video_shown(self, tmp_path: Path) -> None:
        rows = [
            row('cat', 0, 'positive'),
            row('cat', 1, 'other_video'),
            row('cat', 2, 'attribute'),
            row('fox', 3, 'relation'),
            row('gone', 4, 'relation'),
        ]
        source = self.source(tmp_path, rows, per_clip=3)
        pairs = draws(source, VIDEOS[1])
        assert {(pair.text, pair.kind) for pair in pairs} == {
            ('sentence 1', 'other_video'),
            ('sentence 2', 'attribute'),
        }
        assert all(pair.is_negative and not pair.obj_id for pair in pairs)
        assert {pair.kind for pair in draws(source, VIDEOS[2])} == {'relation'}
        assert draws(source, VIDEOS[0]) == []

    def test_kinds_without_share_are_not_drawn(self, tmp_path: Path) -> None:
        rows = [row('cat', 1, 'other_video'), row('cat', 2, 'attribute')]
        source = self.source(tmp_path, rows, shares=dict(attribute=1.0))
        assert {pair.kind for pair in draws(source, VIDEOS[1])} == {'attribute'}

    def test_file_without_negatives(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r'pairs\.json has no negative pair of kind .*shares'):
            self.source(tmp_path, [row('cat', 0, 'positive')])
