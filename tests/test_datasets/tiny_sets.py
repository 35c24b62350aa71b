"""Writes a tiny set in the layout of Refer-YouTube-VOS."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (24, 32)  # (height, width)
VIDEOS = {
    # video: (number of frames, {object: category}, [(sentence, object)])
    'v0': (
        6,
        {'1': 'dog', '2': 'cat'},
        [('a dog on the left', '1'), ('a red cat', '2'), ('the dog', '1')],
    ),
    'v1': (3, {'1': 'train'}, [('a small train', '1')]),
    'v2': (1, {'1': 'zebra'}, [('one zebra', '1')]),
}


def write_frame(root: Path, split: str, video: str, frame: str, objects: list[str]) -> None:
    """A frame and its mask: object i is a 6x6 square at column 8 * (i - 1) + 1, row 3."""
    images, masks = (root / split / kind / video for kind in ('JPEGImages', 'Annotations'))
    images.mkdir(parents=True, exist_ok=True)
    masks.mkdir(parents=True, exist_ok=True)
    picture = np.full((*SIZE, 3), 60, np.uint8)
    ids = np.zeros(SIZE, np.uint8)
    for obj_id in map(int, objects):
        left = 8 * (obj_id - 1) + 1
        ids[3:9, left : left + 6] = obj_id
        picture[3:9, left : left + 6] = (200, 30, 80)
    Image.fromarray(picture).save(images / f'{frame}.jpg', quality=95)
    palette = Image.fromarray(ids, mode='P')
    palette.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    palette.save(masks / f'{frame}.png')


def write_set(root: Path, videos: dict = VIDEOS, *, split: str = 'train') -> Path:
    """Writes frames, masks, sentences and categories of ``videos``; returns ``root``."""
    expressions, objects = {}, {}
    for video, (length, categories, sentences) in videos.items():
        frames = [f'{5 * i:05d}' for i in range(length)]
        for frame in frames:
            write_frame(root, split, video, frame, list(categories))
        expressions[video] = dict(
            frames=frames,
            expressions={
                str(i): dict(exp=exp, obj_id=obj) for i, (exp, obj) in enumerate(sentences)
            },
        )
        objects[video] = dict(
            objects={
                obj: dict(category=category, frames=frames) for obj, category in categories.items()
            }
        )
    write_json(
        root / 'meta_expressions' / split / 'meta_expressions.json', dict(videos=expressions)
    )
    write_json(root / split / 'meta.json', dict(videos=objects))
    return root


def write_json(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding='utf-8')
    return path
