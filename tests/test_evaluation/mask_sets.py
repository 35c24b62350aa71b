"""Small sets of masks on disk with known figures."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

FRAMES = ['00000', '00005']
LEFT, RIGHT, EMPTY = np.zeros((3, 20, 50), dtype=np.uint8)
LEFT[2:12, 2:12] = 1
RIGHT[2:12, 30:40] = 1
HALF = LEFT.copy()
HALF[7:] = 0


def save(path: Path, mask: np.ndarray, mode: str = 'L') -> None:
    """Write a mask as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask).convert(mode).save(path)


def write_truth(root: Path) -> None:
    """Videos ``a`` (objects 1 and 2 in both frames) and ``b`` (object 1 in the second frame)."""
    for frame in FRAMES:
        save(root / 'Annotations' / 'a' / f'{frame}.png', LEFT + 2 * RIGHT)
    save(root / 'Annotations' / 'b' / '00000.png', EMPTY)
    save(root / 'Annotations' / 'b' / '00005.png', LEFT)
    expressions = {
        'a': {'0': {'exp': 'left', 'obj_id': '1'}, '1': {'exp': 'right', 'obj_id': '2'}},
        'b': {'0': {'exp': 'late', 'obj_id': '1'}},
    }
    videos = {
        video: {'expressions': entries, 'frames': FRAMES} for video, entries in expressions.items()
    }
    (root / 'meta_expressions.json').write_text(json.dumps({'videos': videos}))


PREDICTIONS = {
    # J: a/0 (1 + .5) / 2, a/1 (1 + 0) / 2, b/0 (1 + 1) / 2
    'a/0': [LEFT, HALF],
    'a/1': [RIGHT, EMPTY],
    'b/0': [EMPTY, LEFT],
}
MEAN_J = 100 * (0.75 + 0.5 + 1) / 3


def write_predictions(root: Path) -> Path:
    """The predictions as PNGs of 0 and 255."""
    for folder, masks in PREDICTIONS.items():
        for frame, mask in zip(FRAMES, masks):
            save(root / folder / f'{frame}.png', 255 * mask)
    return root


def write_zip(path: Path, *, top: str = '') -> Path:
    """The predictions as a zip, under ``top``."""
    folder = write_predictions(path.with_suffix('.d'))
    with zipfile.ZipFile(path, 'w') as archive:
        for file in sorted(folder.rglob('*.png')):
            archive.write(file, f'{top}{file.relative_to(folder)}')
    return path


def code(mask: np.ndarray) -> dict:
    """Run-length code of a mask, for JSON."""
    encoded = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {'size': encoded['size'], 'counts': encoded['counts'].decode()}


def write_codes(path: Path) -> Path:
    """The predictions as run-length codes: lists, a mapping, and null for an empty mask."""
    content: dict = {}
    for folder, masks in PREDICTIONS.items():
        video, expression = folder.split('/')
        codes = [code(mask) if mask.any() else None for mask in masks]
        content.setdefault(video, {})[expression] = codes
    content['a']['0'] = dict(zip(FRAMES, content['a']['0']))
    path.write_text(json.dumps(content))
    return path
