"""Convert DAVIS 2017 and the four text files of Ref-DAVIS17 to the layout of Refer-YouTube-VOS."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from r2vos_mm.utils.data_issues import ProblemList
from r2vos_mm.utils.files import read_json, read_text, stems, write_json
from r2vos_mm.utils.formats.expressions import is_plain_name

from .known_sets import TEXT_FILES

_RENAMED = {'clasic-car': 'classic-car', 'dog-scale': 'dogs-scale', 'motor-bike': 'motorbike'}
_LINE = re.compile(r'\s*(\S+)\s+(\d+)\s+"(.*)"\s*')
_ENCODINGS = ('utf-8', 'utf-8', 'latin-1', 'latin-1')  # of the text files
# The object ids of the text files are those of the semi-supervised task, whose masks are optional.
_MASKS = ('Annotations/480p', 'Annotations_unsupervised/480p')

Texts = dict[str, dict[int, str]]  # {video: {object: text}}


def convert_davis(data_root: Path, problems: ProblemList) -> None:
    """Write the expressions and categories of both splits, and link their frames and masks.

    The layout is written beside ``DAVIS`` and ``davis_text_annotations`` in ``data_root``. Objects
    that one of the files does not describe are added to ``problems``.

    Raises:
        FileNotFoundError, ValueError: a file is missing, or a line cannot be parsed.
    """
    texts = read_all_texts(data_root / 'davis_text_annotations')
    semantics = data_root / 'DAVIS/davis_semantics.json'
    categories = read_json(semantics) if semantics.is_file() else {}
    for split, listed in (('train', 'train'), ('valid', 'val')):
        names = read_text(data_root / f'DAVIS/ImageSets/2017/{listed}.txt').split()
        videos, objects = {}, {}
        for name in filter(is_plain_name, names):
            frames = _link_video(data_root, split, name)
            videos[name] = dict(expressions=expressions_of(name, texts, problems), frames=frames)
            known = categories.get(name)
            known = known.items() if isinstance(known, dict) else ()
            named = {i: dict(category=c, frames=frames) for i, c in known if isinstance(c, str)}
            objects[name] = dict(objects=named)
        path = data_root / f'meta_expressions/{split}/meta_expressions.json'
        write_json(path, dict(videos=videos))
        if categories:
            write_json(data_root / split / 'meta.json', dict(videos=objects))


def read_all_texts(folder: Path) -> list[Texts]:
    """Return the content of the four files in a folder; see :func:`read_texts`."""
    return [read_texts(folder / name, code) for name, code in zip(TEXT_FILES, _ENCODINGS)]


def read_texts(path: Path, encoding: str) -> Texts:
    """Return {video: {object: text}} of a file with lines like ``dogs-jump 1 "a white dog"``.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: a line does not have this form.
    """
    texts: Texts = {}
    for number, line in enumerate(path.read_text(encoding=encoding).splitlines(), start=1):
        match = _LINE.fullmatch(line)
        if match is not None:
            name = _RENAMED.get(match[1], match[1])
            texts.setdefault(name, {})[int(match[2])] = match[3]
        elif line.strip():
            raise ValueError(
                f'{path}, line {number} is not <video> <object> "<expression>": '
                f'{line[:80]!r}. Download it again'
            )
    return texts


def expressions_of(
    video: str, files: Sequence[Texts], problems: ProblemList
) -> dict[str, dict[str, str]]:
    """Return the expressions of a video; number 4 o + k is that of file k for object o = 0, 1, ...

    Objects are those that any file describes; the number of a missing expression remains unused.
    """
    objects = sorted({number for texts in files for number in texts.get(video, {})})
    expressions = {}
    for place, number in enumerate(objects):
        for k, texts in enumerate(files):
            text = texts.get(video, {}).get(number)
            if text is None:
                what = f'{TEXT_FILES[k]} has no expression for object {number}'
                problems.add(video, what, 'expression skipped')
                continue
            expressions[str(len(files) * place + k)] = dict(exp=text, obj_id=str(number))
    return expressions


def _link_video(data_root: Path, split: str, name: str) -> list[str]:
    """Link frames and masks of a video into the split; return the names of its frames."""
    davis, frames = data_root / 'DAVIS', 'JPEGImages/480p'
    masks = next((folder for folder in _MASKS if (davis / folder / name).is_dir()), _MASKS[0])
    for part, source in (('JPEGImages', frames), ('Annotations', masks)):
        link, target = data_root / split / part / name, davis / source / name
        if target.is_dir():
            make_link(link, Path(os.path.relpath(target, link.parent)))
    folder = davis / frames / name
    return sorted(stems(folder, '.jpg')) if folder.is_dir() else []


def make_link(link: Path, target: Path) -> None:
    """Make a link, or replace a broken one; keep what exists."""
    if link.exists():
        return
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.is_symlink():
        link.unlink()
    link.symlink_to(target)
