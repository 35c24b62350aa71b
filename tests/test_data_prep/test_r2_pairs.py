"""Building pairs: the rules, the files they come from, and the known sets."""

import doctest
import hashlib
import importlib.util
import itertools
import json
from collections import Counter
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.structures import InstanceData
from scripts import exit_status
from tiny_sets import VIDEOS, write_json, write_set

from r2vos_mm.data_prep import r2_pairs as pair_builder
from r2vos_mm.data_prep.r2_pairs import R2Pairs, build_r2_pairs, edit_distance
from r2vos_mm.datasets import R2VOSDataset
from r2vos_mm.datasets.pairs import categories
from r2vos_mm.evaluation import JFRMetric
from r2vos_mm.utils.files import write_json as write
from r2vos_mm.utils.formats.pairs import pairs_sha256

TOOL = Path(__file__).parents[2] / 'tools' / 'dataset_converters' / 'build_r2_pairs.py'
PIPELINE = [
    dict(
        type='TransformBroadcaster',
        transforms=[
            dict(type='LoadVideoFrame'),
            dict(type='Resize', scale=(32, 24)),
            dict(type='LoadMasks'),
        ],
    ),
    dict(type='PackReferringInputs'),
]
# Categories v0: dog, cat; v1: train; v2: zebra. All three sentences of v0 are about dog or cat.


def build(root: Path, **kwargs: object) -> R2Pairs:
    return build_r2_pairs(
        root / 'meta_expressions/train/meta_expressions.json',
        **dict(categories=root / 'train/meta.json') | kwargs,
    )


def rows_of(pairs: R2Pairs, label: int = 0) -> list[dict]:
    return [row for row in pairs.content['pairs'] if row['label'] == label]


def shown(pairs: R2Pairs) -> dict[str, str]:
    return {row['pair_id']: row['video'] for row in rows_of(pairs)}


def animals(root: Path, sentences: dict[str, tuple[str, str]]) -> Path:
    """A set whose videos have one object each: {video: (category, sentence)}."""
    return write_set(
        root,
        {
            video: (1, {'1': category}, [(sentence, '1')])
            for video, (category, sentence) in sentences.items()
        },
    )


def test_examples_of_the_docstrings() -> None:
    assert doctest.testmod(pair_builder).failed == 0
    assert doctest.testmod(categories).failed == 0


