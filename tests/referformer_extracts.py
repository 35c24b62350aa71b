"""A small part of ReferFormer's reference data that is kept with the tests.

    python tests/referformer_extracts.py golden tests/data/released_referformer.pt

makes it anew from the folder of the full fixtures. ``released_extracts.py`` says what is kept;
masks at the size of the files are left out, too.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from fixture_recipe import clip
from released_extracts import extract, released_shapes

EXTRACT = Path(__file__).parent / 'data/released_referformer.pt'
NAMES = ('rf_r50_eval_div32', 'rf_r50_train_b3_padded')


def load_extract() -> dict[str, dict]:
    """Fixtures by name, clips made from their seeds; ``names`` are the released tensors' shapes."""
    content = torch.load(EXTRACT, weights_only=True)
    for fixture in content['fixtures'].values():
        clips = [clip(*seed_and_shape) for seed_and_shape in fixture.pop('seeds')]
        fixture |= dict(clips=clips) if 'captions' in fixture else dict(clip=clips[0])
    return content


def extract_referformer(fixture: dict) -> dict:
    """What is kept of a full fixture."""
    return {key: value for key, value in extract(fixture).items() if key != 'ytvos_masks'}


def main(folder: Path, target: Path) -> None:
    """Write the extract of a folder of full fixtures."""
    fixtures = {
        name: extract_referformer(torch.load(folder / f'{name}.pt', weights_only=True))
        for name in NAMES
    }
    names = released_shapes(folder / 'rf_resnet50.names.txt')
    torch.save(dict(fixtures=fixtures, names=names), target)


if __name__ == '__main__':
    main(*map(Path, sys.argv[1:]))
