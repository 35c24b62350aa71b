"""Single frames of RefShapes with the shape and texture of every pixel, to pre-train backbones."""
from __future__ import annotations

from itertools import product
from pathlib import Path

from mmseg.datasets import BaseSegDataset

from r2vos_mm.registry import DATASETS

from .layout import read_json
from .refshapes.world import SHAPES, TEXTURES


@DATASETS.register_module()
class RefShapesFrames(BaseSegDataset):
    """Semantic segmentation of RefShapes: background and every pair of texture and shape.

    What pre-training on ImageNet is to a backbone of the paper, this is to one that meets nothing
    but RefShapes: it learns to tell shapes and textures apart before sentences name them. Reads
    the frames and masks of the set and the attributes of its objects (``worlds``); no sentences.

    Args:
        data_root: folder of the set.
        split: ``'train'`` or ``'valid'``.
        **kwargs: see ``mmseg.BaseSegDataset``.
    """

    METAINFO = dict(
        classes=('background', *(f'{texture} {shape}' for texture, shape
                                 in product(TEXTURES, SHAPES))))

    def __init__(self, data_root: str, split: str = 'train', **kwargs: object) -> None:
        self.split = split
        super().__init__(data_root=data_root, **kwargs)

    def load_data_list(self) -> list[dict]:
        """One entry per frame.

        Raises:
            FileNotFoundError, ValueError: the folder holds no RefShapes set, or not all of it.
        """
        root = Path(self.data_root)
        videos = read_json(root / 'worlds' / f'{self.split}.json')['videos']
        entries = []
        for video, world in videos.items():
            labels = {int(name): self._class_index(o) for name, o in world['objects'].items()}
            frames = sorted((root / self.split / 'JPEGImages' / video).glob('*.jpg'))
            entries += [self._entry(frame, labels) for frame in frames]
        return entries

    def _class_index(self, attributes: dict) -> int:
        return self._metainfo['classes'].index(f'{attributes["texture"]} {attributes["shape"]}')

    def _entry(self, frame: Path, labels: dict[int, int]) -> dict:
        video = frame.parent
        mask = video.parent.parent / 'Annotations' / video.name / f'{frame.stem}.png'
        return dict(
            img_path=str(frame), seg_map_path=str(mask), label_map=labels,
            reduce_zero_label=False, seg_fields=[])
