"""Write referring expressions for images with annotated instances, in the form of RefCOCO."""

import hashlib
import pickle
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from r2vos_mm.datasets.instance_clips_dataset import read_instances, still_scene
from r2vos_mm.datasets.io.mask_sources import decode_code
from r2vos_mm.datasets.io.refer_files import INSTANCES, NO_ANNOTATION
from r2vos_mm.datasets.pairs.descriptions import (
    Instance,
    colour_shares,
    draw_absent,
    draw_description,
    draw_group,
    phrase,
)
from r2vos_mm.datasets.records import is_held_out
from r2vos_mm.utils.data_issues import DataFileError, ProblemList
from r2vos_mm.utils.files import atomic_path, write_json
from r2vos_mm.utils.images import read_image

from .davis import make_link

REFERENCES = 'refcoco/refs(generated).p'
GENERALIZED = 'grefcoco/grefs(generated).json'
_MAX_SENTENCES = 100  # of an object
# Kinds of expressions about nothing, by share.
_ABSENT_KINDS = dict(absent=0.4, side=0.2, colour=0.2, relation=0.2)


@dataclass(frozen=True)
class ImageOptions:
    """Options of the expressions that are generated for an image.

    Attributes:
        objects: maximum number of objects with their own expressions.
        sentences: maximum number of expressions of each.
        groups: maximum number of expressions about several objects.
        absent: maximum number of expressions about nothing.
        min_area: smallest share of the image of an object that is referred to.
        holdout: share of the images in the split ``val``, by the hash of their names.
        seed: seed of all draws, with the name of the image.
    """

    objects: int = 4
    sentences: int = 2
    groups: int = 2
    absent: int = 2
    min_area: float = 0.01
    holdout: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        is_possible = 0 < self.holdout < 1 and 1 <= self.sentences <= _MAX_SENTENCES
        if not is_possible or self.objects < 1:
            raise ValueError(
                f'holdout={self.holdout} must be between 0 and 1, objects={self.objects} at least '
                f'1, and sentences={self.sentences} from 1 to {_MAX_SENTENCES}'
            )


@dataclass(frozen=True)
class ReferringFiles:
    """References of both forms.

    Attributes:
        references: those of RefCOCO, each about one object.
        generalized: those of gRefCOCO, about one object, several, or none.
        problems: images that were skipped.
    """

    references: list[dict[str, Any]] = field(default_factory=list)
    generalized: list[dict[str, Any]] = field(default_factory=list)
    problems: ProblemList = field(default_factory=lambda: ProblemList('images'))

    def summary(self) -> str:
        """Return the number of expressions by split and number of targets."""
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for ref in self.generalized:
            target = 'none' if ref['no_target'] else 'one' if len(ref['ann_id']) == 1 else 'several'
            counts[ref['split']][target] += len(ref['sentences'])
        return '\n'.join(
            f'{split}: expressions about one object {found["one"]}, about several '
            f'{found["several"]}, about none {found["none"]}'
            for split, found in sorted(counts.items())
        )


class _Found(NamedTuple):
    """Texts about the objects of these indices."""

    members: tuple[int, ...]
    texts: list[str]


def make_referring_images(
    data_root: Path,
    out: Path,
    *,
    ann_file: str = INSTANCES,
    image_folder: str = 'images',
    options: ImageOptions = ImageOptions(),
) -> ReferringFiles:
    """Write :data:`REFERENCES` and :data:`GENERALIZED`, with the files they need, below ``out``.

    Expressions come from :mod:`~r2vos_mm.datasets.pairs.descriptions`: each is true of its objects
    and false of all others, by measurement, which relies on complete annotations. Instances are
    linked beside the references, and images into ``out`` unless it has them.

    Args:
        data_root: folder of annotations and images.
        out: folder to write to.
        ann_file: instances in COCO's form, relative to ``data_root``.
        image_folder: folder of the images in ``data_root``.
        options: numbers and kinds of expressions.

    Raises:
        FileNotFoundError, ValueError: a file cannot be used, or ``out`` has other files.
    """
    files = ReferringFiles()
    images = read_instances(data_root / ann_file, files.problems)
    categories = [x['category'] for found in images.values() for x in found if not x['is_crowd']]
    for name in sorted(images):
        path = data_root / image_folder / name
        try:
            _add(files, path, images[name], categories, options)
        except (DataFileError, FileNotFoundError) as error:
            files.problems.add(name, str(error), 'image skipped')
    if not files.references:
        raise ValueError(f'{data_root / ann_file} has no object that an expression could name')
    _write(files, data_root / ann_file, data_root / image_folder, out)
    return files


