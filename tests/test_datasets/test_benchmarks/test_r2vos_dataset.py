"""Items of the dataset: what they hold, and that they depend on nothing but seed, epoch, index."""

import json
import random
import shutil
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.dataset import ConcatDataset, pseudo_collate
from tiny_sets import VIDEOS, write_frame, write_json, write_set
from torch.utils.data import DataLoader

from r2vos_mm.datasets import ClipSampler, DataFileError, EpochIndex, R2VOSDataset
from r2vos_mm.datasets.base_referring_dataset import seeded_globals
from r2vos_mm.datasets.records import is_held_out
from r2vos_mm.registry import DATASETS

LOAD = [dict(type='LoadVideoFrame'), dict(type='LoadMasks')]
AUGMENT = [
    dict(type='RandomFlip', prob=0.5),
    dict(type='ClipPhotoMetricDistortion'),
    dict(type='mmdet.RandomCrop', crop_type='relative_range', crop_size=(0.8, 0.8)),
    dict(type='Resize', scale=(32, 24)),
]
NEGATIVES = dict(type='TrainNegatives', per_clip=2)


def pipeline(*transforms: dict) -> list[dict]:
    return [
        dict(
            type='TransformBroadcaster', share_random_params=True, transforms=[*LOAD, *transforms]
        ),
        dict(type='SwapLeftRight'),
        dict(type='PackReferringInputs'),
    ]


def build(root: Path, **kwargs: object) -> R2VOSDataset:
    options = dict(type='R2VOSDataset', data_root=str(root), clip_length=3, pipeline=pipeline())
    return DATASETS.build(options | kwargs)


def fingerprint(item: dict) -> tuple:
    """Everything that may differ between two draws of an item."""
    sample = item['data_samples']
    pairs = sample.gt_pairs
    return (
        item['inputs'].numpy().tobytes(),
        sample.video_id,
        tuple(sample.frame_ids),
        tuple(pairs.texts),
        tuple(pairs.kinds),
        pairs.masks.numpy().tobytes(),
        pairs.boxes.numpy().tobytes(),
    )


class TestTrainingItems:
    def test_an_epoch_counts_video_sentence_and_anchor(self, tiny_set: Path) -> None:
        # sum over sentences of ceil(n / T) with T = 3: v0 3 * 2, v1 1 * 1, v2 1 * 1
        assert len(build(tiny_set)) == 8
        # T = 2: 3 * 3 + 1 * 2 + 1 * 1
        assert len(build(tiny_set, clip_length=2)) == 12

    def test_clip_and_pair(self, tiny_set: Path) -> None:
        item = build(tiny_set)[0]
        sample = item['data_samples']
        assert item['inputs'].shape == (3, 3, 24, 32)
        assert (sample.video_id, sample.dataset) == ('v0', 'ref_youtube_vos')
        assert len(sample.frame_ids) == 3
        assert sample.gt_pairs.texts == ['a dog on the left']
        assert sample.gt_pairs.pair_ids == ['v0/0/p']
        assert sample.gt_pairs.masks.sum((-1, -2)).tolist() == [[36, 36, 36]]

    def test_further_positives_and_negatives(self, tiny_set: Path) -> None:
        dataset = build(tiny_set, positives_per_clip=2, negatives=NEGATIVES)
        for index in range(len(dataset)):
            pairs = dataset[index]['data_samples'].gt_pairs
            positive = ~pairs.is_negative
            own = len({exp for exp, _ in VIDEOS[dataset[index]['data_samples'].video_id][2]})
            assert positive.sum() == min(2, own)
            assert len(set(pairs.texts)) == len(pairs)
            assert pairs.valid[positive].all()
            assert not pairs.valid[~positive].any()
            assert not pairs.masks[~positive].any()
            assert not pairs.boxes[~positive].any()

    def test_equal_sentences_share_no_clip(self, tmp_path: Path) -> None:
        root = write_set(
            tmp_path,
            {
                'v': (
                    3,
                    {'1': 'dog', '2': 'dog'},
                    [('a  Dog', '1'), ('a dog', '2'), ('the dog', '2')],
                )
            },
        )
        dataset = build(root, positives_per_clip=3)
        assert sorted(dataset[0]['data_samples'].gt_pairs.texts) == ['a dog', 'the dog']

    def test_dataset_name(self, tiny_set: Path) -> None:
        assert build(tiny_set, dataset_name='mine')[0]['data_samples'].dataset == 'mine'

    def test_one_frame_video(self, tiny_set: Path) -> None:
        sample = build(tiny_set)[7]['data_samples']
        assert sample.video_id == 'v2'
        assert sample.frame_ids == ['00000'] * 3

    def test_annotated_pairs_file_negatives(self, tiny_set: Path) -> None:
        rows = [
            dict(
                pair_id='n',
                video='v0',
                exp_video='v1',
                exp_id='0',
                exp='a small train',
                label=0,
                kind='other_video',
            )
        ]
        write_json(tiny_set / 'pairs/train.json', dict(format='r2-pairs/1', pairs=rows))
        dataset = build(
            tiny_set, negatives=dict(type='PairsFileNegatives', pairs_file='pairs/train.json')
        )
        assert dataset[0]['data_samples'].gt_pairs.texts == [
            'a dog on the left',
            'a small train',
        ]


