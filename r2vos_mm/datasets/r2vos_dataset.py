"""Refer-YouTube-VOS and everything in its layout, with and without negative pairs."""
from pathlib import Path
from typing import Any

from r2vos_mm.registry import DATASETS

from .base_referring_dataset import BaseReferringDataset
from .layout import LayoutReader, read_categories, read_expressions
from .pairs import read_pairs
from .problems import ProblemList
from .records import Pair, VideoRecord

REMOVED_TEST_FILE = 'meta_expressions/test/meta_expressions.json'


@DATASETS.register_module()
class R2VOSDataset(BaseReferringDataset):
    """Videos and sentences in the layout of Refer-YouTube-VOS.

    What single files lack is logged once and left out, see :mod:`~r2vos_mm.datasets.layout`.
    The validation list of Refer-YouTube-VOS names 507 videos, of which 202 are scored: videos
    that ``meta_expressions/test`` lists are left out, and so are those without a folder.

    Args:
        split: ``'train'``, ``'valid'`` or another folder of the layout.
        ann_file: sentences, relative to ``data_root``. Defaults to
            ``meta_expressions/<split>/meta_expressions.json``.
        pairs_file: in testing, the pairs to show (:mod:`~r2vos_mm.datasets.pairs`), relative to
            ``data_root``; then videos without a pair are left out. None: each video's sentences.
        pipeline, test_mode, clip_length, positives_per_clip, negatives, video_subset,
            dataset_name, seed, max_refetch: see :class:`BaseReferringDataset`.

    Raises:
        FileNotFoundError, ValueError: if a file of the dataset is missing or not understood.
    """

    METAINFO = dict(dataset_name='ref_youtube_vos')

    def __init__(self,
                 *,
                 data_root: str,
                 split: str = 'train',
                 ann_file: str = '',
                 pairs_file: str | None = None,
                 test_mode: bool = False,
                 **kwargs: Any) -> None:
        if pairs_file is not None and not test_mode:
            raise ValueError('pairs_file is for test_mode=True; for training use negatives=dict('
                             f"type='PairsFileNegatives', pairs_file='{pairs_file}', ...)")
        self.split = split
        self.pairs_file = pairs_file
        self._pairs: dict[str, list[Pair]] = {}
        super().__init__(
            data_root=data_root,
            ann_file=ann_file or f'meta_expressions/{split}/meta_expressions.json',
            test_mode=test_mode,
            **kwargs)

    def load_videos(self) -> list[VideoRecord]:
        """The usable videos of the split in the order of their ids; problems are logged once."""
        root = Path(self.data_root)
        problems = ProblemList(self.ann_file)
        entries = read_expressions(Path(self.ann_file))
        reader = LayoutReader(
            root / self.split,
            categories=read_categories(root / self.split / 'meta.json', problems),
            problems=problems,
            need_masks=not self.test_mode)
        removed = self._removed_test_videos(root)
        records = [reader.read_video(video_id, entries[video_id])
                   for video_id in sorted(entries) if video_id not in removed]
        videos = [record for record in records if record is not None]
        reader.note_unlisted(set(entries))
        if self.pairs_file is not None:
            videos = self._with_pairs(videos, root / self.pairs_file, problems)
        problems.report()
        return videos

    def test_pairs(self, video: VideoRecord) -> list[Pair]:
        """The pairs of the pairs file, without one the video's own sentences."""
        if self.pairs_file is None:
            return super().test_pairs(video)
        return self._pairs[video.video_id]

    def _removed_test_videos(self, root: Path) -> set[str]:
        """Videos of the removed test part, which the validation list still contains."""
        path = root / REMOVED_TEST_FILE
        return set(read_expressions(path)) if self.split == 'valid' and path.is_file() else set()

    def _with_pairs(self, videos: list[VideoRecord], path: Path,
                    problems: ProblemList) -> list[VideoRecord]:
        """Videos that have pairs; notes pairs of unknown videos."""
        self._pairs = read_pairs(path, problems)
        for video_id in sorted(set(self._pairs) - {video.video_id for video in videos}):
            problems.add(str(video_id), f'in {path.name}, but not among the usable videos',
                         f'{len(self._pairs[video_id])} pair(s) skipped')
        return [video for video in videos if video.video_id in self._pairs]
