"""Read the annotation files of RefCOCO, RefCOCO+, RefCOCOg and gRefCOCO."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from r2vos_mm.utils.data_issues import ProblemList
from r2vos_mm.utils.files import read_json
from r2vos_mm.utils.formats.expressions import is_plain_name, normalize_text
from r2vos_mm.utils.masks_io import MIN_POLYGON

from ..records import Expression
from .mask_sources import JOINT
from .safe_pickle import read_plain_pickle

INSTANCES = 'instances.json'
IMAGE_NAME = 'COCO_train2014_{:012d}.jpg'
# Skipped on purpose; the owners' files contain both.
CROWD = 'is about a crowd'
DEGENERATE = 'its polygons have fewer than three points'
EVALUATION_SPLITS = ('val', 'test', 'testA', 'testB')
NO_ANNOTATION = -1  # stands for the missing objects of an expression about nothing in some releases
_REF_KEYS = {'image_id', 'ann_id', 'split'}


@dataclass(frozen=True)
class ReferredImage:
    """One image: its expressions and the masks of their objects.

    Attributes:
        file_name: name of the file.
        expressions: the usable expressions about something in the image.
        absent: those about nothing in it.
        codes: {object: polygons or run-length code}, of the objects of expressions.
        categories: {object: category} of all annotated objects, empty if not all are known.
    """

    file_name: str
    expressions: list[Expression] = field(default_factory=list)
    absent: list[Expression] = field(default_factory=list)
    codes: dict[str, Any] = field(default_factory=dict)
    categories: dict[str, str] = field(default_factory=dict)


class _Row(NamedTuple):
    """An expression, its image, its objects with annotations, and the categories of the image."""

    file_name: str
    exp_id: str
    text: str
    objects: Mapping[str, Mapping[str, Any] | None]
    categories: dict[str, str]
    is_generalized: bool = False  # about any number of objects, in the form of gRefCOCO


def read_images(path: Path, split: str, problems: ProblemList) -> dict[str, ReferredImage]:
    """Return {image name without suffix: image} of a file of references or in ReferFormer's form.

    A file of references, a pickle or JSON, needs ``instances.json`` beside it. The target of an
    expression about several objects is their numbers joined by '+'.

    Args:
        path: the file.
        split: split of a file of references, which holds all.
        problems: list to which expressions that cannot be used are added.

    Raises:
        FileNotFoundError, ValueError: a file is missing or of another form.
    """
    images: dict[str, ReferredImage] = {}
    content = _content(path)
    rows = (
        _reference_rows(content, path, split)
        if isinstance(content, list)
        else _converted_rows(content, problems)
    )
    known: set[tuple[str, str]] = set()
    for row in rows:
        problem = 'number occurs twice' if (row.file_name, row.exp_id) in known else _problem(row)
        known.add((row.file_name, row.exp_id))
        name = Path(row.file_name).stem
        if problem is not None:
            where, is_known = f'{name} expression {row.exp_id}', problem in (CROWD, DEGENERATE)
            problems.add(where, problem, 'expression skipped', is_known=is_known)
            continue
        image = ReferredImage(row.file_name, categories=row.categories)
        _add(images.setdefault(name, image), row)
    return images


def _add(image: ReferredImage, row: _Row) -> None:
    text, target = normalize_text(row.text), JOINT.join(row.objects)
    if not target:
        image.absent.append(Expression(row.exp_id, text, is_absent=True))
        return
    count = ('several' if len(row.objects) > 1 else 'one') if row.is_generalized else ''
    image.expressions.append(Expression(row.exp_id, text, target, text_type=count))
    image.codes.update({name: found['segmentation'] for name, found in row.objects.items()})


def read_held_out(path: Path) -> set[str]:
    """Return the names of the images of an annotation file that training must not use.

    Raises:
        FileNotFoundError, ValueError: the file is missing or of another form.
    """
    content = _content(path)
    if isinstance(content, dict):
        names = [image.get('file_name') for image in content['images']]
        if not all(isinstance(name, str) for name in names):
            raise ValueError(f'{path} has images without file_name, which could not be excluded')
        return {Path(name).stem for name in names}
    return {
        Path(_image_name(ref['image_id'], path)).stem
        for ref in content
        if ref['split'] in EVALUATION_SPLITS
    }


def is_refer_file(path: Path) -> bool:
    """Return whether a file has one of the forms that :func:`read_images` reads.

    Raises:
        FileNotFoundError, ValueError: it is missing, or not JSON.
    """
    if path.suffix == '.p':
        return True
    content = read_json(path)
    return isinstance(content, list) or isinstance(content, dict) and 'annotations' in content


def _content(path: Path) -> list[dict[str, Any]] | dict[str, Any]:
    """Return references, or the content of a file in COCO's form."""
    is_json = path.suffix == '.json'
    content = read_json(path) if is_json else read_plain_pickle(path)
    if is_json and isinstance(content, dict):
        return _checked_coco(content, path)
    if not content or not isinstance(content, list) or not all(map(_is_reference, content)):
        forms = " or COCO's form" if is_json else ''
        keys = ', '.join(sorted(_REF_KEYS))
        raise ValueError(f'{path} is not a list of references with {keys}{forms}')
    return content


