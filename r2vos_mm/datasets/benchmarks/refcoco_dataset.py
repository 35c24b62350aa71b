"""Load RefCOCO, RefCOCO+, RefCOCOg and gRefCOCO: expressions about objects of single images."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from r2vos_mm.registry import DATASETS
from r2vos_mm.utils.data_issues import ProblemList
from r2vos_mm.utils.files import stems

from ..base_referring_dataset import BaseReferringDataset
from ..io.mask_sources import MaskCodes
from ..io.refer_files import ReferredImage, read_held_out, read_images
from ..records import VideoRecord


@DATASETS.register_module()
class RefCOCODataset(BaseReferringDataset):
    """RefCOCO, RefCOCO+ or RefCOCOg, one record per image: a clip of one frame.

    ::

        <data_root>/train2014/COCO_train2014_<12 digits>.jpg
        <data_root>/<set>/refs(unc).p or refs(umd).p, and instances.json beside it
        <data_root>/<set>/instances_<set>_<split>.json      ReferFormer's form, instead of these

    An item is an image and an expression. With ``clip_length`` T the clip is T times the image,
    from which a transform such as ``JitterFrame`` makes a video. Objects annotated as a crowd and
    polygons without area are skipped. Images may have other names, which ``instances.json`` lists.
    Training images of one set are validation images of another; ``held_out_by`` excludes them.

    Args:
        data_root: COCO's folder.
        ann_file: ``<set>/refs(...).p`` or ``<set>/instances_<set>_<split>.json``.
        split: ``'train'``, ``'val'``, ``'testA'``, ``'testB'`` or ``'test'`` of the references.
        image_folder: folder of the images in ``data_root``.
        held_out_by: annotation files whose images are excluded; of references, not ``train``.
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
        super().__init__(ann_file=ann_file, **kwargs)

    def load_videos(self) -> list[VideoRecord]:
        """See the base class; the images are in the order of their names."""
        root, problems = self.root, ProblemList(self.ann_file)
        images = read_images(self.ann_path, self.split, problems)
        for name in self.held_out_by:
            for taken in read_held_out(root / name):
                images.pop(taken, None)
        folder = root / self.image_folder
        if not folder.is_dir():
            raise FileNotFoundError(
                f'{folder} is not a folder: put COCO train2014 there, or set image_folder'
            )
        suffixes = {Path(image.file_name).suffix for image in images.values()}
        found = {suffix: stems(folder, suffix) for suffix in suffixes}
        chosen: dict[str, ReferredImage] = {}
        for name in sorted(images):
            image = images[name]
            if name not in found[Path(image.file_name).suffix]:
                what = f'{self.image_folder}/{image.file_name} is missing'
                problems.add(name, what, 'image skipped')
            elif self.test_mode or image.expressions:
                chosen[name] = image
        problems.report()
        codes = {i: [code] for image in chosen.values() for i, code in image.codes.items()}
        self.mask_codes = MaskCodes(codes, {name: [name] for name in chosen}, self.ann_file)
        return [_record(name, image, folder) for name, image in chosen.items()]


@DATASETS.register_module()
class GRefCOCODataset(RefCOCODataset):
    """gRefCOCO: expressions about one object, several, or none of an image.

    ::

        <data_root>/train2014/COCO_train2014_<12 digits>.jpg
        <data_root>/grefcoco/grefs(unc).json, and instances.json beside it

    The target of an expression is the union of its objects, also those annotated as a crowd;
    ``obj_ids`` of the samples are their numbers joined by '+', as '12+14'. An expression about
    nothing (``no_target``) is a negative pair of kind ``no_target`` in testing, and in training
    what ``TrainNegatives`` with a share of ``no_target`` draws. ``text_types`` are ``'one'`` and
    ``'several'``, so that the metric reports the quality of each.

    Args:
        ann_file: references as JSON or as a pickle.
        **kwargs: see :class:`RefCOCODataset`.
    """

    METAINFO = dict(dataset_name='grefcoco')

    def __init__(self, *, ann_file: str = 'grefcoco/grefs(unc).json', **kwargs: Any) -> None:
        super().__init__(ann_file=ann_file, **kwargs)


def _record(name: str, image: ReferredImage, folder: Path) -> VideoRecord:
    return VideoRecord(
        name,
        (name,),
        folder,
        None,
        tuple(image.expressions),
        image.categories,
        absent=tuple(image.absent),
        frame_suffix=Path(image.file_name).suffix,
    )