class TestEasy:
    def test_order_by_hash(self, tmp_path: Path) -> None:
        root = animals(
            tmp_path,
            {
                'a': ('dog', 'the dog'),
                'b': ('cat', 'the cat'),
                'c': ('fox', 'the fox'),
                'd': ('bus', 'the bus'),
            },
        )
        pairs = build(root, negatives_per_positive=2, seed='s')
        # c has a fox, which may be called a dog; the others in the order of their digests.
        expected = sorted('bd', key=lambda u: hashlib.sha256(f's|a|0|{u}'.encode()).digest())
        assert [row['video'] for row in rows_of(pairs) if row['exp_video'] == 'a'] == expected
        assert rows_of(pairs)[0] == dict(
            pair_id='a/0/n0',
            video=expected[0],
            exp_video='a',
            exp_id='0',
            exp='the dog',
            obj_id='1',
            category='dog',
            label=0,
            kind='easy',
            rank=0,
        )

    def test_people_may_be_unannotated(self, tmp_path: Path) -> None:
        root = animals(
            tmp_path,
            {'a': ('person', 'a man'), 'b': ('surfboard', 'a board'), 'c': ('zebra', 'a zebra')},
        )
        pairs = build(root, negatives_per_positive=2)
        assert [row['video'] for row in rows_of(pairs) if row['exp_video'] == 'a'] == ['c']
        assert pairs.content['short'] == {'a/0': 1}

    def test_names_of_other_sets(self, tmp_path: Path) -> None:
        root = animals(
            tmp_path, {'a': ('car', 'a car'), 'b': ('Truck', 'a truck'), 'c': ('robot', 'a robot')}
        )
        assert shown(build(root)).keys() == {'a/0/n0', 'b/0/n0', 'c/0/n0'}
        assert shown(build(root))['a/0/n0'] == 'c'

    @settings(deadline=None, derandomize=True)
    @given(st.permutations(sorted('abcdefgh')), st.integers(1, 7))
    def test_fewer_are_the_first_of_more(
        self, tmp_path_factory: pytest.TempPathFactory, order: list[str], wanted: int
    ) -> None:
        path = tmp_path_factory.mktemp('set') / 'first.json'
        kinds = ['dog', 'cat', 'bus', 'zebra', 'owl', 'snake', 'frog', 'camel']
        write_json(
            path,
            dict(
                videos={
                    video: dict(
                        objects={
                            '1': dict(
                                category=kinds['abcdefgh'.index(video)],
                                expressions=['it'],
                                frames=['0'],
                            )
                        }
                    )
                    for video in order
                }
            ),
        )
        few, all_of_them = (build_r2_pairs(path, negatives_per_positive=n) for n in (wanted, 7))
        assert len(rows_of(few)) == 8 * wanted
        assert shown(few).items() <= shown(all_of_them).items()
        assert [row['video'] for row in rows_of(few, 1)] == sorted('abcdefgh')

    def test_a_further_video_changes_only_what_it_wins(self, tmp_path: Path) -> None:
        before = shown(build(write_set(tmp_path / 'a')))
        more = VIDEOS | {'v3': (1, {'1': 'camel'}, [('a camel', '1')])}
        after = shown(build(write_set(tmp_path / 'b', more)))
        assert all(after[pair] in (video, 'v3') for pair, video in before.items())

    def test_excluded_pairs_give_way_to_the_next(self, tiny_set: Path) -> None:
        both = shown(build(tiny_set, negatives_per_positive=2))
        pairs = build(tiny_set, exclude=['v0/0/n0'])
        assert shown(pairs)['v0/0/n1'] == both['v0/0/n1']
        assert 'v0/0/n0' not in shown(pairs)
        assert pairs.content['params']['exclude'] == ['v0/0/n0']
        assert pairs.sha256 != build(tiny_set).sha256


def test_swap_names_what_the_video_has_not(tiny_set: Path) -> None:
    pairs = build(tiny_set, kind='swap', negatives_per_positive=3)
    assert pairs.content['counts'] == dict(positive=5, negative=15, short=0, videos=3)
    assert all(row['video'] == row['exp_video'] for row in rows_of(pairs))
    texts = {row['pair_id']: row['exp'] for row in rows_of(pairs)}
    for pair_id, exp in texts.items():
        if pair_id.startswith('v0/0'):
            noun = exp.removeprefix('a ').removeprefix('n ').removesuffix(' on the left')
            assert f'{exp[:2].strip()} {noun}' in exp
            # Dog and cat are in the video; fox and lion may be called so.
            assert not set(noun.split()) & {'dog', 'puppy', 'cat', 'kitten', 'fox', 'lion'}
    assert pairs.content['params']['lexicon'] == 'v1'


def test_swap_needs_the_noun_in_the_sentence(tmp_path: Path) -> None:
    root = animals(tmp_path, {'a': ('dog', 'the one on the left'), 'b': ('cat', 'the dog s cat')})
    pairs = build(root, kind='swap')
    assert pairs.content['short'] == {'a/0': 0}
    assert rows_of(pairs)[0]['exp'].startswith('the dog s ')


def test_hard_is_like_the_sentence_but_not_in_its_words(tmp_path: Path) -> None:
    root = animals(
        tmp_path,
        {
            'a': ('dog', 'a red dog'),
            'b': ('dog', 'a blue dog'),
            'c': ('dog', 'the dog that runs'),
            'd': ('dog', 'another red dog'),
            'e': ('fox', 'the fox'),
        },
    )
    pairs = build(root, kind='hard', negatives_per_positive=3)
    # From 'a red dog' to 'a blue dog' 1 change, to 'the dog that runs' 4; d is red, e is no dog.
    rows = [row for row in rows_of(pairs) if row['exp_video'] == 'a']
    assert [(row['video'], row['certain']) for row in rows] == [('c', False), ('b', False)]


@settings(deadline=None, derandomize=True)
@given(st.text('ab', max_size=6), st.text('ab', max_size=6))
def test_edit_distance_is_symmetric_and_bounded(first: str, second: str) -> None:
    distance = edit_distance(first, second)
    assert distance == edit_distance(second, first)
    assert abs(len(first) - len(second)) <= distance <= max(len(first), len(second))
    assert (distance == 0) == (first == second)


