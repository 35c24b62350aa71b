"""Read expressions with their objects and categories from the files that pairs are built from.

Expressions: the challenge form of Refer-YouTube-VOS (without objects), the form with ``obj_id``,
MeViS (lists of objects), the owners' first release, by object and with categories, and the files of
RefCOCO and gRefCOCO, whose videos are images. Categories: a ``meta.json``, the first release, or
DAVIS's ``{video: {object: category}}``.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from r2vos_mm.datasets.io.annotations import objects_by_text, read_categories
from r2vos_mm.datasets.io.mask_sources import JOINT
from r2vos_mm.datasets.io.refer_files import ReferredImage, is_refer_file, read_images
from r2vos_mm.datasets.pairs.categories import canonical
from r2vos_mm.datasets.pairs.words import noun_uses
from r2vos_mm.utils.data_issues import ProblemList
from r2vos_mm.utils.files import read_json
from r2vos_mm.utils.formats.expressions import (
    frame_order,
    is_plain_name,
    is_text,
    object_number,
    read_expressions,
)


@dataclass(frozen=True)
class SourceExpression:
    """An expression as in the file; object and category are '' where unknown."""

    video_id: str
    exp_id: str
    text: str
    obj_id: str = ''
    category: str = ''


@dataclass(frozen=True)
class SourceVideo:
    """A video: its expressions by number, and the categories of *all* its annotated objects.

    ``categories`` is empty where unknown. ``absent`` are expressions about nothing in the video
    (MeViS), ``entry`` is its entry of the expressions file in the challenge form.
    """

    video_id: str
    expressions: tuple[SourceExpression, ...]
    absent: tuple[SourceExpression, ...]
    categories: frozenset[str]
    entry: Mapping[str, Any]


@dataclass(frozen=True)
class PairSource:
    """The videos that pairs are built from, ordered by id.

    Attributes:
        videos: {video id: video}.
        is_lexical: whether categories are nouns of the expressions, because none are annotated.
        problems: what was skipped, and why.
    """

    videos: dict[str, SourceVideo]
    is_lexical: bool
    problems: ProblemList = field(compare=False)


def read_source(
    expressions: Path,
    *,
    categories: Path | None = None,
    video_ids: Collection[str] | None = None,
    split: str | None = None,
) -> PairSource:
    """Read expressions, and their categories from another file or, if None, from the same.

    An expression without object gets that of the same expression in the categories file, if this
    is the owners' first release. Without categories, the nouns of a video's expressions are used.
    ``video_ids`` are the videos to use; None takes all. ``split`` is that of RefCOCO's references.

    Raises:
        FileNotFoundError, ValueError: a file is missing, or nothing in it is usable.
    """
    if is_refer_file(expressions):
        return _read_images(expressions, split or '', video_ids)
    problems = ProblemList(str(expressions))
    entries = read_expressions(expressions)
    for video_id in sorted(set(video_ids or ()) - entries.keys()):
        problems.add(video_id, 'wanted, but not in the file of expressions', 'video skipped')
    reader = _SourceReader(expressions, categories, problems)
    chosen = entries if video_ids is None else entries.keys() & set(video_ids)
    listed = (reader.video(video_id, entries[video_id]) for video_id in sorted(chosen))
    videos = {video.video_id: video for video in listed if video is not None}
    if not videos:
        found = '; '.join(f'{row.where} {row.what}' for row in problems.rows[:3])
        raise ValueError(f'{expressions} has no usable expression ({found or "no video"})')
    if categories is not None and not any(map(reader.annotated.get, videos)):
        raise ValueError(
            f'{categories} has no category of any video of {expressions}: is it of another part?'
        )
    return PairSource(videos, reader.is_lexical, problems)


def _read_images(path: Path, split: str, video_ids: Collection[str] | None) -> PairSource:
    """Return the images of RefCOCO or gRefCOCO."""
    problems = ProblemList(str(path))
    images = read_images(path, split, problems)
    chosen = sorted(images if video_ids is None else images.keys() & set(video_ids))
    if not chosen:
        raise ValueError(f'{path} has no usable expression of the wanted images')
    is_lexical = not any(images[name].categories for name in chosen)
    videos = {name: _image_source(name, images[name], is_lexical=is_lexical) for name in chosen}
    return PairSource(videos, is_lexical, problems)


def _image_source(name: str, image: ReferredImage, *, is_lexical: bool) -> SourceVideo:
    """Return an image as a video; an expression about several categories has no category."""
    expressions = []
    for own in image.expressions:
        about = {image.categories.get(obj_id, '') for obj_id in own.obj_id.split(JOINT)}
        if is_lexical:
            about = {use.category for use in noun_uses(own.text)[:1]}
        category = canonical(about.pop()) if len(about) == 1 else ''
        obj_id = '' if JOINT in own.obj_id else own.obj_id
        expressions.append(SourceExpression(name, own.exp_id, own.text, obj_id, category))
    absent = tuple(SourceExpression(name, own.exp_id, own.text) for own in image.absent)
    nouns = {use.category for own in image.expressions for use in noun_uses(own.text)}
    categories = nouns if is_lexical else set(map(canonical, image.categories.values()))
    listed = {own.exp_id: dict(exp=own.text) for own in (*image.expressions, *image.absent)}
    entry = dict(expressions=listed, frames=[name])
    return SourceVideo(name, tuple(expressions), absent, frozenset(categories), entry)


class _SourceReader:
    """Read videos with their categories; add to ``problems`` what cannot be used."""

    def __init__(self, expressions: Path, categories: Path | None, problems: ProblemList) -> None:
        self.problems = problems
        self.annotated = _read_annotated(categories or expressions, problems)
        self.is_lexical = not any(self.annotated.values())
        # A categories file with expressions is the owners' first release, which has their objects.
        has_videos = categories is not None and 'videos' in read_json(categories)
        self.known = objects_by_text(read_expressions(categories)) if has_videos else {}

    def video(self, video_id: str, entry: Any) -> SourceVideo | None:
        """Return a video; None if it has no usable expression."""
        absent, expressions = [], []
        for exp_id, item in self._usable_items(video_id, entry):
            if item.get('anno_id', item.get('obj_id')) == []:
                absent.append(SourceExpression(video_id, exp_id, item['exp']))
            else:
                expressions.append(self._expression(video_id, exp_id, item))
        if not absent and not expressions:
            return None
        nouns = (use.category for expression in expressions for use in noun_uses(expression.text))
        annotated = map(canonical, self.annotated.get(video_id, {}).values())
        categories = frozenset(nouns if self.is_lexical else annotated)
        if not categories:
            self.problems.add(video_id, 'has no categories', 'shown with its own expressions only')
        return SourceVideo(video_id, tuple(expressions), tuple(absent), categories, entry)

    def _usable_items(self, video_id: str, entry: Any) -> Iterator[tuple[str, dict]]:
        """Yield number and entry of a video's usable expressions, by number."""
        listed = entry.get('expressions') if isinstance(entry, dict) else None
        if not is_plain_name(video_id) or not isinstance(listed, dict):
            what = "has no plain name or no dict 'expressions'"
            self.problems.add(str(video_id), what, 'video skipped')
            return
        for exp_id in sorted(listed, key=frame_order):
            exp = listed[exp_id].get('exp') if isinstance(listed[exp_id], dict) else None
            if is_plain_name(exp_id) and is_text(exp):
                yield exp_id, listed[exp_id]
            else:
                where = f'{video_id} expression {exp_id}'
                self.problems.add(where, "has no plain name or no text 'exp'", 'expression skipped')

    def _expression(self, video_id: str, exp_id: str, item: dict) -> SourceExpression:
        """Return an expression with its object and category, as far as they are known."""
        text = item['exp']
        # The object is '' where it is unknown or more than one.
        obj_id = object_number(item.get('obj_id'), largest=10**17)
        obj_id = obj_id or self.known.get((video_id, exp_id, text), '')
        if self.annotated:
            category = canonical(self.annotated.get(video_id, {}).get(obj_id, ''))
        else:
            category = next((use.category for use in noun_uses(text)), '')
        if not category:
            what = f'{text!r} is about an object of unknown category'
            self.problems.add(f'{video_id} expression {exp_id}', what, 'no negative pairs')
        return SourceExpression(video_id, exp_id, text, obj_id, category)


def _read_annotated(path: Path, problems: ProblemList) -> dict[str, dict[str, str]]:
    """Return {video: {object: category}}, empty if the file has none."""
    content = read_json(path)
    videos = content.get('videos') if isinstance(content, dict) else None
    if isinstance(videos, dict):
        has_objects = any(
            isinstance(entry, dict) and 'objects' in entry for entry in videos.values()
        )
        return read_categories(path, problems) if has_objects else {}
    if isinstance(content, dict) and all(isinstance(entry, dict) for entry in content.values()):
        return {
            video_id: {str(i): name for i, name in entry.items() if isinstance(name, str)}
            for video_id, entry in content.items()
        }
    raise ValueError(
        f"{path} has no categories: expected a meta.json with 'videos' and their "
        "'objects', or {<video>: {<object>: <category>}}"
    )
