"""Writes tiny sets in the formats of MeViS, A2D-Sentences, JHMDB-Sentences and RefCOCO."""

import pickle
import sys
import types
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from scipy.io import savemat
from tiny_sets import write_json

SIZE = (24, 32)  # (height, width)


def square(left: int, top: int = 3, side: int = 6, size: tuple[int, int] = SIZE) -> np.ndarray:
    """A mask (H, W) uint8 with one square."""
    mask = np.zeros(size, np.uint8)
    mask[top : top + side, left : left + side] = 1
    return mask


def rle(mask: np.ndarray) -> dict:
    """The compressed run-length code of a mask, as JSON files have it."""
    code = coco_mask.encode(np.asfortranarray(mask))
    return dict(size=list(code['size']), counts=code['counts'].decode())


def write_image(path: Path, *, value: int = 90, mode: str = 'RGB') -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, SIZE[::-1], value if mode == 'L' else (value, 40, 60)).save(path)


def write_mevis(root: Path, *, split: str = 'valid_u', with_masks: bool = True) -> Path:
    """A video of 3 frames: objects 1 and 2 overlap, 2 is absent in the last frame; and one frame.

    The sentences of 'a': object 1, both, none, object 2.
    """
    lists = {
        '11': [rle(square(2)), rle(square(3)), rle(square(4))],
        '12': [rle(square(5)), rle(square(6)), None],
        '20': [rle(square(8))],
    }
    about = {
        '0': ('The LEFT one  moving', [11]),
        '1': ('both moving', [11, 12]),
        '2': ('a giraffe', []),
        '3': ('the other one', [12]),
    }

    def entry(exp: str, annotations: list[int]) -> dict:
        known = dict(obj_id=list(range(1, len(annotations) + 1)), anno_id=annotations)
        return dict(exp=exp) | (known if with_masks else {})

    videos = dict(
        a=dict(
            vid_id=0,
            frames=['00000', '00001', '00002'],
            expressions={key: entry(*value) for key, value in about.items()},
        ),
        b=dict(vid_id=1, frames=['00000'], expressions={'0': entry('a cat running', [20])}),
    )
    for name, video in videos.items():
        for frame in video['frames']:
            write_image(root / split / 'JPEGImages' / name / f'{frame}.jpg')
    write_json(root / split / 'meta_expressions.json', dict(videos=videos))
    if with_masks:
        write_json(root / split / 'mask_dict.json', lists)
    return root


class FakeH5:
    """Stands in for h5py.File: the keys of a pickled dict."""

    def __init__(self, path: Path, mode: str) -> None:
        assert mode == 'r'
        self.content: Mapping[str, np.ndarray] = pickle.loads(Path(path).read_bytes())

    def __enter__(self) -> Mapping[str, np.ndarray]:
        return self.content

    def __exit__(self, *error: object) -> None:
        self.content = {}


@pytest.fixture
def fake_h5py(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the h5 files of :func:`write_a2d` readable where h5py is not installed, too."""
    module = types.ModuleType('h5py')
    module.File = FakeH5
    monkeypatch.setitem(sys.modules, 'h5py', module)


def write_video(path: Path, count: int) -> None:
    """An mp4 whose frame i is grey of level 20 i."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), 10, SIZE[::-1])
    for index in range(count):
        writer.write(np.full((*SIZE, 3), 20 * index, np.uint8))
    writer.release()


def write_a2d(root: Path, *, folder: str = 'clips320H') -> Path:
    """Videos '-one' (train, 8 frames, annotated 2 and 5) and 'two' (test, 6 frames, annotated 6).

    Frame 2 of '-one' has instances 0 and 1, the others have one, instance 0. The text file has a
    row with a bad number and one of a missed video.
    """

    def annotation(video: str, frame: int, instances: list[int]) -> None:
        masks = np.stack([square(4 + 8 * i).T for i in instances])  # (N, W, H)
        content = dict(
            instance=np.array(instances, float), reMask=masks[0] if len(instances) == 1 else masks
        )
        path = root / 'text_annotations/a2d_annotation_with_instances' / video / f'{frame:05d}.h5'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickle.dumps(content))

    for name, count in (('-one', 8), ('two', 6)):
        write_video(root / 'Release' / folder / f'{name}.mp4', count)
    annotation('-one', 2, [0, 1])
    annotation('-one', 5, [0])
    annotation('two', 6, [0])
    (root / 'Release/videoset.csv').write_text(
        '-one,11,00:00:01,00:00:02,24,32,8,2,0\ntwo,12,00:00:01,00:00:02,24,32,9,1,1\n'
    )
    (root / 'text_annotations/a2d_annotation.txt').write_text(
        'video_id,instance_id,query\n-one,0,The dog, running \n-one,1,a cat\n'
        '-one,1 (copy),a bird\ntwo,0,a ball\ngone,0,a car\n'
    )
    (root / 'text_annotations/a2d_missed_videos.txt').write_text('gone\n')
    return root


