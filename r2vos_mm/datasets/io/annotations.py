"""Reads the Refer-YouTube-VOS layout into video records.

::

    <data_root>/meta_expressions/<split>/meta_expressions.json
    <data_root>/<split>/JPEGImages/<video>/<frame>.jpg
    <data_root>/<split>/Annotations/<video>/<frame>.png      palette or grey, pixel = object id
    <data_root>/<split>/meta.json                            optional: categories of the objects

Whatever single video, frame or sentence cannot be used is left out and noted in a
:class:`ProblemList`; only a file that cannot be understood at all is an error.
"""

import os
from pathlib import Path
from typing import Any

from r2vos_mm.utils.data_issues import ProblemList
from r2vos_mm.utils.expressions_file import frame_order, is_plain_name, normalise_sentence
from r2vos_mm.utils.files import read_json

from ..records import Expression, VideoRecord

MAX_OBJECT_ID = 255


def read_categories(path: Path, problems: ProblemList) -> dict[str, dict[str, str]]:
    """Categories {video: {object id: category}} of a ``meta.json``; empty without the file.

    The categories are wanted for negative pairs only, so their absence is no problem here.
    """
    if not path.is_file():
        return {}
    content = read_json(path)
    videos = content.get('videos') if isinstance(content, dict) else None
    if not isinstance(videos, dict):
        problems.add(path.name, "has no dict 'videos'", 'categories unknown')
        return {}
    categories = {}
    for video_id, video in videos.items():
        objects = video.get('objects') if isinstance(video, dict) else None
        if isinstance(objects, dict):
            categories[video_id] = {
                str(obj_id): entry['category']
                for obj_id, entry in objects.items()
                if isinstance(entry, dict) and isinstance(entry.get('category'), str)
            }
        else:
            problems.add(f'{path.name}: {video_id}', "has no dict 'objects'", 'categories unknown')
    return categories


