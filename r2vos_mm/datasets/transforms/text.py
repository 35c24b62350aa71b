"""Swap left and right in the sentences of mirrored clips."""

import re
from dataclasses import replace

from mmcv.transforms import BaseTransform

from r2vos_mm.registry import TRANSFORMS

_OPPOSITE = dict(left='right', right='left')
# 'left', 'right', 'leftmost', 'rightwards', but not 'bright' or 'copyright'.
_SIDE = re.compile(r'\b(left|right)(?=(?:wards?|most)?\b)')


def swap_left_right(sentence: str) -> str:
    """Return the sentence that is true of the mirrored video.

    >>> swap_left_right('the left dog runs rightwards, to the right')
    'the right dog runs leftwards, to the left'
    >>> swap_left_right('a bright, upright sign')
    'a bright, upright sign'
    """
    return _SIDE.sub(lambda match: _OPPOSITE[match[1]], sentence)


@TRANSFORMS.register_module()
class SwapLeftRight(BaseTransform):
    """Swap left and right in all sentences of a clip that was flipped horizontally.

    Negative sentences are swapped, too: they stay false.

    Required keys: ``clip``; ``flip`` and ``flip_direction`` if a flip took place (lists over the
    frames). Modified keys: ``clip``.
    """

    def transform(self, results: dict) -> dict:
        """Swap if the frames are mirrored."""
        if not any(results.get('flip', ())) or results['flip_direction'][0] == 'vertical':
            return results
        clip = results['clip'][0]
        pairs = tuple(replace(pair, sentence=swap_left_right(pair.sentence)) for pair in clip.pairs)
        results['clip'] = [replace(clip, pairs=pairs)] * len(results['clip'])
        return results
