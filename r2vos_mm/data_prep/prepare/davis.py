"""Convert DAVIS 2017 and the four text files of Ref-DAVIS17 to the layout of Refer-YouTube-VOS."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from r2vos_mm.utils.data_issues import ProblemList
from r2vos_mm.utils.expressions_file import is_plain_name
from r2vos_mm.utils.files import read_json, write_json

from .parts import TEXT_FILES

SPLITS = dict(train='train', valid='val')
_RENAMED = {'clasic-car': 'classic-car', 'dog-scale': 'dogs-scale', 'motor-bike': 'motorbike'}
_LINE = re.compile(r'\s*(\S+)\s+(\d+)\s+"(.*)"\s*')
# The second annotator's files are in another encoding.
_ENCODINGS = ('utf-8', 'utf-8', 'latin-1', 'latin-1')
_FRAMES = 'JPEGImages/480p'
# The ids of the sentences are those of the semi-supervised task; its masks are optional.
_MASKS = ('Annotations/480p', 'Annotations_unsupervised/480p')

Sentences = dict[str, dict[int, str]]


def convert_davis(data_root: Path, problems: ProblemList) -> None:
    """Write sentences and categories, and link frames and masks, of both splits.

    The files are made from ``DAVIS`` and ``davis_text_annotations``; frames and masks stay there,
    where the scoring on ``Annotations_unsupervised`` finds them.

    Args:
        data_root: folder with these two; the layout is made beside them.
        problems: list to which objects are added that one of the files does not describe.

    Raises:
        FileNotFoundError, ValueError: a file is missing, or a line is not understood.
    """
    texts = [
        read_texts(data_root / f'davis_text_annotations/{name}.txt', encoding)
        for name, encoding in zip(TEXT_FILES, _ENCODINGS)
    ]
    semantics = data_root / 'DAVIS/davis_semantics.json'
    categories = read_json(semantics) if semantics.is_file() else {}
    for split, listed in SPLITS.items():
        names = (data_root / f'DAVIS/ImageSets/2017/{listed}.txt').read_text().split()
        videos, objects = {}, {}
        for name in filter(is_plain_name, names):
            frames = _link_video(data_root, split, name)
            videos[name] = dict(expressions=expressions_of(name, texts, problems), frames=frames)
            known = categories.get(name)
            known = known.items() if isinstance(known, Mapping) else ()
            objects[name] = dict(
                objects={
                    str(number): dict(category=category, frames=frames)
                    for number, category in known
                    if isinstance(category, str)
                }
            )
        path = data_root / f'meta_expressions/{split}/meta_expressions.json'
        write_json(path, dict(videos=videos))
        if categories:
            write_json(data_root / split / 'meta.json', dict(videos=objects))


def read_texts(path: Path, encoding: str) -> Sentences:
    """Return {video: {object: sentence}} of a file with lines like ``dogs-jump 1 "a white dog"``.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: a line is not of this form.
    """
    sentences: Sentences = {}
    for number, line in enumerate(path.read_text(encoding=encoding).splitlines(), start=1):
        match = _LINE.fullmatch(line)
        if match is not None:
            name = _RENAMED.get(match[1], match[1])
            sentences.setdefault(name, {})[int(match[2])] = match[3]
        elif line.strip():
            raise ValueError(
                f'{path}, line {number} is not <video> <object> "<sentence>": '
                f'{line[:80]!r}. Download it again'
            )
    return sentences


def expressions_of(
    video: str, texts: Sequence[Sentences], problems: ProblemList
) -> dict[str, dict[str, str]]:
    """Return the expressions of a video: number 4 o + k is file k's about object o + 1.

    The objects are those that any of the files describes. A sentence that one of them lacks leaves
    its number unused, so that the others keep theirs.
    """
    objects = sorted({number for sentences in texts for number in sentences.get(video, {})})
    expressions = {}
    for place, number in enumerate(objects):
        for k, sentences in enumerate(texts):
            sentence = sentences.get(video, {}).get(number)
            if sentence is not None:
                exp_id = str(len(texts) * place + k)
                expressions[exp_id] = dict(exp=sentence, obj_id=str(number))
            else:
                what = f'{TEXT_FILES[k]}.txt has no sentence for object {number}'
                problems.add(video, what, 'sentence left out')
    return expressions


def _link_video(data_root: Path, split: str, name: str) -> list[str]:
    """Link frames and masks of a video into the split; return the names of its frames."""
    davis = data_root / 'DAVIS'
    masks = next((folder for folder in _MASKS if (davis / folder / name).is_dir()), _MASKS[0])
    for part, source in (('JPEGImages', _FRAMES), ('Annotations', masks)):
        link = data_root / split / part / name
        if not link.exists() and (davis / source / name).is_dir():
            make_link(link, Path(os.path.relpath(davis / source / name, link.parent)))
    return sorted(path.stem for path in (davis / _FRAMES / name).glob('*.jpg'))


def make_link(link: Path, target: Path) -> None:
    """Make a link, replacing a broken one, whose target was moved."""
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.is_symlink():
        link.unlink()
    link.symlink_to(target)