class LayoutReader:
    """Reads the videos of one split, noting in ``problems`` whatever cannot be used.

    Args:
        split_dir: folder with ``JPEGImages`` and, where public, ``Annotations``.
        categories: what :func:`read_categories` gave.
        problems: where to note.
        need_masks: leave out frames without a mask and sentences without an object (training).
        mask_root: folder of the masks. Defaults to ``Annotations`` in ``split_dir``.
    """

    def __init__(
        self,
        split_dir: Path,
        *,
        categories: dict[str, dict[str, str]],
        problems: ProblemList,
        need_masks: bool,
        mask_root: Path | None = None,
    ) -> None:
        self.frame_root = split_dir / 'JPEGImages'
        self.mask_root = mask_root or split_dir / 'Annotations'
        self.categories = categories
        self.problems = problems
        self.need_masks = need_masks
        if not self.frame_root.is_dir():
            raise FileNotFoundError(
                f'{self.frame_root} is not a folder. Check data_root and split '
                'of the dataset; the frames belong there, one folder a video'
            )

    def read_video(self, video_id: str, entry: Any) -> VideoRecord | None:
        """One video, or None (noted) if nothing of it can be used."""
        problem = self._form_problem(video_id, entry)
        if problem is None and not (self.frame_root / video_id).is_dir():
            problem = f'listed, but {self.frame_root.name}/{video_id} is missing'
        if problem is None and self.need_masks and not (self.mask_root / video_id).is_dir():
            problem = f'has no folder {self.mask_root.name}/{video_id}'
        if problem is not None:
            self.problems.add(str(video_id), problem, 'video skipped')
            return None
        mask_dir = self._mask_dir(video_id, entry['frames'])
        frames = self._usable_frames(video_id, entry['frames'], mask_dir)
        expressions = self._usable_expressions(video_id, entry['expressions'])
        if not frames or not expressions:
            missing = 'usable frame' if not frames else 'usable sentence'
            self.problems.add(video_id, f'has no {missing}', 'video skipped')
            return None
        return VideoRecord(
            video_id,
            frames,
            self.frame_root / video_id,
            mask_dir,
            tuple(expression for expression in expressions if not expression.is_absent),
            self.categories.get(video_id, {}),
            tuple(expression for expression in expressions if expression.is_absent),
        )

    def note_unlisted(self, listed: set[str]) -> None:
        """Notes folders that the annotation file does not list."""
        for name in sorted(set(os.listdir(self.frame_root)) - listed):
            if not name.startswith('.') and (self.frame_root / name).is_dir():
                self.problems.add(name, 'folder, but not listed', 'folder unused')

    @staticmethod
    def _form_problem(video_id: str, entry: Any) -> str | None:
        if not is_plain_name(video_id):
            return 'video id is not a plain folder name'
        if not isinstance(entry, dict):
            return f'entry is a {type(entry).__name__}, not a dict'
        for key, kind in (('expressions', dict), ('frames', list)):
            if not isinstance(entry.get(key), kind):
                return f"has no {kind.__name__} '{key}' (keys: {', '.join(map(str, entry))})"
        return None

    def _mask_dir(self, video_id: str, listed: list) -> Path | None:
        """The folder of the video's masks, None if it has none, or those of first frames only.

        The challenge gives out the masks of the frames in which objects appear first; in testing
        they are no truth, and the frames without one are needed.
        """
        folder = self.mask_root / video_id
        if not folder.is_dir():
            return None
        names = {name for name in listed if is_plain_name(name)}
        with_mask = names & {path.stem for path in folder.glob('*.png')}
        if not self.need_masks and 2 * len(with_mask) < len(names):
            self.problems.add(
                video_id, f'{len(with_mask)} of {len(names)} frames have a mask', 'masks unused'
            )
            return None
        return folder

    def _usable_frames(self, video_id: str, listed: list, mask_dir: Path | None) -> tuple[str, ...]:
        """Frames whose files exist, sorted by name, each once."""
        names = {name for name in listed if is_plain_name(name)}
        for name in listed:
            if not is_plain_name(name):
                self.problems.add(
                    video_id, f'frame name {name!r} is not a plain file name', 'frame skipped'
                )
        images = set(os.listdir(self.frame_root / video_id))
        masks = None if mask_dir is None else set(os.listdir(mask_dir))
        frames = []
        for name in sorted(names, key=frame_order):
            if f'{name}.jpg' not in images:
                self.problems.add(
                    video_id, f'JPEGImages/{video_id}/{name}.jpg is missing', 'frame skipped'
                )
            elif masks is not None and f'{name}.png' not in masks:
                self.problems.add(
                    video_id, f'Annotations/{video_id}/{name}.png is missing', 'frame skipped'
                )
            else:
                frames.append(name)
        return tuple(frames)

    def _usable_expressions(self, video_id: str, listed: dict) -> tuple[Expression, ...]:
        expressions = []
        for exp_id, entry in listed.items():
            problem = self._expression_problem(exp_id, entry)
            if problem is not None:
                self.problems.add(f'{video_id} expression {exp_id}', problem, 'sentence skipped')
                continue
            obj_id = '' if entry.get('obj_id') is None else str(int(entry['obj_id']))
            expressions.append(Expression(exp_id, normalise_sentence(entry['exp']), obj_id))
        return tuple(expressions)

    def _expression_problem(self, exp_id: str, entry: Any) -> str | None:
        if not is_plain_name(exp_id):
            return 'expression id is not a plain name'
        if not isinstance(entry, dict) or not isinstance(entry.get('exp'), str):
            return "has no text 'exp'"
        if not entry['exp'].strip():
            return 'sentence is empty'
        obj_id = entry.get('obj_id')
        if obj_id is None:
            return "has no 'obj_id'" if self.need_masks else None
        if not str(obj_id).isdecimal() or not 0 < int(obj_id) <= MAX_OBJECT_ID:
            return f'obj_id {obj_id!r} is not a number from 1 to {MAX_OBJECT_ID}'
        return None
