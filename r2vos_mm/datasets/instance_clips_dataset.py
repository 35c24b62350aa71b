"""Turn images with annotated instances into referring clips with generated expressions."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from r2vos_mm.registry import DATASETS
from r2vos_mm.utils.data_issues import DataFileError, ProblemList
from r2vos_mm.utils.files import read_json
from r2vos_mm.utils.formats.expressions import is_plain_name
from r2vos_mm.utils.formats.pairs import POSITIVE
from r2vos_mm.utils.images import read_image
from r2vos_mm.utils.masks_io import boxes_of_masks
from r2vos_mm.utils.shared_list import SharedList

from .base_referring_dataset import BaseReferringDataset
from .io.mask_sources import decode_code, pack_bits
from .pairs.descriptions import (
    NOUNS,
    Instance,
    colour_shares,
    draw_absent,
    draw_description,
    phrase,
)
from .pseudo_video import Layer, camera_path, cut_out, film, placement
from .records import Clip, Pair, VideoRecord, targets_of

NEGATIVE_SHARES = dict(
    absent=0.3,
    side=0.15,
    colour=0.15,
    relation=0.15,
    possession=0.05,
    motion=0.1,
    other_picture=0.15,
)
_MIN_CUT_OUT = 0.015  # share of its image
_TRIES = 4  # cameras, until an object can be named


@DATASETS.register_module()
class InstanceClipsDataset(BaseReferringDataset):
    """Clips filmed from photographs with annotated instances, in COCO's form.

    ::

        <data_root>/<ann_file>        {"images": .., "annotations": .., "categories": ..}
        <data_root>/<image_folder>/<file_name>

    An item is an image. A camera that moves within the image makes T frames of it; cut-outs of
    other images are pasted with soft edges, still or moving, as objects like all others. Then
    expressions are generated for what the frames show: category with synonyms, side, order, size,
    colour measured from the pixels, relation to another object, and in clips motion; see
    :mod:`~r2vos_mm.datasets.pairs.descriptions`. Positive expressions are true of one object and
    false of all others, negative ones are false of all, by measurement with a margin: they rely on
    complete annotations of the listed categories. Everything is a function of (``seed``, epoch,
    index); testing shows epoch 0. The pipeline needs no loading and no resize.

    Args:
        data_root: folder of annotations and images.
        ann_file: instances in COCO's form, polygons or run-length codes.
        image_folder: folder of the images in ``data_root``.
        frame_size: (width, height) of the frames.
        clips_per_image: items per image in an epoch, to weigh it against other data sets.
        negatives_per_clip: number of negative expressions per clip.
        negative_shares: relative frequency of each kind: ``absent`` (a category that is not there),
            ``side``, ``colour``, ``relation``, ``possession`` and ``motion`` (a wrong claim) and
            ``other_picture`` (an expression of another image).
        cut_outs: probabilities of 0, 1, 2, ... pasted cut-outs.
        camera: options of :func:`~r2vos_mm.datasets.pseudo_video.camera_path`.
        min_area: smallest share of the frame of an object that is referred to.
        nouns: {category: nouns} besides COCO's; other categories are called by their names.
        **kwargs: see :class:`BaseReferringDataset`.

    Raises:
        FileNotFoundError, ValueError: a file cannot be used, or an option is out of range.
    """

    METAINFO = dict(dataset_name='instance_clips')

    def __init__(
        self,
        *,
        data_root: str,
        ann_file: str = 'instances.json',
        image_folder: str = 'images',
        frame_size: tuple[int, int] = (448, 256),
        clips_per_image: int = 1,
        negatives_per_clip: int = 3,
        negative_shares: Mapping[str, float] = NEGATIVE_SHARES,
        cut_outs: Sequence[float] = (0.5, 0.3, 0.2),
        camera: Mapping[str, Any] | None = None,
        min_area: float = 0.01,
        nouns: Mapping[str, Sequence[str]] | None = None,
        **kwargs: Any,
    ) -> None:
        unknown = set(negative_shares) - set(NEGATIVE_SHARES)
        if unknown or clips_per_image < 1 or negatives_per_clip < 0:
            raise ValueError(
                f'InstanceClipsDataset: clips_per_image={clips_per_image} must be at least 1, '
                f'negatives_per_clip={negatives_per_clip} at least 0, and negative_shares may name '
                f'{", ".join(NEGATIVE_SHARES)}, not {sorted(unknown)}'
            )
        self.image_folder = image_folder
        self.frame_size = (frame_size[1], frame_size[0])
        self.clips_per_image = clips_per_image
        self.negatives_per_clip = negatives_per_clip
        self.negative_shares = dict(negative_shares)
        self.cut_outs = np.array(cut_outs, float) / sum(cut_outs)
        self.camera = dict(camera or {})
        self.min_area = min_area
        self.nouns = {**NOUNS, **(nouns or {})}
        self._images: Sequence[tuple[Path, list[dict]]] = ()
        self._categories: list[str] = []
        super().__init__(data_root=data_root, ann_file=ann_file, **kwargs)

    def load_videos(self) -> list[VideoRecord]:
        """See the base class; one record per image, in the order of the file names."""
        root, problems = self.root, ProblemList(self.ann_file)
        images = read_instances(self.ann_path, problems)
        records, chosen = [], []
        for name in sorted(images):
            path = root / self.image_folder / name
            if not path.is_file():
                problems.add(name, f'{self.image_folder}/{name} is missing', 'image skipped')
                continue
            categories = {str(i): x['category'] for i, x in enumerate(images[name], start=1)}
            record = VideoRecord(
                video_id=path.stem,
                frames=(path.stem,),
                frame_dir=path.parent,
                mask_dir=None,
                expressions=(),
                categories=categories,
                frame_suffix=path.suffix,
            )
            if self._in_subset(record):
                records.append(record)
                chosen.append((path, images[name]))
        problems.report()
        self._images = SharedList(chosen)
        instances = (x for _, found in chosen for x in found if not x['is_crowd'])
        self._categories = [x['category'] for x in instances]
        return records

    def load_data_list(self) -> list[dict]:
        """Return ``clips_per_image`` items per image with an object to refer to; one in testing.

        Raises:
            ValueError: no image is usable.
        """
        super().load_data_list()
        usable = self._usable_images()
        if not usable:
            raise ValueError(f'{self.ann_file} has no object larger than min_area={self.min_area}')
        if self.part is not None:
            return [dict(video=i, image=image) for i, image in enumerate(self.part.of(usable))]
        copies = 1 if self.test_mode else self.clips_per_image
        return [dict(video=image, image=image) for image in usable for _ in range(copies)]

    def _own_part(self, videos: Sequence[VideoRecord]) -> list[VideoRecord]:
        return super()._own_part([videos[image] for image in self._usable_images()])

    def _usable_images(self) -> list[int]:
        """Return the numbers of the images with an object to refer to."""
        return [i for i, (_, found) in enumerate(self._images) if any(map(self._is_large, found))]

    def _test_results(self, item: dict) -> dict:
        return self._train_results(item, np.random.default_rng((self.seed, 0, item['image'])))

    def _train_results(self, item: dict, rng: np.random.Generator) -> dict:
        """Return frames, masks and pairs of an item, all draws from ``rng``."""
        video_id = self.videos[item['video']].video_id
        for _ in range(_TRIES):
            layers, objects = self._layers(item['image'], rng)
            frames = [film(layers, self.frame_size, t) for t in range(self.clip_length)]
            images, labels = [image for image, _ in frames], np.stack([x for _, x in frames])
            scene = self._scene(objects, labels, images[self.clip_length // 2], layers)
            pairs = self._positive_pairs(scene, rng, video_id)
            if pairs:
                break
        if not (pairs or self.test_mode):
            raise DataFileError(f'{video_id} shows no object that an expression could name')
        pairs += self._negative_pairs(scene, rng, video_id)
        return self._packed(item, images, labels, pairs)

    def _is_large(self, instance: dict) -> bool:
        return not instance['is_crowd'] and instance['area'] > self.min_area

    def _packed(
        self, item: dict, images: list[np.ndarray], labels: np.ndarray, pairs: list[Pair]
    ) -> dict:
        video_id, length = self.videos[item['video']].video_id, self.clip_length
        targets = targets_of(pairs)
        maps = [
            pack_bits(np.stack([marks == int(i or 65535) for i in targets])) for marks in labels
        ]
        names = tuple(f'{t:05d}' for t in range(length))
        clip = Clip(video_id, self.dataset_name, names, tuple(pairs))
        return dict(
            img=images,
            gt_seg_map=maps,
            targets=[targets] * length,
            img_path=[str(self._images[item['image']][0])] * length,
            img_shape=[self.frame_size] * length,
            ori_shape=[self.frame_size] * length,
            clip=[clip] * length,
        )

    def _layers(self, index: int, rng: np.random.Generator) -> tuple[list[Layer], list[dict]]:
        """Return the photograph and its cut-outs, and the known facts on each label's object."""
        image, labels = self._picture(index)
        objects = [dict(x, shift=0.0) for x in self._images[index][1]]
        size = image.shape[:2]
        path = camera_path(size, self.frame_size, self.clip_length, rng, **self.camera)
        layers = [Layer(image, labels, None, path)]
        for _ in range(int(rng.choice(len(self.cut_outs), p=self.cut_outs))):
            found = self._cut_out(rng)
            if found is None:
                continue
            (picture, mask, alpha), category = found
            place, shift = placement(mask.shape, path, self.frame_size, rng)
            objects.append(dict(category=category, is_crowd=False, shift=shift))
            marks = (mask * len(objects)).astype(np.uint16)
            layers.append(Layer(picture, marks, alpha, place))
        return layers, objects

    def _picture(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return an image and its labels, smaller objects in front of larger ones."""
        path, found = self._images[index]
        image, size = read_image(path, None)
        labels = np.zeros(size, np.uint16)
        for number in sorted(range(len(found)), key=lambda i: -found[i]['area']):
            labels[decode_code(found[number]['code'], *size, str(path))] = number + 1
        return image, labels

    def _cut_out(self, rng: np.random.Generator) -> tuple[tuple[np.ndarray, ...], str] | None:
        """Draw an object of any image that is large, and not cut off by the image's border."""
        for _ in range(5):
            index = int(rng.integers(len(self._images)))
            found = self._images[index][1]
            large = [i for i, x in enumerate(found) if not x['is_crowd'] and x['is_whole']]
            if not large:
                continue
            number = large[int(rng.integers(len(large)))]
            image, labels = self._picture(index)
            mask = labels == number + 1
            if mask.mean() > _MIN_CUT_OUT:
                return cut_out(image, mask), found[number]['category']
        return None

    def _scene(
        self, objects: list[dict], labels: np.ndarray, middle: np.ndarray, layers: list[Layer]
    ) -> list[Instance]:
        """Return the visible objects as the frames show them."""
        scene, whole = [], _whole_areas(layers, len(objects))
        height, width = self.frame_size
        for number in np.unique(labels[labels > 0]).tolist():
            known, masks = objects[number - 1], labels == number
            areas = masks.sum((1, 2))
            boxes = boxes_of_masks(masks) / [width, height, width, height]
            boxes[areas == 0] = np.nan
            is_clear = (
                not known['is_crowd']
                and areas.min() > self.min_area * height * width
                and (areas > 0.45 * whole[:, number]).all()
            )
            scene.append(
                Instance(
                    str(number),
                    known['category'],
                    boxes,
                    float(areas.mean() / (height * width)),
                    colour_shares(middle, masks[len(masks) // 2]),
                    known['shift'],
                    bool(is_clear),
                )
            )
        return scene

    def _positive_pairs(
        self, scene: list[Instance], rng: np.random.Generator, video_id: str
    ) -> list[Pair]:
        """Return pairs of different objects first, then of different words for the same."""
        by_category = defaultdict(list)
        for index, instance in enumerate(scene):
            if instance.is_clear:
                by_category[instance.category].append(index)
        groups = list(by_category.values())
        order = [int(i) for k in rng.permutation(len(groups)) for i in rng.permutation(groups[k])]
        pairs: dict[str, Pair] = {}
        for index in order * self.positives_per_clip:
            if len(pairs) == self.positives_per_clip:
                break
            found = draw_description(scene, index, rng)
            if found is not None:
                text = phrase(found, rng, self.nouns)
                name = f'{video_id}/{len(pairs)}'
                pairs.setdefault(
                    text, Pair(text, f'{name}/p', str(len(pairs)), scene[index].obj_id, POSITIVE)
                )
        return list(pairs.values())

    def _negative_pairs(
        self, scene: list[Instance], rng: np.random.Generator, video_id: str
    ) -> list[Pair]:
        kinds, shares = list(self.negative_shares), np.array(list(self.negative_shares.values()))
        pairs: dict[str, Pair] = {}
        for _ in range(2 * self.negatives_per_clip):
            if len(pairs) == self.negatives_per_clip:
                break
            kind = kinds[int(rng.choice(len(kinds), p=shares / shares.sum()))]
            other = ()
            if kind == 'other_picture':
                _, instances = self._images[int(rng.integers(len(self._images)))]
                other = still_scene(instances, self.min_area)
            found = draw_absent(kind, scene, rng, categories=self._categories, other=other)
            if found is not None:
                text, name = phrase(found, rng, self.nouns), f'n{len(pairs)}'
                pairs.setdefault(
                    text, Pair(text, f'{video_id}/{name}/{kind}', name, '', kind, True)
                )
        return list(pairs.values())


def still_scene(found: Sequence[Mapping[str, Any]], min_area: float) -> list[Instance]:
    """Return the objects of an image of :func:`read_instances`, without colours, numbered from 1.

    Those of at most ``min_area`` of the image are not clear.
    """
    return [
        Instance(
            str(number),
            x['category'],
            np.array([x['box']]),
            x['area'],
            is_clear=not x['is_crowd'] and x['area'] > min_area,
        )
        for number, x in enumerate(found, start=1)
    ]


def _whole_areas(layers: list[Layer], count: int) -> np.ndarray:
    """Return the areas (T, 1 + count) in pixels that objects would have if nothing hid them."""
    areas = 0
    for layer in layers:
        pixels = np.bincount(layer.labels.ravel(), minlength=count + 1)
        areas = areas + np.abs(np.linalg.det(layer.path[:, :, :2]))[:, None] * pixels
    return areas


def read_instances(path: Path, problems: ProblemList) -> dict[str, list[dict]]:
    """Return {file name: instances}, with box and area relative to the image.

    ``ids`` are those of image, annotation and category.

    Raises:
        FileNotFoundError, ValueError: the file is missing or of another form.
    """
    content = read_json(path)
    lists = ('images', 'annotations', 'categories')
    if not isinstance(content, dict) or not all(isinstance(content.get(k), list) for k in lists):
        raise ValueError(f"{path} has no lists {', '.join(lists)}: expected COCO's form")
    names = {x['id']: str(x['name']) for x in content['categories']}
    images = {x['id']: x for x in content['images'] if is_plain_name(x.get('file_name'))}
    found: dict[str, list[dict]] = {x['file_name']: [] for x in images.values()}
    unusable = 0
    for item in content['annotations']:
        image, category = images.get(item.get('image_id')), names.get(item.get('category_id'))
        if image is None or category is None or not item.get('segmentation'):
            unusable += 1
        else:
            found[image['file_name']].append(_instance(item, category, image))
    if unusable:
        what = 'an annotation has no image, category or mask'
        problems.add(path.name, what, f'{unusable} annotation(s) skipped')
    return found


def _instance(item: Mapping[str, Any], category: str, image: Mapping[str, Any]) -> dict:
    width, height = image['width'], image['height']
    x, y, w, h = item['bbox']
    return dict(
        ids={name: item.get(name) for name in ('image_id', 'id', 'category_id')},
        category=category,
        code=item['segmentation'],
        is_crowd=bool(item.get('iscrowd')),
        area=item['area'] / (width * height),
        box=[x / width, y / height, (x + w) / width, (y + h) / height],
        is_whole=min(x, y, width - x - w, height - y - h) > 1,
    )
