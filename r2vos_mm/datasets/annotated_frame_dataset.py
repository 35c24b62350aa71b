"""Make clips around single annotated frames, as A2D-Sentences and JHMDB-Sentences are scored."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from .base_referring_dataset import BaseReferringDataset
from .io.mask_sources import CodedMasks, TargetMasks
from .records import Pair, VideoRecord, targets_of

UNSEEN = CodedMasks({}, 'a frame without annotation')


def frames_around(frame: int, total: int, length: int) -> range:
    """Return the numbers of at most ``length`` consecutive frames around ``frame`` in [1, total].

    MTTR's windows, [c - T // 2, c + (T + 1) // 2), cut off at the ends of the video.

    >>> list(frames_around(5, 8, 4)), list(frames_around(1, 8, 5)), list(frames_around(8, 8, 4))
    ([3, 4, 5, 6], [1, 2, 3], [6, 7, 8])
    """
    return range(max(1, frame - length // 2), min(total + 1, frame + (length + 1) // 2))


class SentenceClips(BaseReferringDataset):
    """One record per annotated frame: a clip of the video that contains that frame.

    An item is a clip in testing, and a clip and an expression in training. Only the annotated frame
    has masks; the metainfo ``annotated_frames`` of the samples marks it. A clip that is cut off at
    the end of the video repeats frames in training.

    Args:
        clip_length: frames T around the annotated one. With one, every frame of a sample is
            annotated.
        with_instances: load the masks of all objects of the frame, not only of those of the item's
            expressions (``PackReferringInputs`` has an option of that name).
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
        self._annotated: dict[str, str] = {}
        super().__init__(clip_length=clip_length if window is None else window, **kwargs)

    def clip_record(
        self, record: VideoRecord, *, video: str, frame: int, total: int
    ) -> VideoRecord:
        """Return a record of the clip around ``frame`` (from 1) of ``total`` frames."""
        frame = min(frame, total)
        names = tuple(f'{number:05d}' for number in frames_around(frame, total, self.clip_length))
        self._annotated[record.video_id] = f'{frame:05d}'
        return replace(record, frames=names, source=video)

    @abstractmethod
    def target_masks(self, video: VideoRecord, frame: str) -> TargetMasks:
        """Return the masks of the annotated frame of a record."""

    def objects_of(self, video: VideoRecord) -> Sequence[str]:
        """Return the ids of the objects of a record's annotated frame that have an expression."""
        return [expression.obj_id for expression in video.expressions]

    def mask_keys(
        self, video: VideoRecord, frames: Sequence[str], pairs: Sequence[Pair]
    ) -> dict[str, Any]:
        """See the base class; the frames without annotation are empty."""
        annotated = [frame == self._annotated[video.video_id] for frame in frames]
        masks = [
            self.target_masks(video, frame) if known else UNSEEN
            for frame, known in zip(frames, annotated)
        ]
        targets = targets_of(pairs)
        if self.with_instances:
            targets = tuple(dict.fromkeys((*targets, *self.objects_of(video))))
        return dict(targets=[targets] * len(frames), target_masks=masks, is_annotated=annotated)
