"""MeViS: sentences about motion, each about any number of objects."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from r2vos_mm.registry import DATASETS
from r2vos_mm.utils.data_issues import ProblemList
from r2vos_mm.utils.expressions_file import is_plain_name, normalise_sentence, read_expressions
from r2vos_mm.utils.masks_io import read_mask_dict
from r2vos_mm.utils.shared_list import SharedList

from .base_referring_dataset import BaseReferringDataset
from .io.annotations import LayoutReader
from .io.mask_sources import CodedMasks, targets_of
from .records import Expression, Pair, VideoRecord

MASK_FILE = 'mask_dict.json'
JOINT = '+'


@DATASETS.register_module()
class MeViSDataset(BaseReferringDataset):
    """Videos and sentences of MeViS.

    ::

        <data_root>/<split>/meta_expressions.json   expressions have lists obj_id, anno_id
        <data_root>/<split>/mask_dict.json          {anno_id: [run-length code or null per frame]}
        <data_root>/<split>/JPEGImages/<video>/<frame>.jpg

    The target of a sentence is the union of its annotations; ``obj_ids`` of the samples are
    their numbers joined by '+', as '12+14'. A sentence without annotation (version 2 has such) is
    about nothing in the video: a negative pair of kind ``no_target`` in testing, and in training
    what ``TrainNegatives`` with a share of ``no_target`` draws.

    Of a ``pairs_file`` positive pairs have the target of the video's own sentence of that number,
    whatever object the file names.

    Args:
        split: ``'train'``, ``'valid_u'``, ``'valid'`` (without masks) or another folder.
        ann_file: sentences, relative to ``data_root``. Defaults to
            ``<split>/meta_expressions.json``.
        pipeline, test_mode, pairs_file, clip_length, positives_per_clip, negatives, video_subset,
            dataset_name, seed, max_refetch: see :class:`BaseReferringDataset`.

    Raises:
        FileNotFoundError, ValueError: if a file of the dataset is missing or not understood.
    """

    METAINFO = dict(dataset_name='mevis')

    def __init__(
        self, *, data_root: str, split: str = 'train', ann_file: str = '', **kwargs: Any
    ) -> None:
        self.split = split
        self._masks: _MaskCodes | None = None
        super().__init__(
            data_root=data_root, ann_file=ann_file or f'{split}/meta_expressions.json', **kwargs
        )

    def load_videos(self) -> list[VideoRecord]:
        """The usable videos of the split in the order of their ids; problems are logged once."""
        folder = Path(self.data_root) / self.split
        problems = ProblemList(self.ann_file)
        entries = read_expressions(Path(self.ann_file))
        if not self.test_mode or (folder / MASK_FILE).is_file():
            self._masks = _MaskCodes.read(folder / MASK_FILE, entries)
        reader = _MeViSReader(folder, self._masks, problems, need_masks=not self.test_mode)
        records = [reader.read_video(video_id, entries[video_id]) for video_id in sorted(entries)]
        reader.note_unlisted(set(entries))
        problems.report()
        return [
            record
            for record in records
            if record is not None and (self.test_mode or record.expressions)
        ]

    def mask_keys(
        self, video: VideoRecord, frames: Sequence[str], pairs: Sequence[Pair]
    ) -> dict[str, Any]:
        """Codes of the sentences' annotations in each frame."""
        if self._masks is None:
            return {}
        targets = targets_of(pairs)
        return dict(
            targets=[targets] * len(frames),
            target_masks=self._masks.of_clip(video.video_id, frames, targets),
        )


class _MaskCodes:
    """The run-length codes of a split, kept so that worker processes share them.

    Attributes:
        frame_index: {video: {frame: position in the lists of codes}}.
    """

    def __init__(self, content: Mapping[str, list], frame_index: dict[str, dict[str, int]]) -> None:
        self._rows = {anno_id: row for row, anno_id in enumerate(content)}
        self._codes = SharedList(content.values())
        self.frame_index = frame_index

    @classmethod
    def read(cls, path: Path, entries: Mapping[str, Any]) -> '_MaskCodes':
        """Raises FileNotFoundError or ValueError if the file cannot be used."""
        content = read_mask_dict(path)
        index = {
            video_id: {frame: i for i, frame in enumerate(entry.get('frames', ()))}
            for video_id, entry in entries.items()
            if isinstance(entry, dict)
        }
        return cls(content, index)

    def __contains__(self, anno_id: str) -> bool:
        return anno_id in self._rows

    def of_clip(
        self, video_id: str, frames: Sequence[str], targets: Sequence[str]
    ) -> list[CodedMasks]:
        """The codes of each target in T frames; null codes and missing entries show nothing."""
        lists = {
            target: [self._codes[self._rows[anno_id]] for anno_id in target.split(JOINT)]
            for target in targets
            if target
        }
        clip = []
        for frame in frames:
            position = self.frame_index[video_id][frame]
            codes = {
                target: [
                    codes[position]
                    for codes in annotations
                    if position < len(codes) and codes[position] is not None
                ]
                for target, annotations in lists.items()
            }
            clip.append(CodedMasks(codes, f'{MASK_FILE}, video {video_id}, frame {frame}'))
        return clip


@dataclass(frozen=True)
class _Target:
    """What a sentence is about: annotations joined by '+', or nothing, or why it is unusable."""

    obj_id: str = ''
    is_absent: bool = False
    problem: str | None = None


class _MeViSReader(LayoutReader):
    """Reads the frames as the layout of Refer-YouTube-VOS has them, the targets as lists.

    Args:
        split_dir, problems: see :class:`LayoutReader`.
        masks: the codes, None where they are not public.
        need_masks: leave out sentences without target (training).
    """

    def __init__(
        self, split_dir: Path, masks: _MaskCodes | None, problems: ProblemList, *, need_masks: bool
    ) -> None:
        super().__init__(split_dir, categories={}, problems=problems, need_masks=False)
        self.masks = masks
        self.need_targets = need_masks

    def _usable_expressions(self, video_id: str, listed: dict) -> tuple[Expression, ...]:
        expressions = []
        for exp_id, entry in listed.items():
            problem, target = self._text_problem(exp_id, entry), _Target()
            if problem is None:
                target = self._target(entry)
                problem = target.problem
            if problem is not None:
                self.problems.add(f'{video_id} expression {exp_id}', problem, 'sentence skipped')
            else:
                expressions.append(
                    Expression(
                        exp_id, normalise_sentence(entry['exp']), target.obj_id, target.is_absent
                    )
                )
        return tuple(expressions)

    @staticmethod
    def _text_problem(exp_id: str, entry: Any) -> str | None:
        if not is_plain_name(exp_id):
            return 'expression id is not a plain name'
        if not isinstance(entry, dict) or not isinstance(entry.get('exp'), str):
            return "has no text 'exp'"
        return None if entry['exp'].strip() else 'sentence is empty'

    def _target(self, entry: Mapping[str, Any]) -> _Target:
        anno_ids = entry.get('anno_id')
        if anno_ids is None:
            return _Target(problem="has no 'anno_id'" if self.need_targets else None)
        if not isinstance(anno_ids, list):
            return _Target(problem=f'anno_id {anno_ids!r} is not a list')
        names = list(map(str, anno_ids))
        missing = [name for name in names if self.masks is not None and name not in self.masks]
        if missing:
            return _Target(problem=f'annotation {missing[0]} is not in {MASK_FILE}')
        return _Target(JOINT.join(names), is_absent=not names)
