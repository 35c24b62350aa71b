"""Transform clips; image transforms of MMCV and MMDetection are broadcast over their frames.

A pipeline works on lists over frames::

    dict(type='TransformBroadcaster', share_random_params=True, transforms=[
        dict(type='LoadVideoFrame'), dict(type='LoadMasks'),
        dict(type='RandomFlip', prob=0.5), ...]),
    dict(type='SwapLeftRight'),
    dict(type='PackReferringInputs')

The masks of all objects are one label map per frame, ``gt_seg_map``, which image transforms crop,
flip and resize like any segmentation map; pairs find their object by its id or bit.
"""

from r2vos_mm.utils import lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    {
        'augmentation': ['ClipPhotoMetricDistortion', 'JitterFrame', 'SwapLeftRight'],
        'corruptions': ['CorruptExpressions', 'CorruptFrames'],
        'former_names': ['FORMER_NAMES'],
        'formatting': ['PackReferringInputs'],
        'loading': ['DecodeVideoFrames', 'LoadMasks', 'LoadVideoFrame', 'SubsampleSegMap'],
    },
)