class TestSources:
    def test_objects_of_the_challenge_form_are_recovered(self, tmp_path: Path) -> None:
        first = write_json(
            tmp_path / 'first.json',
            dict(
                videos={
                    'v': dict(
                        objects={
                            '2': dict(category='cat', expressions=['a cat'], frames=['0']),
                            '1': dict(category='dog', expressions=['a dog'], frames=['0']),
                        }
                    ),
                    'w': dict(
                        objects={'1': dict(category='bus', expressions=['a bus'], frames=['0'])}
                    ),
                }
            ),
        )
        challenge = write_json(
            tmp_path / 'meta.json',
            dict(
                videos={
                    'v': dict(
                        frames=['0'], expressions={'0': dict(exp='a dog'), '1': dict(exp='a pig')}
                    ),
                    'w': dict(frames=['0'], expressions={'0': dict(exp='a bus')}),
                }
            ),
        )
        pairs = build_r2_pairs(challenge, categories=first)
        assert [(row['exp'], row['obj_id'], row['category']) for row in rows_of(pairs, 1)] == [
            ('a dog', '1', 'dog'),
            ('a pig', '', ''),
            ('a bus', '1', 'bus'),
        ]
        # 'a pig' is not in the first release, so its object is unknown.
        assert pairs.content['short'] == {'v/1': 0}
        assert 'unknown category' in pairs.problems.rows[0].what

    def test_davis_semantics(self, tiny_set: Path) -> None:
        names = {video: entry[1] for video, entry in VIDEOS.items()}
        semantics = write_json(tiny_set / 'semantics.json', names)
        assert build(tiny_set, categories=semantics).sha256 == build(tiny_set).sha256

    def test_without_categories_nouns_stand_in(self, tiny_set: Path) -> None:
        pairs = build(tiny_set, categories=None)
        # The nouns of the tiny set are its categories.
        assert shown(pairs) == shown(build(tiny_set))
        assert pairs.content['params']['categories'] == 'lexical'
        assert pairs.content['name'] == 'r2-tiny-train3-easy-lexical-n1'

    def test_sentences_about_nothing_or_several(self, tmp_path: Path) -> None:
        path = write_json(
            tmp_path / 'm.json',
            dict(
                videos={
                    'v': dict(
                        frames=['0'],
                        expressions={
                            '0': dict(exp='two dogs', obj_id=[0, 1]),
                            '1': dict(exp='a cat', obj_id=[]),
                        },
                    )
                }
            ),
        )
        pairs = build_r2_pairs(path)
        assert [(row['exp'], row['obj_id']) for row in rows_of(pairs, 1)] == [('two dogs', '')]
        # What the data gives as being about nothing in the video needs no other video.
        assert [
            (row['pair_id'], row['video'], row['exp'], row['obj_id'], row['kind'])
            for row in rows_of(pairs)
        ] == [('v/1/no_target', 'v', 'a cat', '', 'no_target')]
        assert pairs.content['counts'] == dict(positive=1, negative=1, short=1, videos=1)
        assert rows_of(build_r2_pairs(path, exclude=['v/1/no_target'])) == []

    def test_nouns_of_sentences_about_nothing_are_not_in_the_video(self, tmp_path: Path) -> None:
        def video(exp: str, about: list[int]) -> dict:
            return dict(exp=exp, obj_id=about, anno_id=about)

        path = write_json(
            tmp_path / 'm.json',
            dict(
                videos={
                    'v': dict(frames=['0'], expressions={'0': video('a dog', [1])}),
                    'w': dict(
                        frames=['0'],
                        expressions={'0': video('a bus', [2]), '1': video('a dog', [])},
                    ),
                }
            ),
        )
        assert shown(build_r2_pairs(path)) == {'v/0/n0': 'w', 'w/0/n0': 'v', 'w/1/no_target': 'w'}

    def test_a_video_without_categories_is_never_shown_wrongly(self, tiny_set: Path) -> None:
        content = json.loads((tiny_set / 'train/meta.json').read_text())
        del content['videos']['v2']
        write_json(tiny_set / 'train/meta.json', content)
        pairs = build(tiny_set, negatives_per_positive=2)
        assert 'v2' not in shown(pairs).values()
        assert pairs.content['short'] == {'v0/0': 1, 'v0/1': 1, 'v0/2': 1, 'v1/0': 1, 'v2/0': 0}

    def test_chosen_videos(self, tiny_set: Path) -> None:
        pairs = build(tiny_set, video_ids=['v2', 'v0', 'gone'])
        assert pairs.content['counts']['videos'] == 2
        assert 'v1' not in shown(pairs).values()
        assert [row.where for row in pairs.problems.rows] == ['gone']

    @pytest.mark.parametrize(
        ('kwargs', 'message'),
        [
            (dict(kind='soft'), 'kind must be one of easy, swap, hard'),
            (dict(negatives_per_positive=-1), 'at least 0'),
            (dict(video_ids=['gone']), 'no usable expression'),
            (dict(categories='other.json'), 'other.json has no category of any video'),
            (dict(categories='list.json'), 'list.json has no categories: expected'),
        ],
    )
    def test_refusals(
        self, tiny_set: Path, kwargs: dict, message: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tiny_set)
        write_json(Path('other.json'), dict(videos={'x': dict(objects={})}))
        write_json(Path('list.json'), [])
        with pytest.raises(ValueError, match=message):
            build(tiny_set, **kwargs)


