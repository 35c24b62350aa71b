"""Make the items of referring data sets: clips with their pairs, reproducible for each draw."""

import hashlib
import os
import random
from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import is_dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.registry import DefaultScope

from r2vos_mm.registry import TASK_UTILS
from r2vos_mm.utils.data_issues import DataFileError, ProblemList
from r2vos_mm.utils.logging import warn
from r2vos_mm.utils.parts import Part
from r2vos_mm.utils.processes import note_work
from r2vos_mm.utils.shared_list import SharedList
from r2vos_mm.utils.storage.paths import StoredPath, as_text, storage_path

from .frame_sampling import anchor_frames
from .io.mask_sources import MaskCodes, PngMasks
from .records import Clip, Expression, Pair, VideoRecord, is_held_out, read_pairs, targets_of
from .samplers import EpochIndex


@contextmanager
def seeded_globals(seed: int) -> Iterator[None]:
    """Seed the generators of ``random`` and NumPy, which MMCV's transforms use, in the block."""
    python_state, numpy_state = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)


class BaseReferringDataset(BaseDataset):
    """Clips and pairs from videos that a subclass lists in :meth:`load_videos`.

    Training: an item is (video, expression, anchor frame). Its clip has T frames around the anchor,
    and its pairs are the expression, ``positives_per_clip - 1`` other expressions of the video and
    the negatives. All that is random in an item (frames, pairs, augmentation) depends only on
    (``seed``, epoch, index), where an :class:`EpochIndex` of the sampler carries the epoch. If the
    expression's object is visible in no frame, or a file is broken, another item is drawn, at most
    ``max_refetch`` times; then a clip without the object is accepted.

    Testing: an item is a video with all its frames and pairs. The pipeline gets lists over the T
    frames, as ``TransformBroadcaster`` needs them: ``img_path``, ``clip`` (T times the same
    :class:`Clip`) and, with ground truth, ``target_masks``.

    Args:
        split: part of the data set, such as ``'train'``.
        ann_file: annotations, relative to ``data_root``. Defaults to the class's ``ANN_FILE``.
        clip_length: frames T of a training clip.
        frame_sampling: config of the rule that chooses them; ``AnchoredFrames`` by default.
        positives_per_clip: maximum number of different expressions of the video per training clip.
        negatives: config of a :class:`~r2vos_mm.datasets.negatives.NegativeSource`, or None.
        video_subset: ``dict(part='train'|'holdout', fraction=.05)`` keeps one side of a split by
            the hash of the ids; ``start`` moves the hold-out, for cross-validation. None keeps all.
        pairs_file: for testing, the pairs to use (:mod:`~r2vos_mm.utils.formats.pairs`), relative
            to ``data_root``; videos without a pair are skipped. None: each video's expressions.
        part: for testing, the part of the videos to use, such as ``'2/4'``; the scores of all parts
            can be merged (:mod:`r2vos_mm.apis.scoring.merge`). None for all.
        backend_args: where all files of the data set are, as in MMEngine's ``get_file_backend``;
            ``data_root`` is then an address (:mod:`r2vos_mm.utils.storage`). None for local files.
        dataset_name: the ``dataset`` of the samples. Defaults to the class's ``METAINFO``.
        seed: seed of everything random in an item.
        max_refetch: maximum number of draws of another item.
        data_root, test_mode, **kwargs: see :class:`mmengine.dataset.BaseDataset`.

    Raises:
        FileNotFoundError, ValueError: a file is missing or of another form, a pairs file is given
            for training, or no video is usable. This applies to all data sets.
    """

    ANN_FILE = ''
    MASKS_ARE_OPTIONAL = False  # a frame without a PNG of masks shows no object
    mask_codes: MaskCodes | None = None  # of all videos, where one file holds them

    def __init__(
        self,
        *,
        data_root: str,
        split: str = 'train',
        ann_file: str = '',
        clip_length: int = 5,
        frame_sampling: Mapping | None = None,
        positives_per_clip: int = 1,
        negatives: Mapping | None = None,
        video_subset: Mapping | None = None,
        pairs_file: str | None = None,
        part: str | None = None,
        backend_args: Mapping | None = None,
        dataset_name: str = '',
        seed: int = 0,
        max_refetch: int = 10,
        test_mode: bool = False,
        **kwargs: Any,
    ) -> None:
        if clip_length < 1 or positives_per_clip < 1 or max_refetch < 0:
            raise ValueError(
                'clip_length and positives_per_clip must be at least 1 and max_refetch at least 0, '
                f'got {clip_length}, {positives_per_clip} and {max_refetch}'
            )
        if not test_mode:
            _check_train_options(pairs_file=pairs_file, part=part)
        self.split = split
        self.clip_length = clip_length
        self.frame_sampling = TASK_UTILS.build(dict(frame_sampling or dict(type='AnchoredFrames')))
        self.positives_per_clip = positives_per_clip
        self.video_subset = _checked_subset(video_subset)
        self.pairs_file = pairs_file
        self.backend_args = None if backend_args is None else dict(backend_args)
        self.part = None if part is None else Part.parse(part)
        self._pairs: dict[str, list[Pair]] = {}
        self.dataset_name = dataset_name or self.METAINFO.get('dataset_name', type(self).__name__)
        self.seed = seed
        self.videos: Sequence[VideoRecord] = ()
        self.negatives = None if negatives is None else TASK_UTILS.build(dict(negatives))
        self._reported: set[str] = set()
        # Find bare names in the pipeline without a Runner, too.
        with DefaultScope.overwrite_default_scope('r2vos_mm'):
            super().__init__(
                data_root=data_root,
                ann_file=ann_file or self.ANN_FILE.format(split=split),
                max_refetch=max_refetch,
                test_mode=test_mode,
                data_prefix={},
                **kwargs,
            )

    @property
    def root(self) -> Path | StoredPath:
        """The folder of the data set."""
        return storage_path(self.data_root, self.backend_args)

    @property
    def ann_path(self) -> Path | StoredPath:
        """The file of the annotations."""
        return storage_path(self.ann_file, self.backend_args)

    def _join_prefix(self) -> None:
        if isinstance(self.root, StoredPath):  # MMEngine would join only addresses that it knows
            self.ann_file = str(self.root / self.ann_file)
        else:
            super()._join_prefix()

    @abstractmethod
    def load_videos(self) -> list[VideoRecord]:
        """Return all usable videos in a fixed order; log problems once."""

    def test_pairs(self, video: VideoRecord) -> list[Pair]:
        """Return the pairs of a video in testing: those of the pairs file, or its own expressions.

        Expressions about nothing in the video are negative pairs and come last.
        """
        if self.pairs_file is not None:
            return self._pairs[video.video_id]
        listed = (*video.expressions, *video.absent)
        return [Pair.of(video.video_id, expression) for expression in listed]

    def shown_pair(self, video: VideoRecord, pair: Pair, problems: ProblemList) -> Pair | None:
        """Return the pair to use for one of the pairs file; None, with a problem, if unusable.

        A positive pair gets the target of the video's own expression of that number: an object of
        a pairs file is one number, while a target may be several, or a code. An expression about
        nothing in the video makes a negative pair.
        """
        if pair.is_negative:
            return pair
        where = f'{video.video_id} expression {pair.exp_id}'
        listed = (*video.expressions, *video.absent)
        own = next((expression for expression in listed if expression.exp_id == pair.exp_id), None)
        if own is None or own.text != pair.text:
            what = 'in the pairs file, but not among the usable expressions'
            if own is not None:
                what = f'is {pair.text!r} in the pairs file, but {own.text!r} in the expressions'
            problems.add(where, what, 'pair skipped')
            return None
        if own.is_absent:
            what = 'positive in the pairs file, but about nothing in the video'
            problems.add(where, what, 'shown as a negative pair')
            return Pair.of(video.video_id, own)
        return replace(pair, obj_id=own.obj_id, text_type=own.text_type)

    def frame_keys(self, video: VideoRecord, frames: Sequence[str]) -> dict[str, Any]:
        """Return the pipeline's keys for the T frames."""
        return dict(
            img_path=[as_text(video.frame_dir / f'{frame}{video.frame_suffix}') for frame in frames]
        )

    def mask_keys(
        self, video: VideoRecord, frames: Sequence[str], targets: tuple[str, ...]
    ) -> dict[str, Any]:
        """Return the pipeline's keys for the masks of targets; none if there are no masks."""
        if self.mask_codes is not None:
            masks = self.mask_codes.of_clip(video.video_id, frames, targets)
            return dict(targets=[targets] * len(frames), target_masks=masks)
        if video.mask_dir is None:
            return {}
        paths = (video.mask_dir / f'{frame}.png' for frame in frames)
        return dict(target_masks=[PngMasks(path, self.MASKS_ARE_OPTIONAL) for path in paths])

    def load_data_list(self) -> list[dict]:
        """Return one item per (video, expression, anchor) in training, one per video in testing.

        Raises:
            ValueError: no video is usable.
        """
        videos = self.load_videos()
        if self.pairs_file is not None:
            videos = self._with_pairs(videos, self.root / self.pairs_file)
        videos = [video for video in videos if self._in_subset(video)]
        self.videos = SharedList(videos if self.part is None else self._own_part(videos))
        if not self.videos:
            raise ValueError(
                f'no usable video in {self.data_root} ({self.ann_file}, video_subset='
                f'{self.video_subset}); see the warnings above'
            )
        if self.test_mode:
            return [dict(video=index) for index in range(len(self.videos))]
        if self.negatives is not None:
            self.negatives.prepare(self.videos, self.root)
        return [
            dict(video=index, expression=number, anchor=anchor)
            for index, video in enumerate(self.videos)
            for number in range(len(video.expressions))
            for anchor in anchor_frames(len(video.frames), self.clip_length)
        ]

    def __getitem__(self, idx: int) -> dict:
        """Return the item as packed by the pipeline: ``inputs`` and ``data_samples``.

        Raises:
            DataFileError: a file is broken; in training, in ``max_refetch + 1`` items in a row.
        """
        if not self._fully_initialized:
            self.full_init()
        if self.test_mode:
            return self.pipeline(self._test_results(self.get_data_info(int(idx))))
        return self._train_item(idx if isinstance(idx, EpochIndex) else EpochIndex(idx % len(self)))

    def excerpt(self, index: int, pair_id: str, frames: Collection[str]) -> dict:
        """Return a test item with one of its pairs and some of its frames, packed as the others.

        Args:
            index: of the item.
            pair_id: of the pair.
            frames: names of the frames, in any order.

        Raises:
            KeyError: the item has no such pair, or none of the frames.
            DataFileError: a file is broken.
        """
        video = self.videos[self.get_data_info(index)['video']]
        pairs = [pair for pair in self.test_pairs(video) if pair.pair_id == pair_id]
        names = [frame for frame in video.frames if frame in frames]
        if not pairs or not names:
            raise KeyError(f'{video.video_id} has no pair {pair_id}, or none of its frames')
        return self.pipeline(self._results(video, names, pairs))

    def fingerprint(self, index: int) -> str:
        """Return a hash of a test item: its pairs, and names, sizes and times of its files."""
        results = self._test_results(self.get_data_info(index))
        results['clip'] = results['clip'][0]
        stamps = [
            (str(path), os.path.getsize(path), os.stat(path).st_mtime_ns)
            for path in sorted(set(_paths_in(results)))
            if os.path.isfile(path)
        ]
        return hashlib.sha256(repr((results, stamps)).encode('utf-8', 'replace')).hexdigest()

    def _train_item(self, index: EpochIndex) -> dict:
        packed, error = None, None
        for attempt in range(self.max_refetch + 1):
            rng = np.random.default_rng((self.seed, index.epoch, index.origin, attempt))
            item = self.get_data_info(int(rng.integers(len(self))) if attempt else int(index))
            try:
                results = self._train_results(item, rng)
                with seeded_globals(int(rng.integers(2**32))):
                    packed = self.pipeline(results)
            except DataFileError as broken:
                error = broken
                self._report_once(f'{broken}. Another item is drawn instead')
                continue
            # Pair 0 is the expression of the item.
            if packed['data_samples'].gt_pairs.valid[0].any():
                return packed
        if packed is None:
            raise error
        sample = packed['data_samples']
        self._report_once(
            f'video {sample.video_id}, expression {sample.gt_pairs.exp_ids[0]}: its object is not '
            'visible in this clip, nor were those of items drawn instead (max_refetch). The clip '
            'is used as it is; longer clips (clip_length) or weaker crops show more'
        )
        return packed

    def _train_results(self, item: dict, rng: np.random.Generator) -> dict:
        """Return the pipeline's input for a training item, all draws from ``rng``."""
        video = self.videos[item['video']]
        note_work(f'video {video.video_id}, expression {item["expression"]}')
        indices = self.frame_sampling(len(video.frames), self.clip_length, item['anchor'], rng)
        pairs = self._positives(video, item['expression'], rng)
        if self.negatives is not None:
            pairs += self.negatives.draw(video, rng)
        return self._results(video, [video.frames[i] for i in indices], pairs)

    def _positives(self, video: VideoRecord, first: int, rng: np.random.Generator) -> list[Pair]:
        """Return the item's expression and others of the video, all texts different."""
        order = rng.permutation(len(video.expressions)) if self.positives_per_clip > 1 else ()
        by_text: dict[str, Expression] = {}
        for expression in (video.expressions[index] for index in (first, *order)):
            by_text.setdefault(expression.text, expression)
        chosen = islice(by_text.values(), self.positives_per_clip)
        return [Pair.of(video.video_id, expression) for expression in chosen]

    def _test_results(self, item: dict) -> dict:
        video = self.videos[item['video']]
        note_work(f'video {video.video_id}')
        return self._results(video, video.frames, self.test_pairs(video))

    def _results(self, video: VideoRecord, frames: Sequence[str], pairs: Sequence[Pair]) -> dict:
        clip = Clip(video.video_id, self.dataset_name, tuple(frames), tuple(pairs))
        results = dict(self.frame_keys(video, frames), clip=[clip] * len(frames))
        # An expression of unknown object has no ground truth, regardless of the video's masks.
        if all(pair.is_negative or pair.obj_id for pair in pairs):
            results.update(self.mask_keys(video, frames, targets_of(pairs)))
        return results

    def _with_pairs(self, videos: Sequence[VideoRecord], path: Path) -> list[VideoRecord]:
        """Return the videos that have pairs in the file; log pairs that cannot be used."""
        problems = ProblemList(str(path))
        pairs = read_pairs(path, problems)
        for video in videos:
            shown = [
                self.shown_pair(video, pair, problems) for pair in pairs.pop(video.video_id, ())
            ]
            self._pairs[video.video_id] = [pair for pair in shown if pair is not None]
        for video_id, unknown in sorted(pairs.items()):
            what = f'in {path.name}, but not among the usable videos'
            problems.add(video_id, what, f'{len(unknown)} pair(s) skipped')
        problems.report()
        return [video for video in videos if self._pairs[video.video_id]]

    def _own_part(self, videos: Sequence[VideoRecord]) -> list[VideoRecord]:
        """Return the videos of this part; the metainfo lists all of them, to merge the parts."""
        names = [video.video_id for video in videos]
        self._metainfo['part'] = dict(self.part._asdict(), videos=names)
        return self.part.of(videos)

    def _in_subset(self, video: VideoRecord) -> bool:
        if self.video_subset is None:
            return True
        start = self.video_subset.get('start', 0.0)
        held_out = is_held_out(video.source_id, self.video_subset['fraction'], start)
        return held_out == (self.video_subset['part'] == 'holdout')

    def _report_once(self, message: str) -> None:
        if message not in self._reported:
            self._reported.add(message)
            warn(message)


