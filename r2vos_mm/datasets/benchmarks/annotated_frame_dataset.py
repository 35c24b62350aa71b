"""Make clips around single annotated frames, on which A2D- and JHMDB-Sentences are scored."""

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from r2vos_mm.utils.data_issues import ProblemList

from ..base_referring_dataset import BaseReferringDataset
from ..io.mask_sources import CodedMasks, TargetMasks
from ..records import Expression, VideoRecord

UNSEEN = CodedMasks({}, 'a frame without annotation')


class AnnotatedFrame(TargetMasks):
    """The masks of all annotated objects in one frame; ``path`` is their file."""

    path: Path

    @abstractmethod
    def objects(self) -> list[str]:
        """Return the ids of the objects, with an expression or without.

        Raises:
            DataFileError: the file cannot be read.
        """


@dataclass(frozen=True)
class AnnotatedExpression:
    """An expression about an object in an annotated frame.

    Attributes:
        expression: the expression; without an id, it gets its number among those of the frame.
        video: its video.
        frame, total: the number of the frame from 1, and that of all frames.
        file: the image of the frame, or the video.
        masks: the masks of the frame.
    """

    expression: Expression
    video: str
    frame: int
    total: int
    file: Path
    masks: AnnotatedFrame


def frames_around(frame: int, total: int, length: int) -> range:
    """Return the numbers of at most ``length`` consecutive frames around ``frame`` in [1, total].

    MTTR's windows, [c - T // 2, c + (T + 1) // 2), cut off at the ends of the video.

    >>> list(frames_around(5, 8, 4)), list(frames_around(1, 8, 5)), list(frames_around(8, 8, 4))
    ([3, 4, 5, 6], [1, 2, 3], [6, 7, 8])
    """
    return range(max(1, frame - length // 2), min(total + 1, frame + (length + 1) // 2))


class AnnotatedFrameDataset(BaseReferringDataset):
    """One record per annotated frame: a clip of the video that contains that frame.

    An item is a clip in testing, and a clip and an expression in training. Only the annotated frame
    has masks; the metainfo ``annotated_frames`` of the samples marks it. A clip that is cut off at
    the end of the video repeats frames in training. Records are named ``v_<video>_f_<frame>``.

    Args:
        clip_length: frames T around the annotated one.
        with_instances: load the masks of all objects of the frame, not only of those of the item's
            expressions, for the option of ``PackReferringInputs`` of that name.
        window: former name of ``clip_length``.
        **kwargs: see :class:`BaseReferringDataset`.
    """

    def __init__(
        self,
        *,
        clip_length: int = 1,
        with_instances: bool = False,
        window: int | None = None,
        **kwargs: Any,
    ) -> None:
        self.with_instances = with_instances
        self._annotated: dict[str, tuple[str, AnnotatedFrame]] = {}
        super().__init__(clip_length=clip_length if window is None else window, **kwargs)

    @abstractmethod
    def listed(self, problems: ProblemList) -> Iterable[AnnotatedExpression]:
        """Return the expressions of all annotated frames."""

    def load_videos(self) -> list[VideoRecord]:
        """See the base class."""
        problems = ProblemList(self.data_root)
        by_frame: dict[tuple[str, int], dict[str, AnnotatedExpression]] = defaultdict(dict)
        for row in self.listed(problems):
            rows = by_frame[row.video, row.frame]
            rows[row.expression.exp_id or str(len(rows))] = row
        records = [self._record(rows, problems) for rows in by_frame.values()]
        problems.report()
        return [record for record in records if record is not None]

    def _record(
        self, rows: Mapping[str, AnnotatedExpression], problems: ProblemList
    ) -> VideoRecord | None:
        """Return the record of an annotated frame, None if a file is missing."""
        first = next(iter(rows.values()))
        for path in (first.file, first.masks.path):
            if not path.is_file():
                problems.add(first.video, f'{path} is missing', f'frame {first.frame} skipped')
                return None
        video_id = f'v_{first.video}_f_{first.frame}'
        self._annotated[video_id] = f'{first.frame:05d}', first.masks
        numbers = frames_around(first.frame, first.total, self.clip_length)
        frames = tuple(f'{number:05d}' for number in numbers)
        expressions = tuple(replace(row.expression, exp_id=exp_id) for exp_id, row in rows.items())
        return VideoRecord(
            video_id,
            frames,
            first.file.parent,
            None,
            expressions,
            source=first.video,
            frame_suffix=first.file.suffix,
        )

    def mask_keys(
        self, video: VideoRecord, frames: Sequence[str], targets: tuple[str, ...]
    ) -> dict[str, Any]:
        """See the base class; the frames without annotation are empty."""
        name, masks = self._annotated[video.video_id]
        if self.with_instances:
            targets = tuple(dict.fromkeys((*targets, *masks.objects())))
        annotated = [frame == name for frame in frames]
        return dict(
            targets=[targets] * len(frames),
            target_masks=[masks if known else UNSEEN for known in annotated],
            is_annotated=annotated,
        )