def _is_reference(ref: Any) -> bool:
    if not isinstance(ref, dict) or not ref.keys() >= _REF_KEYS:
        return False
    numbers = ref['ann_id'] if isinstance(ref['ann_id'], (list, tuple)) else [ref['ann_id']]
    numbers = [ref['image_id'], *numbers]
    return all(isinstance(number, (int, str, type(None))) for number in numbers) and all(
        isinstance(sentence, dict) for sentence in ref.get('sentences') or ()
    )


def _checked_coco(content: Any, path: Path) -> dict[str, Any]:
    if not isinstance(content, dict) or not all(
        isinstance(content.get(key), list) and all(isinstance(x, dict) for x in content[key])
        for key in ('images', 'annotations')
    ):
        raise ValueError(f"{path} has no lists 'images' and 'annotations': expected COCO's form")
    return content


def _image_name(number: int | str | None, path: Path) -> str:
    """Return the name that COCO gives the image of a number."""
    if not str(number).isdecimal():
        raise ValueError(f'{path}: image_id {number!r} is not a number, and no file_name is listed')
    return IMAGE_NAME.format(int(number))


def _reference_rows(references: Sequence[dict], path: Path, split: str) -> Iterator[_Row]:
    refs = [ref for ref in references if ref['split'] == split]
    if not refs:
        splits = sorted({str(ref['split']) for ref in references})
        raise ValueError(f'{path} has no split {split!r}; it has {", ".join(splits)}')
    instances = path.with_name(INSTANCES)
    coco = _checked_coco(read_json(instances), instances)
    wanted = {ref['image_id'] for ref in refs}
    # The file_name of a reference may end in the number of an annotation, unlike an image's.
    files = {item.get('id'): item.get('file_name') for item in coco['images']}
    names = {item['id']: item['name'] for item in coco.get('categories', ())}
    annotations, by_image = {}, defaultdict(dict)
    for item in coco['annotations']:
        image_id, ann_id = item.get('image_id'), item.get('id')
        if image_id in wanted:
            annotations[ann_id] = item
            by_image[image_id][str(ann_id)] = names.get(item.get('category_id'), '')
    for ref in refs:
        number, listed = ref['image_id'], ref['ann_id']
        is_generalized = isinstance(listed, (list, tuple)) or 'no_target' in ref
        found = _objects(ref, annotations)
        file_name = files.get(number)
        if not is_plain_name(file_name):
            file_name = _image_name(number, path)
        for exp_id, text in _texts(ref):
            yield _Row(file_name, exp_id, text, found, by_image[number], is_generalized)


def _objects(ref: Mapping[str, Any], annotations: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the annotations of a reference's objects; none if it is about nothing."""
    listed = ref['ann_id'] if isinstance(ref['ann_id'], (list, tuple)) else [ref['ann_id']]
    listed = [] if ref.get('no_target') else [i for i in listed if i not in (None, NO_ANNOTATION)]
    found = {str(number): annotations.get(number) for number in listed}
    if len(found) > 1:  # an object without area adds nothing to the others
        found = {i: item for i, item in found.items() if not _is_degenerate(item)} or found
    return found


def _texts(ref: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield number and text of the expressions of a reference; an empty text if it has none."""
    prefix = str(ref.get('ref_id', f'image{ref["image_id"]}'))
    for index, listed in enumerate(ref.get('sentences') or [{}]):
        number = listed.get('sent_id')
        text = listed.get('raw') or listed.get('sent')
        exp_id = str(number) if number is not None else f'{prefix}_{index}'
        yield exp_id, text if isinstance(text, str) else ''


def _converted_rows(content: Mapping[str, Any], problems: ProblemList) -> Iterator[_Row]:
    """Read ReferFormer's form: per expression an image entry and an annotation of equal number."""
    annotations = {item.get('image_id'): item for item in content['annotations']}
    for entry in content['images']:
        file_name, annotation = entry.get('file_name'), annotations.get(entry.get('id'))
        name = Path(str(file_name)).name
        if is_plain_name(Path(name).stem) and isinstance(entry.get('caption'), str):
            obj_id = str((annotation or {}).get('original_id', entry.get('id')))
            yield _Row(name, str(entry['id']), entry['caption'], {obj_id: annotation}, {})
        else:
            what = "has no file_name or no text 'caption'"
            problems.add(f'image entry {entry.get("id")}', what, 'expression skipped')


def _problem(row: _Row) -> str | None:
    if not row.text.strip():
        return 'text is empty'
    annotations = row.objects.values()
    if any(item is None or not item.get('segmentation') for item in annotations):
        return 'has no annotation with a mask'
    if not row.is_generalized and any(item.get('iscrowd') for item in annotations):
        return CROWD
    if annotations and all(map(_is_degenerate, annotations)):
        return DEGENERATE
    return None


def _is_degenerate(annotation: Mapping[str, Any] | None) -> bool:
    code = (annotation or {}).get('segmentation')
    return isinstance(code, list) and all(len(polygon) < MIN_POLYGON for polygon in code)