def _check_train_options(*, pairs_file: str | None, part: str | None) -> None:
    if pairs_file is not None:
        raise ValueError(
            'pairs_file is for test_mode=True; for training use negatives=dict('
            f"type='PairsFileNegatives', pairs_file='{pairs_file}', ...)"
        )
    if part is not None:
        raise ValueError('part is for test_mode=True')


def _checked_subset(subset: Mapping | None) -> dict | None:
    if subset is None:
        return None
    keys, part, fraction = set(subset), subset.get('part'), subset.get('fraction', 0)
    is_known = keys - {'start'} == {'part', 'fraction'} and part in ('train', 'holdout')
    if not is_known or not 0 < fraction < 1 or not 0 <= subset.get('start', 0) < 1:
        raise ValueError(
            "video_subset must be dict(part='train'|'holdout', fraction=<0..1>, start=<0..1>), got "
            f'{dict(subset)}'
        )
    return dict(subset)


def _paths_in(value: Any) -> Iterator[str]:
    """Yield the strings and paths in nested containers and dataclasses."""
    if isinstance(value, (str, Path)):
        yield str(value)
    elif isinstance(value, Mapping):
        yield from _paths_in(list(value.values()))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _paths_in(item)
    elif is_dataclass(value):
        yield from _paths_in(list(vars(value).values()))
