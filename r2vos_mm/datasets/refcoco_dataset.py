"""Load RefCOCO, RefCOCO+ and RefCOCOg: expressions about objects of single images."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from r2vos_mm.registry import DATASETS
from r2vos_mm.utils.data_issues import ProblemList
from r2vos_mm.utils.expressions_file import is_plain_name, normalise_text
from r2vos_mm.utils.files import read_json, stems
from r2vos_mm.utils.masks_io import MIN_POLYGON
from r2vos_mm.utils.shared_list import SharedList

from .base_referring_dataset import BaseReferringDataset
from .io.mask_sources import CodedMasks
from .io.safe_pickle import read_plain_pickle
from .records import Expression, VideoRecord

INSTANCES = 'instances.json'
IMAGE_NAME = 'COCO_train2014_{:012d}'
# Skipped on purpose; the owners' files contain both.
CROWD = 'is about a crowd'
DEGENERATE = 'its polygons have fewer than three points'
EVALUATION_SPLITS = ('val', 'test', 'testA', 'testB')


@dataclass(frozen=True)
class ReferredImage:
    """One image: its expressions and the masks of their objects.

    Attributes:
        name: file name without suffix.
        expressions: the usable expressions.
        codes: {object: polygons or run-length code}.
        categories: {object: category} of all annotated objects, empty if not all are known.
    """

    name: str
    expressions: list[Expression] = field(default_factory=list)
    codes: dict[str, Any] = field(default_factory=dict)
    categories: dict[str, str] = field(default_factory=dict)


class _Row(NamedTuple):
    """An expression, its image, and the annotation and categories of the image's objects."""

    image: str
    exp_id: str
    text: str
    obj_id: str
    annotation: Mapping[str, Any] | None
    categories: dict[str, str]


