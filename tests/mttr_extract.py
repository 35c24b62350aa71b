"""A small part of MTTR's reference data that is kept with the tests.

    python tests/mttr_extract.py golden tests/data/released_mttr.pt

makes it anew from the folder of the full fixtures. Outputs, matches, losses and norms of gradients
are kept, of the last layer's mask logits every 97th value; clips are named by their seeds.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from fixture_recipe import clip
from released_extracts import released_shapes
from torch import Tensor

EXTRACT = Path(__file__).parent / 'data/released_mttr.pt'
NAMES = ('mttr_eval_div32', 'mttr_train_b2_padded')
_KEPT = (
    'caption',
    'captions',
    'slot',
    'orig_size',
    'valid_indices',
    'matched_per_layer',
    'losses',
    'weights',
    'total',
    'grad_norms',
)


def load_extract() -> dict[str, dict]:
    """Fixtures by name, clips made from their seeds; ``names`` are the released tensors' shapes."""
    content = torch.load(EXTRACT, weights_only=True)
    for fixture in content['fixtures'].values():
        clips = [clip(*seed_and_shape) for seed_and_shape in fixture.pop('seeds')]
        fixture |= dict(clips=clips) if 'captions' in fixture else dict(clip=clips[0])
    return content


def extract(fixture: dict) -> dict:
    """What is kept of a full fixture: no masks of earlier layers and nothing from inside."""
    kept = {key: fixture[key] for key in _KEPT if key in fixture}
    out = fixture['out']
    kept['out'] = dict(
        pred_is_referred=out['pred_is_referred'],
        mask_sample=mask_sample(out['pred_masks'].transpose(0, 1)),
        aux_outputs=[dict(pred_is_referred=x['pred_is_referred']) for x in out['aux_outputs']],
    )
    if 'post_masks' in fixture:
        kept['post_masks'] = fixture['post_masks'].bool()
    if 'targets' in fixture:
        kept['targets'] = fixture['targets']
    clips = fixture['clips'] if 'clips' in fixture else [fixture['clip']]
    kept['seeds'] = [(_seed(x), x.shape[0], *x.shape[2:]) for x in clips]
    return kept


def mask_sample(masks: Tensor) -> Tensor:
    """Some values of mask logits (P, T, N, h, w): every 97th, in order."""
    return masks.flatten()[::97].clone()


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
    names = released_shapes(folder / 'mttr_video_swin_t.names.txt')
    torch.save(dict(fixtures=fixtures, names=names), target)


if __name__ == '__main__':
    main(*map(Path, sys.argv[1:]))