def test_the_hash_does_not_depend_on_the_order(tiny_set: Path) -> None:
    rows = build(tiny_set, negatives_per_positive=2).content['pairs']
    assert len({pairs_sha256(order) for order in itertools.permutations(rows[:4])}) == 1
    assert pairs_sha256(rows[1:]) != pairs_sha256(rows)


def test_the_hash_by_hand() -> None:
    row = dict(video='u', exp_video='v', exp_id='10', label=0, kind='easy', rank=0, exp='É  b')
    first = row | dict(video='v', label=1, kind='positive')
    ninth = first | dict(exp_id='9')
    text = (
        'v\tv\t9\t1\tpositive\t0\tÉ  b\nv\tv\t10\t1\tpositive\t0\tÉ  b\n'
        'u\tv\t10\t0\teasy\t0\tÉ  b\n'
    )
    assert pairs_sha256([row, ninth, first]) == hashlib.sha256(text.encode()).hexdigest()


def test_sentences_for_other_scripts(tiny_set: Path) -> None:
    pairs = build(tiny_set)
    videos = pairs.meta_expressions['videos']
    for row in rows_of(pairs):
        key = f'{row["exp_video"]}_{row["exp_id"]}_n{row["rank"]}'
        assert videos[row['video']]['expressions'][key] == dict(exp=row['exp'], label=0)
    assert videos['v0']['expressions']['0'] == dict(exp='a dog on the left', obj_id='1')
    assert videos['v0']['frames'] == ['00000', '00005', '00010', '00015', '00020', '00025']
    assert sum(len(entry['expressions']) for entry in videos.values()) == 10


def evaluate(root: Path, pairs_file: Path, split: str, **kwargs: object) -> dict[str, float]:
    """JFRMetric of predictions that find every object, and every object for negatives, too."""
    dataset = R2VOSDataset(
        data_root=str(root),
        split=split,
        pairs_file=str(pairs_file),
        pipeline=PIPELINE,
        test_mode=True,
        **kwargs,
    )
    metric = JFRMetric()
    for item in dataset:
        sample = item['data_samples']
        masks = sample.gt_pairs.masks
        negative = torch.as_tensor(sample.gt_pairs.is_negative)
        answer = masks.clone()
        answer[negative] = masks[~negative].any(0) if (~negative).any() else True
        sample.pred_pairs = InstanceData(
            masks=answer & ~negative[:, None, None, None],
            ungated_masks=answer,
            scores=torch.ones(masks.shape[:2]),
            consensus=1 - negative.float(),
            misalignment_logits=negative.float(),
        )
        metric.process({}, [sample.to_dict()])
    return metric.evaluate(len(dataset))


