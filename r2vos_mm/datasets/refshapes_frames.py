"""Load single frames of RefShapes with the attributes of every pixel, to pre-train backbones."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path

from mmseg.datasets import BaseSegDataset

from r2vos_mm.registry import DATASETS
from r2vos_mm.utils.files import read_json
from r2vos_mm.utils.storage.paths import storage_path

from .refshapes_words import ATTRIBUTES


@DATASETS.register_module()
class RefShapesFrames(BaseSegDataset):
    """Semantic segmentation of RefShapes: background and every combination of some attributes.

    It replaces ImageNet for backbones that are used on RefShapes only: they learn to distinguish
    objects before expressions refer to them. Frames, masks and attributes (``worlds``) are read.

    Args:
        data_root: folder of the set.
        split: ``'train'`` or ``'valid'``.
        attributes: attributes that define a class, of ``size`` (2 values), ``texture`` (3),
            ``colour``, ``shape`` (6). Of the classes' attributes, the last changes fastest.
        **kwargs: see ``mmseg.BaseSegDataset``.
    """

    def __init__(
        self,
        data_root: str,
        split: str = 'train',
        *,
        attributes: Sequence[str] = ('texture', 'shape'),
        **kwargs: object,
    ) -> None:
        unknown = sorted(set(attributes) - set(ATTRIBUTES))
        if unknown:
            raise ValueError(
                f'unknown attributes {", ".join(unknown)}: there are {", ".join(ATTRIBUTES)}'
            )
        self.split = split
        self.attributes = tuple(attributes)
        words = product(*(ATTRIBUTES[field] for field in self.attributes))
        classes = ('background', *map(' '.join, words))
        super().__init__(data_root=data_root, metainfo=dict(classes=classes), **kwargs)

    def _join_prefix(self) -> None:
        if self.backend_args is None:  # MMEngine joins only addresses that it knows
            super()._join_prefix()

    def load_data_list(self) -> list[dict]:
        """Return one entry per frame.

        Raises:
            FileNotFoundError, ValueError: the folder has no complete RefShapes set.
        """
        root = storage_path(self.data_root, self.backend_args)
        videos = read_json(root / 'worlds' / f'{self.split}.json')['videos']
        entries = []
        for video, world in videos.items():
            labels = {int(name): self._class_index(o) for name, o in world['objects'].items()}
            frames = sorted((root / self.split / 'JPEGImages' / video).glob('*.jpg'))
            entries += [self._entry(frame, labels) for frame in frames]
        return entries

    def _class_index(self, attributes: dict) -> int:
        name = ' '.join(attributes[field] for field in self.attributes)
        return self._metainfo['classes'].index(name)

    def _entry(self, frame: Path, labels: dict[int, int]) -> dict:
        video = frame.parent
        mask = video.parent.parent / 'Annotations' / video.name / f'{frame.stem}.png'
        return dict(
            img_path=str(frame),
            seg_map_path=str(mask),
            label_map=labels,
            reduce_zero_label=False,
            seg_fields=[],
        )