class TestReproducibility:
    def dataset(self, root: Path, **kwargs: object) -> R2VOSDataset:
        return build(
            root, positives_per_clip=2, negatives=NEGATIVES, pipeline=pipeline(*AUGMENT), **kwargs
        )

    def test_items_are_functions_of_seed_epoch_and_index(self, tiny_set: Path) -> None:
        first, second = self.dataset(tiny_set), self.dataset(tiny_set)
        indices = [EpochIndex(i, epoch=3) for i in range(len(first))]
        forward = [fingerprint(first[index]) for index in indices]
        random.seed(5)
        np.random.seed(5)
        backward = [fingerprint(second[index]) for index in reversed(indices)]
        assert forward == backward[::-1]
        other_epoch = [fingerprint(first[EpochIndex(i, epoch=4)]) for i in indices]
        other_seed = [fingerprint(self.dataset(tiny_set, seed=1)[index]) for index in indices]
        assert sum(a == b for a, b in zip(forward, other_epoch)) < 3
        assert sum(a == b for a, b in zip(forward, other_seed)) < 3

    def test_global_generators_are_left_alone(self, tiny_set: Path) -> None:
        dataset = self.dataset(tiny_set)
        random.seed(1)
        np.random.seed(1)
        expected = random.random(), np.random.rand()
        random.seed(1)
        np.random.seed(1)
        dataset[0]
        assert (random.random(), np.random.rand()) == expected

    def test_generators_are_restored_after_an_error(self) -> None:
        np.random.seed(1)
        expected = np.random.rand()
        np.random.seed(1)
        with pytest.raises(ZeroDivisionError), seeded_globals(7):
            1 / (0 * np.random.rand())
        assert np.random.rand() == expected

    @pytest.mark.parametrize(
        'wrap', [lambda dataset: dataset, lambda dataset: ConcatDataset([dataset, dataset])]
    )
    def test_the_number_of_workers_does_not_matter(self, tiny_set: Path, wrap: Callable) -> None:
        dataset = wrap(self.dataset(tiny_set))

        def batches(workers: int) -> list:
            loader = DataLoader(
                dataset,
                batch_size=2,
                sampler=ClipSampler(dataset, seed=0),
                num_workers=workers,
                collate_fn=pseudo_collate,
                persistent_workers=workers > 0,
            )
            return [
                tuple(
                    fingerprint(dict(inputs=inputs, data_samples=sample))
                    for inputs, sample in zip(batch['inputs'], batch['data_samples'])
                )
                for batch in islice(loader, len(dataset))
            ]  # two epochs

        alone = batches(0)
        assert batches(2) == alone
        half = len(alone) // 2
        assert set(alone[:half]) != set(alone[half:])


