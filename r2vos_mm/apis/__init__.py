"""Segment videos with a model, and export, collect and score masks."""

from r2vos_mm.utils import lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    {
        'r2vos_mm.datasets.io.frames': [
            'ArrayFrames',
            'FolderFrames',
            'FrameSource',
            'FrameStream',
            'VideoFrames',
        ],
        'r2vos_mm.datasets.io.sources': [
            'open_frames',
            'open_source',
            'open_sources',
            'open_stream',
        ],
        'collection.ray_data': ['BatchLabeller'],
        'collection.run': ['label_collection'],
        'results.compressed_masks': ['CompressedMasks'],
        'results.exporters': ['read_veval', 'read_youtube_vis'],
        'inference': ['segment_video'],
        'inferencer': ['R2VOSInferencer'],
        'results.mask_records': [
            'JsonLinesWriter',
            'MaskRecord',
            'read_coco_rle',
            'write_coco_rle',
        ],
        'model_loading': ['init_model'],
        'opened_video': ['OpenedVideo', 'open_video'],
        'results.video_segmentation': ['VideoSegmentation'],
        'streaming.writer': ['StreamWriter'],
        'streaming.stream': ['StreamPart', 'stream_video'],
    },
)
