"""Load MeViS: expressions about motion, each about any number of objects."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from r2vos_mm.registry import DATASETS
from r2vos_mm.utils.data_issues import ProblemList, shown
from r2vos_mm.utils.formats.expressions import read_expressions
from r2vos_mm.utils.masks_io import read_mask_dict

from ..base_referring_dataset import BaseReferringDataset
from ..io.annotations import ExpressionTarget, LayoutReader
from ..io.mask_sources import JOINT, MaskCodes
from ..records import VideoRecord

MASK_FILE = 'mask_dict.json'


@DATASETS.register_module()
class MeViSDataset(BaseReferringDataset):
    """Videos and expressions of MeViS.

    ::

        <data_root>/<split>/meta_expressions.json   expressions have lists obj_id, anno_id
        <data_root>/<split>/mask_dict.json          {anno_id: [run-length code or null per frame]}
        <data_root>/<split>/JPEGImages/<video>/<frame>.jpg

    The target of an expression is the union of its annotations; ``obj_ids`` of the samples are
    their numbers joined by '+', as '12+14'. An expression without annotation (in version 2) is
    about nothing in the video: a negative pair of kind ``no_target`` in testing, and in training
    what ``TrainNegatives`` with a share of ``no_target`` draws. Positive pairs of a ``pairs_file``
    have the target of the video's own expression of that number, not the object in the file.

    Args:
        split: ``'train'``, ``'valid_u'``, ``'valid'`` (without masks) or another folder.
        ann_file: expressions in ``data_root``. Defaults to ``<split>/meta_expressions.json``.
        **kwargs: see :class:`BaseReferringDataset`.
    """

    METAINFO = dict(dataset_name='mevis')
    ANN_FILE = '{split}/meta_expressions.json'
    FOLDER = '{split}'  # of frames and masks

    def load_videos(self) -> list[VideoRecord]:
        """See the base class."""
        folder = self.root / self.FOLDER.format(split=self.split)
        problems = ProblemList(self.ann_file)
        entries = read_expressions(existing_json(self.ann_path))
        codes = None
        if not self.test_mode or (folder / MASK_FILE).is_file():
            codes = read_mask_dict(folder / MASK_FILE)
            self.mask_codes = MaskCodes(codes, frames_of(entries), MASK_FILE)
        reader = _MeViSReader(folder, problems, codes=codes, need_targets=not self.test_mode)
        records = [reader.read_video(video_id, entries[video_id]) for video_id in sorted(entries)]
        reader.note_unlisted(set(entries))
        problems.report()
        usable = [record for record in records if record is not None]
        return [record for record in usable if self.test_mode or record.expressions]


@DATASETS.register_module()
class RefSAVDataset(MeViSDataset):
    """Ref-SAV, the evaluation set of Sa2VA: videos of SA-V in the form of MeViS, in one folder.

    ::

        <data_root>/meta_expressions_<split>.json
        <data_root>/mask_dict.json
        <data_root>/JPEGImages/<video>/<frame>.jpg

    Arguments are those of :class:`MeViSDataset`; ``split`` is ``'valid'``.
    """

    METAINFO = dict(dataset_name='ref_sav')
    ANN_FILE = 'meta_expressions_{split}.json'
    FOLDER = ''


def existing_json(path: Path) -> Path:
    """Return the path of a file; FileNotFoundError names the JSON files beside it."""
    others = sorted(p.name for p in path.parent.glob('*.json')) if not path.is_file() else ()
    if others:
        what = f'{path} does not exist, but {path.parent.name} has {shown(others)}'
        raise FileNotFoundError(f'{what}: rename the file of expressions, or set ann_file')
    return path


def frames_of(entries: Mapping[str, Any]) -> dict[str, Any]:
    """Return the listed frames of the videos of an expressions file."""
    return {v: entry.get('frames') or () for v, entry in entries.items() if isinstance(entry, dict)}


class _MeViSReader(LayoutReader):
    """Read the layout of Refer-YouTube-VOS with lists of objects; ``need_targets`` in training."""

    def __init__(
        self,
        folder: Path,
        problems: ProblemList,
        *,
        codes: Mapping[str, list] | None,
        need_targets: bool,
    ) -> None:
        has_masks = codes is not None
        super().__init__(
            folder, categories={}, problems=problems, need_masks=False, has_other_masks=has_masks
        )
        self.codes, self.need_targets = codes, need_targets

    def _mask_dir(self, video_id: str, listed: list) -> None:
        return None

    def target_of(self, entry: dict, num_frames: int) -> ExpressionTarget:
        """See the base class."""
        anno_ids = entry.get('anno_id')
        if anno_ids is None and entry.get('obj_id') == []:
            return ExpressionTarget(is_absent=True)
        if anno_ids is None:
            return ExpressionTarget(problem="has no 'anno_id'" if self.need_targets else None)
        if not isinstance(anno_ids, list):
            return ExpressionTarget(problem=f'anno_id {anno_ids!r} is not a list')
        names = list(map(str, anno_ids))
        for name in names if self.codes is not None else ():
            codes = self.codes.get(name)
            if codes is None:
                return ExpressionTarget(problem=f'annotation {name} is not in {MASK_FILE}')
            if len(codes) != num_frames:
                what = f'{len(codes)} masks for {num_frames} frames'
                return ExpressionTarget(problem=f'annotation {name} has {what}')
        return ExpressionTarget(JOINT.join(names), is_absent=not names)