class TestMissingObjects:
    def never(self, tmp_path: Path, sentences: int) -> Path:
        """A video whose sentences' object 3 is in no mask, and a sound one."""
        root = write_set(
            tmp_path,
            {
                'a': (4, {'1': 'dog'}, [('a cat', '1')] * sentences),
                'b': (4, {'1': 'dog'}, [('a dog', '1')]),
            },
        )
        path = root / 'meta_expressions/train/meta_expressions.json'
        content = json.loads(path.read_text())
        for entry in content['videos']['a']['expressions'].values():
            entry['obj_id'] = '3'
        write_json(path, content)
        return root

    def test_another_item_is_drawn(self, tmp_path: Path) -> None:
        dataset = build(self.never(tmp_path, 1))
        assert [dataset[i]['data_samples'].video_id for i in range(4)] == ['b'] * 4
        assert dataset[0]['data_samples'].gt_pairs.valid.all()

    def test_after_some_draws_absence_is_accepted_and_said_once(
        self, tmp_path: Path, warnings_logged: Callable
    ) -> None:
        dataset = build(self.never(tmp_path, 1), max_refetch=0)
        sample = [dataset[0], dataset[0]][0]['data_samples']
        assert len(warnings_logged()) == 1
        assert warnings_logged()[0].startswith(
            'video a, expression 0: its object is not visible in this clip'
        )
        assert sample.video_id == 'a'
        assert not sample.gt_pairs.valid.any()
        assert not sample.gt_pairs.masks.any()

    def test_the_search_ends(self, tmp_path: Path) -> None:
        root = self.never(tmp_path, 2)
        shutil.rmtree(root / 'train/JPEGImages/b')
        assert not build(root, max_refetch=3)[0]['data_samples'].gt_pairs.valid.any()

    def test_an_object_visible_in_some_frames(self, tmp_path: Path) -> None:
        root = write_set(tmp_path, {'a': (3, {'1': 'dog'}, [('a dog', '1')])})
        write_frame(root, 'train', 'a', '00005', [])
        assert build(root)[0]['data_samples'].gt_pairs.valid.tolist() == [[True, False, True]]


class TestBrokenFiles:
    def test_training_goes_on_and_tells_once(
        self, tiny_set: Path, warnings_logged: Callable
    ) -> None:
        dataset = build(tiny_set)
        path = tiny_set / 'train/JPEGImages/v2/00000.jpg'
        path.write_bytes(path.read_bytes()[:200])
        for _ in range(3):
            assert dataset[7]['data_samples'].video_id != 'v2'
        assert len(warnings_logged()) == 1
        assert f'{path} is not a complete image' in warnings_logged()[0]

    def test_training_ends_if_nothing_can_be_read(self, tiny_set: Path) -> None:
        dataset = build(tiny_set, max_refetch=3)
        for path in (tiny_set / 'train/JPEGImages').rglob('*.jpg'):
            path.unlink()
        with pytest.raises(DataFileError, match='cannot read'):
            dataset[0]

    def test_testing_stops(self, tiny_set: Path) -> None:
        dataset = build(tiny_set, test_mode=True)
        path = tiny_set / 'train/JPEGImages/v0/00005.jpg'
        path.write_bytes(b'no image')
        with pytest.raises(DataFileError, match=r'v0/00005\.jpg is not a complete image'):
            dataset[0]

    def test_no_usable_video(self, tiny_set: Path) -> None:
        shutil.rmtree(tiny_set / 'train/Annotations')
        with pytest.raises(ValueError, match='no usable video .* see the warnings above'):
            build(tiny_set)


