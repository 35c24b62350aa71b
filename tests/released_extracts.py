"""A small part of the reference data that is kept with the tests.

    python tests/released_extracts.py golden tests/data/released_r2vos.pt

makes it anew from the folder of the full fixtures. Outputs and losses are kept; clips are named by
their seeds, maps inside the model and masks of earlier decoder layers are left out.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import torch
from fixture_recipe import clip
from torch import Tensor

EXTRACT = Path(__file__).parent / 'data/released_r2vos.pt'
NAMES = ('r2vos_eval', 'r2vos_train', 'neg_rank0', 'neg_rank1', 'neg_rank2')
_LEFT_OUT = ('acts', 'mask_features', 'loss_VQ')


def load_extract() -> dict[str, dict]:
    """Fixtures by name, clips made from their seeds; ``names`` are the released tensors' shapes."""
    content = torch.load(EXTRACT, weights_only=True)
    for fixture in content['fixtures'].values():
        clips = [clip(*seed_and_shape) for seed_and_shape in fixture.pop('seeds')]
        fixture |= dict(clips=clips) if 'captions' in fixture else dict(clip=clips[0])
    return content


def extract(fixture: dict) -> dict:
    """What is kept of a full fixture."""
    kept = {
        key: value for key, value in fixture.items() if key not in (*_LEFT_OUT, 'clip', 'clips')
    }
    out = {key: value for key, value in fixture['out'].items() if key not in _LEFT_OUT}
    out['aux_outputs'] = [
        {key: value for key, value in layer.items() if key != 'pred_masks'}
        for layer in out['aux_outputs']
    ]
    kept['out'] = out
    if 'targets' in kept:
        kept['targets'] = [dict(target, masks=target['masks'].bool()) for target in kept['targets']]
    clips = fixture['clips'] if 'clips' in fixture else [fixture['clip']]
    kept['seeds'] = [(_seed(x), x.shape[0], *x.shape[2:]) for x in clips]
    return kept


def released_shapes(file: Path) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors in a released checkpoint by name, from a list of its names."""
    rows = (line.split('\t') for line in file.read_text().splitlines())
    return {row[0]: tuple(map(int, re.findall(r'\d+', row[1]))) for row in rows}


def _seed(expected: Tensor) -> int:
    frames, _, height, width = expected.shape
    return next(
        seed for seed in range(1000) if torch.equal(clip(seed, frames, height, width), expected)
    )


def main(folder: Path, target: Path) -> None:
    """Write the extract of a folder of full fixtures."""
    fixtures = {
        name: extract(torch.load(folder / f'{name}.pt', weights_only=True)) for name in NAMES
    }
    names = released_shapes(folder / 'r2vos_r50_released.names.txt')
    torch.save(dict(fixtures=fixtures, names=names), target)


if __name__ == '__main__':
    main(*map(Path, sys.argv[1:]))
