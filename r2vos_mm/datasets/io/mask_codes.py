"""Hold the run-length codes of a data set that keeps them all in one file."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from r2vos_mm.utils.shared_list import SharedList

from ..records import VideoRecord
from .mask_sources import CodedMasks

JOINT = '+'


class MaskCodes:
    """The run-length codes of all annotations, stored so that worker processes share them.

    The target of an expression is the ids of its annotations joined by '+'.

    Args:
        content: {annotation id: [code or None per frame]}.
        frames: {video: names of its frames}, in the order of the codes.
        where: name of the file for messages.
    """

    def __init__(
        self, content: Mapping[str, list], frames: Mapping[str, Iterable[str]], where: str
    ) -> None:
        self._rows = {anno_id: row for row, anno_id in enumerate(content)}
        self._codes, self._where = SharedList(content.values()), where
        self.lengths = {anno_id: len(codes) for anno_id, codes in content.items()}
        self._frame_index = {
            video_id: {frame: i for i, frame in enumerate(listed)}
            for video_id, listed in frames.items()
        }

    def of_clip(
        self, video_id: str, frames: Sequence[str], targets: Sequence[str]
    ) -> list[CodedMasks]:
        """Return the masks of each target in T frames; null and missing codes are empty."""
        lists = {
            target: [self._codes[self._rows[anno_id]] for anno_id in target.split(JOINT)]
            for target in targets
            if target
        }
        clip = []
        for frame in frames:
            i = self._frame_index[video_id][frame]
            codes = {
                target: [codes[i] for codes in listed if i < len(codes) and codes[i] is not None]
                for target, listed in lists.items()
            }
            clip.append(CodedMasks(codes, f'{self._where}, video {video_id}, frame {frame}'))
        return clip


class CodedDataset:
    """Mixin of the data sets whose ``mask_codes`` hold the masks of all their videos."""

    mask_codes: MaskCodes | None = None

    def mask_keys(
        self, video: VideoRecord, frames: Sequence[str], targets: tuple[str, ...]
    ) -> dict[str, Any]:
        """Return what the pipeline gets about the masks of targets; nothing if there are none."""
        if self.mask_codes is None:
            return {}
        masks = self.mask_codes.of_clip(video.video_id, frames, targets)
        return dict(targets=[targets] * len(frames), target_masks=masks)