def _write(files: ReferringFiles, instances: Path, images: Path, out: Path) -> None:
    links = {(out / name).with_name(INSTANCES): instances for name in (REFERENCES, GENERALIZED)}
    links[out / images.name] = images
    for target, source in links.items():
        if target.exists() and not target.samefile(source):
            raise ValueError(f'{target} exists and is not {source}: choose another folder --out')
    with atomic_path(out / REFERENCES) as path:
        path.write_bytes(pickle.dumps(files.references, protocol=2))
    write_json(out / GENERALIZED, files.generalized)
    for target, source in links.items():
        make_link(target, source.resolve())


def _add(
    files: ReferringFiles,
    path: Path,
    found: Sequence[Mapping[str, Any]],
    categories: Sequence[str],
    options: ImageOptions,
) -> None:
    """Add the references of an image, by draws that depend on seed, name and categories only."""
    if not found:
        return
    digest = hashlib.sha256(path.name.encode()).digest()
    rng = np.random.default_rng((options.seed, int.from_bytes(digest[:8], 'big')))
    image, size = read_image(str(path), None)
    scene = [
        replace(x, colours=colour_shares(image, decode_code(entry['code'], *size, str(path))))
        for x, entry in zip(still_scene(found, options.min_area), found, strict=True)
    ]
    one = list(_about_one(scene, rng, options))
    several = list(_about_several(scene, one, rng, options))
    absent = list(_about_nothing(scene, rng, categories, options))
    split = 'val' if is_held_out(path.stem, options.holdout) else 'train'
    for item in (*one, *several, *absent):
        ids = [found[index]['ids'] for index in item.members]
        ref = _reference(len(files.generalized), item.texts)
        ref |= dict(image_id=found[0]['ids']['image_id'], file_name=path.name, split=split)
        if len(ids) == 1:
            [only] = ids
            single = dict(ann_id=only['id'], category_id=only['category_id'])
            files.references.append(ref | single)
        names = [(x['id'], x['category_id']) for x in ids] or [(NO_ANNOTATION, NO_ANNOTATION)]
        ann_id, category_id = map(list, zip(*names))
        ref |= dict(ann_id=ann_id, category_id=category_id, no_target=not ids)
        files.generalized.append(ref)


def _reference(number: int, texts: Sequence[str]) -> dict[str, Any]:
    sentences = [
        dict(sent_id=_MAX_SENTENCES * number + i, sent=text, raw=text, tokens=text.split())
        for i, text in enumerate(texts)
    ]
    numbers = [sentence['sent_id'] for sentence in sentences]
    return dict(ref_id=number, sent_ids=numbers, sentences=sentences)


def _about_one(
    scene: Sequence[Instance], rng: np.random.Generator, options: ImageOptions
) -> Iterator[_Found]:
    clear = [index for index, instance in enumerate(scene) if instance.is_clear]
    for index in [clear[i] for i in rng.permutation(len(clear))][: options.objects]:
        drawn = [draw_description(scene, index, rng) for _ in range(options.sentences)]
        texts = [phrase(found, rng) for found in drawn if found is not None]
        if texts:
            yield _Found((index,), list(dict.fromkeys(texts)))


def _about_several(
    scene: Sequence[Instance],
    one: Sequence[_Found],
    rng: np.random.Generator,
    options: ImageOptions,
) -> Iterator[_Found]:
    """Yield groups such as 'all dogs', and pairs of expressions joined by 'and'."""
    texts: set[str] = set()
    for number in range(options.groups):
        found = draw_group(scene, rng) if number % 2 == 0 else None
        if found is not None:
            description, members = found
            item = _Found(members, [phrase(description, rng, count=len(members))])
        elif len(one) > 1:
            pair = [one[i] for i in rng.permutation(len(one))[:2]]
            words = (item.texts[int(rng.integers(len(item.texts)))] for item in pair)
            item = _Found(pair[0].members + pair[1].members, [' and '.join(words)])
        else:
            continue
        if item.texts[0] not in texts:
            texts.add(item.texts[0])
            yield item


def _about_nothing(
    scene: Sequence[Instance],
    rng: np.random.Generator,
    categories: Sequence[str],
    options: ImageOptions,
) -> Iterator[_Found]:
    texts: set[str] = set()
    kinds, shares = zip(*_ABSENT_KINDS.items())
    for _ in range(options.absent):
        kind = kinds[int(rng.choice(len(kinds), p=shares))]
        found = draw_absent(kind, scene, rng, categories=categories)
        if found is not None and all(claim.kind != 'motion' for claim in found.claims):
            # of any number, because expressions about several objects are
            count = 1 if rng.random() < 0.6 else 2 + int(rng.integers(2))
            texts.add(phrase(found, rng, count=count))
    for text in sorted(texts):
        yield _Found((), [text])