class TestTesting:
    def test_a_video_with_all_frames_and_sentences(self, tiny_set: Path) -> None:
        transforms = [
            dict(type='LoadVideoFrame'),
            dict(type='Resize', scale=(16, 12)),
            dict(type='LoadMasks'),
        ]
        dataset = build(
            tiny_set,
            test_mode=True,
            pipeline=[
                dict(type='TransformBroadcaster', transforms=transforms),
                dict(type='PackReferringInputs'),
            ],
        )
        assert [dataset[i]['data_samples'].video_id for i in range(len(dataset))] == list(VIDEOS)
        item = dataset[0]
        sample = item['data_samples']
        assert item['inputs'].shape == (6, 3, 12, 16)
        assert (sample.img_shape, sample.ori_shape) == ((12, 16), (24, 32))
        assert sample.scale_factor == (0.5, 0.5)
        assert sample.gt_pairs.texts == [exp for exp, _ in VIDEOS['v0'][2]]
        assert sample.gt_pairs.masks.shape == (3, 6, 24, 32)
        assert sample.gt_pairs.masks.sum() == 3 * 6 * 36

    def test_unknown_objects_have_no_ground_truth(self, tiny_set: Path) -> None:
        path = tiny_set / 'meta_expressions/train/meta_expressions.json'
        content = json.loads(path.read_text())
        del content['videos']['v0']['expressions']['1']['obj_id']
        del content['videos']['v1']['expressions']['0']['obj_id']
        write_json(path, content)
        dataset = build(tiny_set, test_mode=True)
        some, none = (dataset[i]['data_samples'].gt_pairs for i in range(2))
        # The expression of unknown object is skipped, so that the others can be scored.
        assert 'masks' in some
        assert some.pair_ids == ['v0/0/p', 'v0/2/p']
        assert 'masks' not in none

    def test_excerpts(self, tiny_set: Path) -> None:
        dataset = build(tiny_set, test_mode=True)
        whole, part = dataset[0], dataset.excerpt(0, 'v0/1/p', ['00020', '00005'])
        assert part['inputs'].equal(whole['inputs'][[1, 4]])
        pairs = part['data_samples'].gt_pairs
        assert (part['data_samples'].frame_ids, pairs.texts) == (['00005', '00020'], ['a red cat'])
        assert pairs.masks[0].equal(whole['data_samples'].gt_pairs.masks[1][[1, 4]])
        for pair_id, frame in (('v0/9/p', '00005'), ('v0/1/p', 'x')):
            with pytest.raises(KeyError, match=f'v0 has no pair {pair_id}'):
                dataset.excerpt(0, pair_id, [frame])

    def test_pairs_file(self, tiny_set: Path, warnings_logged: Callable) -> None:
        common = dict(exp_video='v0', exp_id='0', exp='a dog on the left')
        rows = [
            common | dict(pair_id='p', video='v0', obj_id='1', label=1, kind='positive'),
            common | dict(pair_id='n', video='v1', label=0, kind='easy'),
            common
            | dict(pair_id='m', video='v0', exp='a dog on the right', label=0, kind='relation'),
            common | dict(pair_id='x', video='gone', label=0, kind='easy'),
        ]
        write_json(tiny_set / 'pairs/valid.json', dict(format='r2-pairs/1', pairs=rows))
        dataset = build(tiny_set, test_mode=True, pairs_file='pairs/valid.json')
        samples = [dataset[i]['data_samples'] for i in range(len(dataset))]
        assert [sample.video_id for sample in samples] == ['v0', 'v1']
        pairs = samples[0].gt_pairs
        assert pairs.kinds == ['positive', 'relation']
        assert pairs.masks.flatten(1).any(1).tolist() == [True, False]
        assert samples[1].gt_pairs.is_negative.tolist() == [True]
        assert 'masks' in samples[1].gt_pairs
        assert (
            'gone  in valid.json, but not among the usable videos  -> 1 pair(s) skipped'
            in warnings_logged()[0]
        )

    def test_pairs_files_are_for_testing(self, tiny_set: Path) -> None:
        with pytest.raises(ValueError, match="type='PairsFileNegatives', pairs_file='p.json'"):
            build(tiny_set, pairs_file='p.json')

    def test_removed_test_videos_are_left_out(self, tmp_path: Path) -> None:
        root = write_set(tmp_path, split='valid')
        test_file = root / 'meta_expressions/test/meta_expressions.json'
        write_json(test_file, dict(videos=dict(v1=dict(frames=[], expressions={}))))
        dataset = build(root, split='valid', test_mode=True)
        assert [video.video_id for video in dataset.videos] == ['v0', 'v2']