def test_the_file_is_read_by_dataset_and_metric(tiny_set: Path) -> None:
    path = tiny_set / 'pairs/easy.json'
    write(path, build(tiny_set, negatives_per_positive=2).content)
    values = evaluate(tiny_set, path, 'train')
    # The gate is always right: nothing is drawn for a negative pair.
    assert (values['J&F'], values['R'], values['AUROC']) == (100, 100, 1)


class TestKnownSets:
    @pytest.mark.parametrize(
        ('wanted', 'negatives', 'sha256'),
        [
            (1, 834, 'a73c3579b71d8491cf24bfe3de833b879a0c53ef685e7ad9ec6736e17166866f'),
            (3, 2502, '2fd02988ca025dae20a43bb19e0576f8d3bd5018c555f59f77935c737d846185'),
            (5, 4170, 'e732a8df2a9fc5579efaa584153a559886372ba16e91a06477e8b668ce264a70'),
        ],
    )
    def test_refer_youtube_vos_valid(
        self, test_data: Path, wanted: int, negatives: int, sha256: str
    ) -> None:
        folder = test_data / 'data/refer_youtube_vos_valid'
        ids = (folder / 'valid_202_ids.txt').read_text().split()
        first = folder / 'meta_expressions_valid_first_and_full.json'
        pairs = build_r2_pairs(
            folder / 'meta_expressions.json',
            categories=first,
            video_ids=ids,
            negatives_per_positive=wanted,
        )
        assert pairs.content['counts'] == dict(
            positive=834, negative=negatives, short=0, videos=202
        )
        assert pairs.sha256 == sha256
        hashes = pairs.content['source']
        assert hashes['expressions_sha256'].startswith('87f3d85c')
        assert hashes['categories_sha256'].startswith('f046a5f0')
        assert hashes['video_ids_sha256'].startswith('6e9d13a9')
        # Of 202 videos 200 are shown with the 834 negatives, at most 11 times each.
        uses = Counter(row['video'] for row in pairs.content['pairs'] if row['label'] == 0)
        assert wanted > 1 or (len(uses), max(uses.values())) == (200, 11)
        assert wanted > 1 or build_r2_pairs(first, video_ids=ids).sha256 == sha256

    @pytest.mark.parametrize(
        ('wanted', 'negatives', 'short', 'sha256'),
        [
            (1, 32, 0, '38276df2'),
            (2, 64, 0, '6dfe6cdc'),
            (3, 96, 0, '8642d262'),
            (5, 144, 8, '0b125f8c'),
        ],
    )
    def test_mini_rytvos_valid(
        self, test_data: Path, wanted: int, negatives: int, short: int, sha256: str
    ) -> None:
        root = test_data / 'data/mini_rytvos'
        pairs = build_r2_pairs(
            root / 'meta_expressions/valid_with_obj/meta_expressions.json',
            categories=root / 'valid/meta.json',
            negatives_per_positive=wanted,
        )
        assert pairs.content['counts'] == dict(
            positive=32, negative=negatives, short=short, videos=8
        )
        assert pairs.sha256.startswith(sha256)

    def test_mini_rytvos_is_scored(self, test_data: Path, tmp_path: Path) -> None:
        root = test_data / 'data/mini_rytvos'
        ann_file = 'meta_expressions/valid_with_obj/meta_expressions.json'
        pairs = build_r2_pairs(
            root / ann_file,
            categories=root / 'valid/meta.json',
            video_ids=['blackswan', 'dog', 'car-shadow'],
        )
        write(tmp_path / 'pairs.json', pairs.content)
        values = evaluate(root, tmp_path / 'pairs.json', 'valid', ann_file=ann_file)
        assert values['R'] == 100


