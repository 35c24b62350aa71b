"""From a config and a checkpoint to masks of any video."""

from .frames import ArrayFrames, FolderFrames, FrameSource, VideoFrames, open_frames
from .inference import VideoSegmentation, init_model, segment_video

__all__ = [
    'ArrayFrames',
    'FolderFrames',
    'FrameSource',
    'VideoFrames',
    'VideoSegmentation',
    'init_model',
    'open_frames',
    'segment_video',
]