def write_jhmdb(root: Path, *, images: int = 6, masks: int = 5) -> Path:
    """A video of the action 'walk'; its list names frames 1 and 5, one row of it is broken."""
    for number in range(1, images + 1):
        write_image(root / f'Rename_Images/walk/w/{number:05d}.png', value=10 * number)
    folder = root / 'puppet_mask/walk/w'
    folder.mkdir(parents=True)
    savemat(
        folder / 'puppet_mask.mat', dict(part_mask=np.stack([square(i) for i in range(masks)], -1))
    )
    prefix = './jhmdb_sentences'
    rows = [
        [
            'w',
            f'{prefix}/Rename_Images/walk/w/{frame:05d}.png',
            f'{prefix}/puppet_mask/walk/w/puppet_mask.mat',
            masks,
            'A man walking ',
        ]
        for frame in (1, 5)
    ]
    write_json(root / 'jhmdb_sentences_samples_metadata.json', [*rows, ['w', 3]])
    return root


POLYGON = [4.0, 3.0, 10.0, 3.0, 10.0, 9.0, 4.0, 9.0]
ANNOTATIONS = [  # (id, image, category, segmentation, iscrowd)
    (1, 5, 18, [POLYGON], 0),
    (2, 5, 17, rle(square(20)), 0),
    (3, 6, 18, [POLYGON], 0),
    (4, 6, 18, rle(square(2)), 1),
    (5, 6, 17, [[1.0, 1.0, 2.0, 2.0]], 0),
    (6, 7, 17, [POLYGON], 0),
]
REFS = [  # (image, annotation, split, sentences)
    (5, 1, 'train', ['The LEFT dog ', 'a dog']),
    (5, 2, 'train', ['cat']),
    (6, 3, 'train', ['a dog']),
    (6, 4, 'train', ['many dogs']),
    (6, 5, 'train', ['tiny']),
    (7, 6, 'val', ['a cat']),
]


def write_refcoco(root: Path, *, name: str = 'refcoco') -> Path:
    """Images 5 (two objects), 6 (grey; a crowd, a line) and 7 (validation), pickle and JSON."""
    for image in (5, 6, 7):
        write_image(
            root / f'train2014/COCO_train2014_{image:012d}.jpg', mode='L' if image == 6 else 'RGB'
        )
    annotations = [
        dict(id=i, image_id=image, category_id=category, segmentation=code, iscrowd=crowd)
        for i, image, category, code, crowd in ANNOTATIONS
    ]
    write_json(
        root / name / 'instances.json',
        dict(
            images=[],
            annotations=annotations,
            categories=[dict(id=18, name='dog'), dict(id=17, name='cat')],
        ),
    )
    refs = [
        dict(
            image_id=image,
            ann_id=annotation,
            split=split,
            ref_id=number,
            file_name=f'COCO_train2014_{image:012d}_{annotation}.jpg',
            sentences=[
                dict(raw=text, sent=text.lower(), sent_id=10 * number + i)
                for i, text in enumerate(sentences)
            ],
        )
        for number, (image, annotation, split, sentences) in enumerate(REFS)
    ]
    # As Python 2 wrote it: protocol 0.
    (root / name / 'refs(unc).p').write_bytes(pickle.dumps(refs, protocol=0))
    write_json(root / name / f'instances_{name}_train.json', converted(annotations))
    return root


def converted(annotations: list[dict]) -> dict:
    """ReferFormer's form: an image entry and an annotation per sentence of the training part."""
    images, masks = [], []
    by_id = {annotation['id']: annotation for annotation in annotations}
    for image, annotation, split, sentences in REFS:
        for text in sentences if split == 'train' else ():
            number = len(images) + 1
            images.append(
                dict(
                    id=number,
                    file_name=f'COCO_train2014_{image:012d}.jpg',
                    original_id=image,
                    height=SIZE[0],
                    width=SIZE[1],
                    caption=text,
                )
            )
            masks.append(
                by_id[annotation] | dict(id=number, image_id=number, original_id=annotation)
            )
    return dict(images=images, annotations=masks, categories=[])