@pytest.fixture(scope='module')
def tool() -> object:
    spec = importlib.util.spec_from_file_location('build_r2_pairs_tool', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class TestCommand:
    def run(self, tool: object, monkeypatch: pytest.MonkeyPatch, *args: object) -> int:
        monkeypatch.setattr('sys.argv', ['build_r2_pairs.py', *map(str, args)])
        return exit_status(tool.main)

    def test_files_and_summary(
        self,
        tool: object,
        tiny_set: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture,
    ) -> None:
        (tmp_path / 'ids.txt').write_text('v0\nv1\n')
        write_json(tmp_path / 'exclude.json', ['v1/0/n0'])
        sentences = tiny_set / 'meta_expressions/train/meta_expressions.json'
        out, meta = tmp_path / 'out/pairs.json', tmp_path / 'meta.json'
        status = self.run(
            tool,
            monkeypatch,
            '--expressions',
            sentences,
            '--categories',
            tiny_set / 'train/meta.json',
            '--negatives-per-positive',
            1,
            '--seed',
            'x',
            '--exclude',
            tmp_path / 'exclude.json',
            '--video-ids',
            tmp_path / 'ids.txt',
            '--name',
            'mine',
            '--out',
            out,
            '--meta-expressions-out',
            meta,
        )
        assert status == 0
        expected = build(
            tiny_set, seed='x', exclude=['v1/0/n0'], video_ids=['v0', 'v1'], name='mine'
        )
        assert json.loads(out.read_text()) == expected.content
        assert json.loads(meta.read_text()) == expected.meta_expressions
        text = capsys.readouterr().out
        assert 'mine: 4 positive, 3 negative, 1 short, 2 videos' in text
        assert f'pairs_sha256 {expected.sha256}' in text

    def test_pairs_of_the_holdout(
        self, tool: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        root = animals(
            tmp_path / 'set', {f'v{i}': (('dog', 'bus', 'owl')[i % 3], 'it') for i in range(40)}
        )
        self.run(
            tool,
            monkeypatch,
            '--expressions',
            root / 'meta_expressions/train/meta_expressions.json',
            '--categories',
            root / 'train/meta.json',
            '--negatives-per-positive',
            1,
            '--holdout',
            0.3,
            '--out',
            root / 'pairs/holdout.json',
        )
        dataset = R2VOSDataset(
            data_root=str(root),
            pairs_file='pairs/holdout.json',
            pipeline=[],
            test_mode=True,
            video_subset=dict(part='holdout', fraction=0.3),
        )
        content = json.loads((root / 'pairs/holdout.json').read_text())
        # No pair is lost: the videos of the pairs are those of the dataset.
        assert 5 < content['counts']['videos'] < 20
        assert sum(len(dataset.test_pairs(video)) for video in dataset.videos) == len(
            content['pairs']
        )

    @pytest.mark.parametrize('share', ['5', '0', '1', 'nan', 'all'])
    def test_the_holdout_is_a_fraction(
        self,
        tool: object,
        tmp_path: Path,
        share: str,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture,
    ) -> None:
        paths = ('--expressions', tmp_path / 'm.json', '--out', tmp_path / 'p.json')
        options = ('--holdout', share, '--negatives-per-positive', 1)
        assert self.run(tool, monkeypatch, *paths, *options) == 2
        assert f'--holdout: {share} is not a number between 0 and 1' in capsys.readouterr().err

    @pytest.mark.parametrize(
        ('options', 'name', 'origin'),
        [
            ((), 'r2-tiny-train3-easy-n1', ('tiny', 'train')),
            (
                ('--dataset', 'refer-youtube-vos', '--split', 'valid'),
                'r2-rytvos-val3-easy-n1',
                ('refer-youtube-vos', 'valid'),
            ),
        ],
    )
    def test_the_file_tells_where_it_is_from(
        self,
        tool: object,
        tiny_set: Path,
        options: tuple,
        name: str,
        origin: tuple,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        self.run(
            tool,
            monkeypatch,
            '--expressions',
            tiny_set / 'meta_expressions/train/meta_expressions.json',
            '--categories',
            tiny_set / 'train/meta.json',
            '--negatives-per-positive',
            1,
            *options,
            '--out',
            tiny_set / 'p.json',
        )
        content = json.loads((tiny_set / 'p.json').read_text())
        assert content['name'] == name
        assert (content['source']['dataset'], content['source']['split']) == origin
        assert content['pairs_sha256'] == build(tiny_set).sha256

    def test_refusal_is_one_line(
        self,
        tool: object,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture,
    ) -> None:
        status = self.run(
            tool,
            monkeypatch,
            '--expressions',
            tmp_path / 'no.json',
            '--negatives-per-positive',
            1,
            '--out',
            tmp_path / 'p.json',
        )
        assert status == 2
        assert 'no.json does not exist' in capsys.readouterr().err
        assert not (tmp_path / 'p.json').exists()
