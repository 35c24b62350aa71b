"""Masks, scores and verdicts of a video, and the formats in which they are read and written."""

from r2vos_mm.utils import lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    {
        'compressed_masks': ['CompressedMasks', 'FrameMasks'],
        'exporters': ['read_veval', 'read_youtube_vis', 'save_cutouts', 'save_zip'],
        'mask_records': ['JsonLinesWriter', 'MaskRecord', 'read_coco_rle', 'write_coco_rle'],
        'video_segmentation': ['VideoSegmentation'],
    },
)
