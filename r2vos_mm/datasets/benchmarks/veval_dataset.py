"""Load SA-Co/VEval, the video benchmark of SAM 3, and any file of its form or of YouTube-VIS."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from r2vos_mm.registry import DATASETS
from r2vos_mm.utils.data_issues import ProblemList
from r2vos_mm.utils.files import stems
from r2vos_mm.utils.formats.expressions import is_plain_name, normalize_text
from r2vos_mm.utils.formats.veval import (
    VevalFile,
    frame_names,
    pairs_of,
    read_veval_file,
    video_name,
)

from ..base_referring_dataset import BaseReferringDataset
from ..io.mask_sources import JOINT, MaskCodes
from ..records import Expression, Pair, VideoRecord


@DATASETS.register_module()
class VEvalDataset(BaseReferringDataset):
    """Pairs of a SA-Co/VEval file: positive ones with masks, negative ones about nothing.

    ::

        <data_root>/<ann_file>                              see :mod:`r2vos_mm.utils.formats.veval`
        <data_root>/<image_folder>/<file name in the file>

    A phrase may be about several objects; its target is the union of their masks. In testing, the
    pairs of a video are those of the file, with the ids and kinds of its key ``r2vos`` if it has
    them, else kind ``no_target`` for negatives. In training, negatives come from ``negatives``.

    Args:
        ann_file: the JSON, relative to ``data_root``.
        image_folder: folder of the frames, relative to ``data_root``.
        **kwargs: see :class:`BaseReferringDataset`.
    """

    METAINFO = dict(dataset_name='saco_veval')

    def __init__(self, *, ann_file: str, image_folder: str = 'JPEGImages', **kwargs: Any) -> None:
        self.image_folder = image_folder
        super().__init__(ann_file=ann_file, **kwargs)

    def load_videos(self) -> list[VideoRecord]:
        """See the base class; the videos are in the order of their names."""
        problems = ProblemList(self.ann_file)
        content = read_veval_file(self.ann_path, problems)
        root = self.root / self.image_folder
        if not root.is_dir():
            raise FileNotFoundError(
                f'{root} is not a folder: put the frames there, or set image_folder of the data set'
            )
        frames = {video_name(video): frame_names(video) for video in content.videos}
        if content.annotations:
            codes = {str(track['id']): track['segmentations'] for track in content.annotations}
            self.mask_codes = MaskCodes(codes, frames, self.ann_path.name)
        self._own_pairs = _pairs_by_video(content)
        records = [
            _record(video, self._own_pairs[video_name(video)], root, problems)
            for video in content.videos
        ]
        problems.report()
        usable = [r for r in records if r is not None and (self.test_mode or r.expressions)]
        return sorted(usable, key=lambda record: record.video_id)

    def test_pairs(self, video: VideoRecord) -> list[Pair]:
        """See the base class."""
        if self.pairs_file is not None:
            return super().test_pairs(video)
        return self._own_pairs[video.video_id]


def _pairs_by_video(content: VevalFile) -> dict[str, list[Pair]]:
    """Return the pairs of a file; a target is the tracks of its expression."""
    pairs: dict[str, list[Pair]] = defaultdict(list)
    for entry, row in zip(content.pairs, pairs_of(content)['pairs']):
        is_negative, text = row['label'] == 0, normalize_text(row['exp'])
        target = JOINT.join(str(track['id']) for track in content.masklets(entry))
        pair = Pair(text, row['pair_id'], str(row['exp_id']), target, row['kind'], is_negative)
        pairs[row['video']].append(pair)
    return pairs


def _record(
    video: Mapping[str, Any], pairs: Sequence[Pair], root: Path, problems: ProblemList
) -> VideoRecord | None:
    """Return one video; None, with a problem, if nothing of it can be used."""
    name, listed = video_name(video), video['file_names']
    folders = {(PurePosixPath(n).parent, PurePosixPath(n).suffix) for n in listed}
    (folder, suffix), *others = folders
    problem = ''
    if others:
        problem = 'has frames in several folders, or of several kinds'
    elif not all(part == '.' or is_plain_name(part) for part in folder.parts):
        problem = f'has frames in {folder}, which is not a folder below {root.name}'
    elif not (root / folder).is_dir():
        problem = f'listed, but {root.name}/{folder} is missing'
    elif not pairs:
        problem = 'has no usable pair'
    if problem:
        problems.add(name, problem, 'video skipped')
        return None
    found, names = stems(root / folder, suffix), frame_names(video)
    for frame in (frame for frame in names if frame not in found):
        problems.add(name, f'{folder}/{frame}{suffix} is missing', 'frame skipped')
    expressions = [Expression(p.exp_id, p.text, p.obj_id, is_absent=p.is_negative) for p in pairs]
    return VideoRecord(
        name,
        tuple(frame for frame in names if frame in found),
        root / folder,
        None,
        tuple(e for e in expressions if not e.is_absent),
        absent=tuple(e for e in expressions if e.is_absent),
        frame_suffix=suffix,
    )
