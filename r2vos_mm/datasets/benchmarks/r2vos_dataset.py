"""Load Refer-YouTube-VOS and every set in its layout, with and without negative pairs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from r2vos_mm.registry import DATASETS
from r2vos_mm.utils.data_issues import ProblemList
from r2vos_mm.utils.formats.expressions import read_expressions
from r2vos_mm.utils.formats.ref_ytvos_valid202 import scored_videos

from ..base_referring_dataset import BaseReferringDataset
from ..io.annotations import LayoutReader, objects_by_text, read_categories
from ..records import Pair, VideoRecord


@DATASETS.register_module()
class R2VOSDataset(BaseReferringDataset):
    """Videos and expressions in the layout of Refer-YouTube-VOS.

    Unusable videos, frames and expressions are skipped with a warning, see
    :mod:`~r2vos_mm.datasets.io.annotations`. The validation list of Refer-YouTube-VOS names 507
    videos, of which 202 are scored and used, see :mod:`~r2vos_mm.utils.formats.ref_ytvos_valid202`.

    Args:
        split: ``'train'``, ``'valid'`` or another folder of the layout.
        ann_file: expressions, relative to ``data_root``. Defaults to
            ``meta_expressions/<split>/meta_expressions.json``.
        mask_folder: folder of the masks in ``data_root``. Defaults to ``<split>/Annotations``.
        objects_file: the owners' first release, to add missing objects and categories.
        **kwargs: see :class:`BaseReferringDataset`.
    """

    METAINFO = dict(dataset_name='ref_youtube_vos')
    ANN_FILE = 'meta_expressions/{split}/meta_expressions.json'

    def __init__(
        self, *, mask_folder: str = '', objects_file: str | None = None, **kwargs: Any
    ) -> None:
        self.mask_folder, self.objects_file = mask_folder, objects_file
        super().__init__(**kwargs)

    @property
    def mask_root(self) -> Path:
        """The folder of the masks."""
        return self.root / (self.mask_folder or f'{self.split}/Annotations')

    def load_videos(self) -> list[VideoRecord]:
        """See the base class; the videos are in the order of their ids."""
        root = self.root
        problems = ProblemList(self.ann_file)
        entries = read_expressions(self.ann_path)
        categories = read_categories(root / self.split / 'meta.json', problems)
        if self.objects_file is not None:
            entries = with_objects(entries, read_expressions(root / self.objects_file), problems)
            categories |= read_categories(root / self.objects_file, problems)
        reader = self.make_reader(
            split_dir=root / self.split,
            categories=categories,
            problems=problems,
            need_masks=not self.test_mode,
            mask_root=self.mask_root,
        )
        scored = scored_videos(entries, root, self.split, problems)
        records = [reader.read_video(video_id, entries[video_id]) for video_id in sorted(scored)]
        reader.note_unlisted(set(entries))
        problems.report()
        return [record for record in records if record is not None]

    def make_reader(self, **options: Any) -> LayoutReader:
        """Return the reader of the videos; ``options`` are its arguments."""
        return LayoutReader(**options)

    def shown_pair(self, video: VideoRecord, pair: Pair, problems: ProblemList) -> Pair | None:
        """Return the pair as in the file, which has objects that validation expressions lack."""
        return pair


def with_objects(
    entries: Mapping[str, Any], known: Mapping[str, Any], problems: ProblemList
) -> dict[str, Any]:
    """Return entries of the challenge form with the objects of the same expressions in ``known``.

    Expressions are the same if video, number and text are. Those that have an object keep it.

    >>> entries = {'v': {'expressions': {'0': {'exp': 'a dog'}}, 'frames': ['00000']}}
    >>> known = {'v': {'expressions': {'0': {'exp': 'a dog', 'obj_id': '2'}}}}
    >>> with_objects(entries, known, ProblemList(''))['v']['expressions']
    {'0': {'exp': 'a dog', 'obj_id': '2'}}
    """
    objects, completed = objects_by_text(known), dict(entries)
    for video_id, entry in entries.items():
        listed = entry.get('expressions') if isinstance(entry, dict) else None
        if not isinstance(listed, dict):
            continue
        items = {exp_id: item for exp_id, item in listed.items() if isinstance(item, dict)}
        found = {
            exp_id: objects.get((video_id, exp_id, str(item.get('exp'))))
            for exp_id, item in items.items()
        }
        if video_id in known and None in found.values():
            what = 'has expressions that the file of objects does not have'
            problems.add(video_id, what, 'their objects stay unknown')
        new = {
            exp_id: item | dict(obj_id=found[exp_id])
            for exp_id, item in items.items()
            if found[exp_id] is not None and item.get('obj_id') is None
        }
        completed[video_id] = entry | dict(expressions=listed | new)
    return completed
