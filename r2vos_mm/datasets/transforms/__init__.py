"""Transforms of clips; image transforms of MMCV and MMDetection do the rest, broadcast.

A pipeline works on lists over frames::

    dict(type='TransformBroadcaster', share_random_params=True, transforms=[
        dict(type='LoadVideoFrame'), dict(type='LoadObjectMask'),
        dict(type='RandomFlip', prob=0.5), ...]),
    dict(type='SwapLeftRight'),
    dict(type='PackReferringInputs')

The masks of all objects travel as one map of object ids per frame, ``gt_seg_map``: the image
transforms crop, flip and resize it like any segmentation map, and none of them can drop or
reorder an object, since pairs find their object by its id.
"""

from .corruptions import CorruptFrames, CorruptSentences
from .formatting import PackReferringInputs
from .loading import LoadObjectMask, LoadVideoFrame
from .photometric import ClipPhotoMetricDistortion
from .pseudo_clip import JitterFrame
from .seg_map import ThinSegMap
from .text import SwapLeftRight

__all__ = [
    'ClipPhotoMetricDistortion',
    'CorruptFrames',
    'CorruptSentences',
    'JitterFrame',
    'LoadObjectMask',
    'LoadVideoFrame',
    'PackReferringInputs',
    'SwapLeftRight',
    'ThinSegMap',
]