@DATASETS.register_module()
class RefCOCODataset(BaseReferringDataset):
    """RefCOCO, RefCOCO+ or RefCOCOg, one record per image: a clip of one frame.

    ::

        <data_root>/train2014/COCO_train2014_<12 digits>.jpg
        <data_root>/<set>/refs(unc).p or refs(umd).p, and instances.json beside it
        <data_root>/<set>/instances_<set>_<split>.json      ReferFormer's form, instead of these

    An item is an image and an expression. With ``clip_length`` T the clip is T times the image,
    from which a transform such as ``JitterFrame`` makes a video. Objects annotated as a crowd and
    polygons without area are skipped.

    The three sets share images across their splits: training images of one set are validation
    images of another. ``held_out_by`` excludes those.

    Args:
        data_root: COCO's folder.
        ann_file: ``<set>/refs(...).p`` or ``<set>/instances_<set>_<split>.json``.
        split: split of a pickle, which holds all: ``'train'``, ``'val'``, ``'testA'``, ``'testB'``
            or ``'test'``.
        image_folder: folder of the images in ``data_root``.
        held_out_by: annotation files whose images are excluded: of a pickle those of all splits but
            ``train``, of a JSON file all.
        **kwargs: see :class:`BaseReferringDataset`.
    """

    METAINFO = dict(dataset_name='refcoco')

    def __init__(
        self,
        *,
        ann_file: str,
        image_folder: str = 'train2014',
        held_out_by: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        self.image_folder, self.held_out_by = image_folder, tuple(held_out_by)
        self._rows: dict[str, int] = {}
        self._codes: Sequence[dict[str, Any]] = ()
        super().__init__(ann_file=ann_file, **kwargs)

    def load_videos(self) -> list[VideoRecord]:
        """See the base class; the images are in the order of their names."""
        root, problems = Path(self.data_root), ProblemList(self.ann_file)
        images = read_images(Path(self.ann_file), self.split, problems)
        for name in self.held_out_by:
            for taken in read_held_out(root / name):
                images.pop(taken, None)
        folder = root / self.image_folder
        if not folder.is_dir():
            raise FileNotFoundError(
                f'{folder} is not a folder: put the images of COCO train2014 '
                'there, or set image_folder'
            )
        found = stems(folder, '.jpg')
        for name in sorted(images.keys() - found):
            problems.add(name, f'{self.image_folder}/{name}.jpg is missing', 'image skipped')
        problems.report()
        chosen = [images[name] for name in sorted(images.keys() & found)]
        self._rows = {image.name: row for row, image in enumerate(chosen)}
        self._codes = SharedList(image.codes for image in chosen)
        return [
            VideoRecord(
                image.name, (image.name,), folder, None, tuple(image.expressions), image.categories
            )
            for image in chosen
        ]

    def mask_keys(
        self, video: VideoRecord, frames: Sequence[str], targets: tuple[str, ...]
    ) -> dict[str, Any]:
        """See the base class."""
        codes = self._codes[self._rows[video.video_id]]
        masks = CodedMasks(
            {target: [codes[target]] for target in targets if target},
            f'{self.ann_file}, image {video.video_id}',
        )
        return dict(targets=[targets] * len(frames), target_masks=[masks] * len(frames))


def read_images(path: Path, split: str, problems: ProblemList) -> dict[str, ReferredImage]:
    """Return {image name: image} of a pickle with its ``instances.json``, or of a JSON file.

    Raises:
        FileNotFoundError, ValueError: a file is missing or not understood.
    """
    images: dict[str, ReferredImage] = {}
    rows = _json_rows(path, problems) if path.suffix == '.json' else _pickle_rows(path, split)
    for row in rows:
        problem = _problem(row.text, row.annotation)
        if problem is not None:
            where, is_known = f'{row.image} sentence {row.exp_id}', problem in (CROWD, DEGENERATE)
            problems.add(where, problem, 'sentence skipped', is_known=is_known)
            continue
        image = images.setdefault(row.image, ReferredImage(row.image, categories=row.categories))
        expression = Expression(row.exp_id, normalise_text(row.text), row.obj_id)
        image.expressions.append(expression)
        image.codes[row.obj_id] = row.annotation['segmentation']
    return images


def read_held_out(path: Path) -> set[str]:
    """Return the names of the images of an annotation file that training must not use.

    Raises:
        FileNotFoundError, ValueError: the file is missing or not understood.
    """
    if path.suffix == '.json':
        return {Path(image['file_name']).stem for image in _coco(path)['images']}
    return {
        IMAGE_NAME.format(int(ref['image_id']))
        for ref in _refs(path)
        if ref.get('split') in EVALUATION_SPLITS
    }


def _pickle_rows(path: Path, split: str) -> Iterator[_Row]:
    content, all_refs = _coco(path.with_name(INSTANCES)), _refs(path)
    refs = [ref for ref in all_refs if ref.get('split') == split]
    if not refs:
        splits = sorted({str(ref.get('split')) for ref in all_refs})
        raise ValueError(f'{path} has no split {split!r}; it has {", ".join(splits)}')
    wanted = {ref['image_id'] for ref in refs}
    names = {item['id']: item['name'] for item in content.get('categories', ())}
    annotations, by_image = {}, defaultdict(dict)
    for item in content['annotations']:
        if item['image_id'] in wanted:
            annotations[item['id']] = item
            by_image[item['image_id']][str(item['id'])] = names.get(item['category_id'], '')
    for ref in refs:
        # The file_name of a reference ends in the number of the annotation, unlike an image's.
        name, annotation = IMAGE_NAME.format(int(ref['image_id'])), annotations.get(ref['ann_id'])
        for listed in ref['sentences']:
            exp_id, text = str(listed['sent_id']), listed.get('raw') or listed['sent']
            yield _Row(
                name, exp_id, text, str(ref['ann_id']), annotation, by_image[ref['image_id']]
            )


def _json_rows(path: Path, problems: ProblemList) -> Iterator[_Row]:
    """Read ReferFormer's form: per expression an image entry and an annotation of equal number."""
    content = _coco(path)
    annotations = {item.get('image_id'): item for item in content['annotations']}
    for entry in content['images']:
        name, annotation = Path(str(entry.get('file_name'))).stem, annotations.get(entry.get('id'))
        if is_plain_name(name) and isinstance(entry.get('caption'), str):
            obj_id = str((annotation or {}).get('original_id', entry.get('id')))
            yield _Row(name, str(entry['id']), entry['caption'], obj_id, annotation, {})
        else:
            what = "has no file_name or no text 'caption'"
            problems.add(f'image entry {entry.get("id")}', what, 'sentence skipped')


def _problem(text: str, annotation: Mapping[str, Any] | None) -> str | None:
    if not text.strip():
        return 'sentence is empty'
    if annotation is None or not annotation.get('segmentation'):
        return 'has no annotation with a mask'
    if annotation.get('iscrowd'):
        return CROWD
    code = annotation['segmentation']
    if isinstance(code, list) and all(len(polygon) < MIN_POLYGON for polygon in code):
        return DEGENERATE
    return None


def _coco(path: Path) -> dict[str, Any]:
    content = read_json(path)
    if not isinstance(content, dict) or not all(
        isinstance(content.get(key), list) for key in ('images', 'annotations')
    ):
        raise ValueError(f"{path} has no lists 'images' and 'annotations': expected COCO's form")
    return content


def _refs(path: Path) -> list[dict[str, Any]]:
    content = read_plain_pickle(path)
    keys = {'image_id', 'ann_id', 'split', 'sentences'}
    if not isinstance(content, list) or not all(
        isinstance(ref, dict) and keys <= ref.keys() for ref in content
    ):
        raise ValueError(f'{path} is not a list of references with {", ".join(sorted(keys))}')
    return content