class TestSubsets:
    def test_the_parts_are_disjoint_and_together_all(self, tmp_path: Path) -> None:
        root = write_set(
            tmp_path, {f'v{i}': (1, {'1': 'dog'}, [('a dog', '1')]) for i in range(30)}
        )
        train, holdout = (
            {
                video.video_id
                for video in build(root, video_subset=dict(part=part, fraction=0.3)).videos
            }
            for part in ('train', 'holdout')
        )
        assert train | holdout == {f'v{i}' for i in range(30)}
        assert not train & holdout

    def test_share_of_the_holdout(self) -> None:
        held_out = [i for i in range(4000) if is_held_out(f'video{i}', 0.05)]
        # Binomial: mean 200, standard deviation 13.8
        assert 150 < len(held_out) < 250
        assert set(held_out) <= {i for i in range(4000) if is_held_out(f'video{i}', 0.1)}

    def test_every_video_is_held_out_once_in_cross_validation(self) -> None:
        starts = (0.0, 0.25, 0.5, 0.75)
        for video in map('video{}'.format, range(200)):
            assert sum(is_held_out(video, 0.25, start) for start in starts) == 1
            assert is_held_out(video, 0.25, 0.0) == is_held_out(video, 0.25)

    @pytest.mark.parametrize(
        'subset',
        [
            dict(part='test', fraction=0.1),
            dict(part='train', fraction=0),
            dict(part='train'),
            dict(part='train', fraction=0.2, start=1.0),
        ],
    )
    def test_bad_subset(self, tiny_set: Path, subset: dict) -> None:
        with pytest.raises(ValueError, match='video_subset must be dict'):
            build(tiny_set, video_subset=subset)


@pytest.mark.parametrize(
    'kwargs', [dict(clip_length=0), dict(positives_per_clip=0), dict(max_refetch=-1)]
)
def test_bad_numbers(tiny_set: Path, kwargs: dict) -> None:
    with pytest.raises(ValueError, match='clip_length and positives_per_clip must be at least 1'):
        build(tiny_set, **kwargs)


class TestReferenceData:
    def test_quirks(self, test_data: Path, warnings_logged: Callable) -> None:
        dataset = build(
            test_data / 'data/fixtures/rytvos_quirks',
            negatives=NEGATIVES,
            pipeline=pipeline(*AUGMENT),
        )
        assert len(dataset.videos) == 12
        for epoch in range(2):
            for index in range(len(dataset)):
                pairs = dataset[EpochIndex(index, epoch=epoch)]['data_samples'].gt_pairs
                assert pairs.valid[0].any()
        table = warnings_logged()[0]
        for video, words in dict(
            q06missingmask='00005.png is missing',
            q07missingjpg='00010.jpg is missing',
            q08nofolder='listed, but',
            q10unlisted='not listed',
            q14unicode='text is empty',
        ).items():
            assert any(video in line and words in line for line in table.splitlines())
        assert '5 problem(s)' in table
        assert len([message for message in warnings_logged() if 'problem' in message]) == 1

    def test_quirks_in_testing(self, test_data: Path, warnings_logged: Callable) -> None:
        dataset = build(test_data / 'data/fixtures/rytvos_quirks', split='valid', test_mode=True)
        assert [dataset[i]['data_samples'].frame_ids for i in range(2)] == [
            ['00000', '00005', '00010'],
            ['00095', '00100'],
        ]
        assert '3 problem(s)' in warnings_logged()[0]

    def test_the_mini_set_has_as_many_items_as_referformer_counts(self, test_data: Path) -> None:
        assert len(build(test_data / 'data/mini_rytvos', clip_length=5)) == 645
        assert len(build(test_data / 'data/real_rytvos_sample', clip_length=5)) == 12

    def test_tensors_are_plain(self, test_data: Path) -> None:
        item = build(test_data / 'data/mini_rytvos')[0]
        assert item['inputs'].dtype == torch.uint8
        assert item['inputs'].is_contiguous()
