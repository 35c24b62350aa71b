"""Read the layout of Refer-YouTube-VOS into video records.

::

    <data_root>/meta_expressions/<split>/meta_expressions.json
    <data_root>/<split>/JPEGImages/<video>/<frame>.jpg
    <data_root>/<split>/Annotations/<video>/<frame>.png      palette or grey, pixel = object id
    <data_root>/<split>/meta.json                            optional: categories of the objects

Videos, frames and expressions that cannot be used are skipped and added to a
:class:`~r2vos_mm.utils.data_issues.ProblemList`; only a file of another form is an error.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from r2vos_mm.utils.data_issues import ProblemList
from r2vos_mm.utils.files import read_json, stems, visible_names
from r2vos_mm.utils.formats.expressions import (
    MAX_OBJECT_ID,
    frame_order,
    is_plain_name,
    is_text,
    normalize_text,
    object_number,
)

from ..records import Expression, VideoRecord

Row = TypeVar('Row')


def read_rows(
    path: Path, parse: Callable[[Any], Row | None], form: str, problems: ProblemList
) -> Iterator[Row]:
    """Yield the parsed rows of a JSON list.

    Args:
        path: the file.
        parse: converts a row; None, AttributeError, TypeError and ValueError mark unusable ones.
        form: form of a row, for messages.
        problems: list to which unusable rows are added.

    Raises:
        FileNotFoundError, ValueError: the file does not exist, or is not a list.
    """
    content = read_json(path)
    if not isinstance(content, list):
        raise ValueError(f'{path} is not a list of {form}')
    for number, row in enumerate(content):
        try:
            parsed = parse(row)
        except (AttributeError, TypeError, ValueError):
            parsed = None
        if parsed is not None:
            yield parsed
        else:
            what = f'{str(row)[:80]} is not {form}'
            problems.add(f'{path.name}: entry {number}', what, 'entry skipped')


def read_categories(path: Path, problems: ProblemList) -> dict[str, dict[str, str]]:
    """Return {video: {object id: category}} of a ``meta.json``; empty if there is no such file."""
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


def objects_by_text(entries: Mapping[str, Any]) -> dict[tuple[str, str, str], str]:
    """Return {(video, expression id, text): object} of entries of an expressions file."""
    return {
        (video_id, exp_id, item['exp']): item['obj_id']
        for video_id, entry in entries.items()
        if isinstance(entry, dict) and isinstance(entry.get('expressions'), dict)
        for exp_id, item in entry['expressions'].items()
        if isinstance(item, dict) and 'obj_id' in item and isinstance(item.get('exp'), str)
    }


@dataclass(frozen=True)
class ExpressionTarget:
    """The objects of an expression as an id, or nothing in the video, or why it is unusable."""

    obj_id: str = ''
    is_absent: bool = False
    problem: str | None = None


class LayoutReader:
    """Read the videos of one split; add to ``problems`` what cannot be used.

    Args:
        split_dir: folder with ``JPEGImages`` and, where public, ``Annotations``.
        categories: result of :func:`read_categories`.
        problems: list to which problems are added.
        need_masks: skip frames without a mask and expressions without an object (training).
        mask_root: folder of the masks. Defaults to ``Annotations`` in ``split_dir``.
        has_other_masks: whether there are masks, but not as one PNG per frame of a video.
    """

    def __init__(
        self,
        split_dir: Path,
        *,
        categories: dict[str, dict[str, str]],
        problems: ProblemList,
        need_masks: bool,
        mask_root: Path | None = None,
        has_other_masks: bool = False,
    ) -> None:
        self.frame_root = split_dir / 'JPEGImages'
        self.mask_root = mask_root or split_dir / 'Annotations'
        self.categories = categories
        self.problems = problems
        self.need_masks, self.has_other_masks = need_masks, has_other_masks
        if not self.frame_root.is_dir():
            raise FileNotFoundError(
                f'{self.frame_root} is not a folder. Check data_root and split '
                'of the dataset; the frames belong there, one folder per video'
            )

    def read_video(self, video_id: str, entry: Any) -> VideoRecord | None:
        """Return one video; None if nothing of it can be used."""
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
        expressions = self._usable_expressions(video_id, entry)
        if mask_dir is not None or self.has_other_masks:
            expressions = self._with_objects(video_id, expressions)
        if not frames or not expressions:
            missing = 'usable frame' if not frames else 'usable expression'
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
        """Add folders that the annotation file does not list to the problems."""
        for name in sorted(set(visible_names(self.frame_root)) - listed):
            if (self.frame_root / name).is_dir():
                self.problems.add(name, 'folder, but not listed', 'folder unused')

    def target_of(self, entry: dict, num_frames: int) -> ExpressionTarget:
        """Return the target of an expression's entry in a video of ``num_frames`` listed frames."""
        obj_id = entry.get('obj_id')
        if obj_id is None:
            return ExpressionTarget(problem="has no 'obj_id'" if self.need_masks else None)
        number = object_number(obj_id)
        if number is None:
            what = f'obj_id {repr(obj_id)[:50]} is not a number from 1 to {MAX_OBJECT_ID}'
            return ExpressionTarget(problem=what)
        return ExpressionTarget(number)

    def needs_mask(self, video_id: str, frame: str) -> bool:
        """Return whether a frame needs a mask; otherwise one without a mask shows no object."""
        return True

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
        """Return the folder of the video's masks; None if it has none, or those of first frames."""
        folder = self.mask_root / video_id
        if self.has_other_masks or not folder.is_dir():
            return None
        names = {n for n in listed if is_plain_name(n) and self.needs_mask(video_id, n)}
        with_mask = names & stems(folder, '.png')
        # The challenge's masks, only of frames in which objects first appear, are no ground truth.
        if not self.need_masks and 2 * len(with_mask) < len(names):
            what = f'{len(with_mask)} of {len(names)} frames have a mask'
            self.problems.add(video_id, what, 'masks unused')
            return None
        return folder

    def _usable_frames(self, video_id: str, listed: list, mask_dir: Path | None) -> tuple[str, ...]:
        """Return the frames whose files exist, sorted by name, each once."""
        problems = [
            f'frame name {name!r} is not a plain file name'
            for name in listed
            if not is_plain_name(name)
        ]
        images = stems(self.frame_root / video_id, '.jpg')
        masks = None if mask_dir is None else stems(mask_dir, '.png')
        frames = []
        for name in sorted({name for name in listed if is_plain_name(name)}, key=frame_order):
            if name not in images:
                problems.append(f'JPEGImages/{video_id}/{name}.jpg is missing')
            elif masks is not None and name not in masks and self.needs_mask(video_id, name):
                problems.append(f'Annotations/{video_id}/{name}.png is missing')
            else:
                frames.append(name)
        for problem in problems:
            self.problems.add(video_id, problem, 'frame skipped')
        return tuple(frames)

    def _usable_expressions(self, video_id: str, video: dict) -> list[Expression]:
        expressions = []
        for exp_id, entry in video['expressions'].items():
            target = ExpressionTarget(problem=_text_problem(exp_id, entry))
            if target.problem is None:
                target = self.target_of(entry, len(video['frames']))
            if target.problem is not None:
                where = f'{video_id} expression {exp_id}'
                self.problems.add(where, target.problem, 'expression skipped')
                continue
            text, text_type = normalize_text(entry['exp']), entry.get('type')
            text_type = text_type if isinstance(text_type, str) else ''
            expressions.append(Expression(exp_id, text, target.obj_id, target.is_absent, text_type))
        return expressions

    def _with_objects(self, video_id: str, expressions: list[Expression]) -> list[Expression]:
        """Skip expressions of unknown object if others have one: they prevent scoring the video."""
        known = [e for e in expressions if e.obj_id or e.is_absent]
        for expression in expressions if known else ():
            if expression not in known:
                where = f'{video_id} expression {expression.exp_id}'
                self.problems.add(
                    where, 'has no object, others of its video do', 'expression skipped'
                )
        return known or expressions


def _text_problem(exp_id: Any, entry: Any) -> str | None:
    if not is_plain_name(exp_id):
        return 'expression id is not a plain name'
    if not isinstance(entry, dict) or not isinstance(entry.get('exp'), str):
        return "has no text 'exp'"
    if not entry['exp'].strip():
        return 'text is empty'
    return None if is_text(entry['exp']) else 'text has half a character (a lone surrogate)'
