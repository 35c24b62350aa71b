"""Helpers of the segmentor: pairs and targets of a batch, windows of a video, post-processing."""

from .channels import check_channels, check_word_maps, out_channels
from .collected_video import CollectedVideo, read_window
from .evidence import Evidence
from .pairs import PairBatch, annotated_frames, collect_targets, padding_mask
from .postprocess import PredictConfig, choose_queries, join_frames, place_in_time
from .tensor_spool import TensorSpool
from .windows import VideoPredictions, Window, WindowFeatures, cut_windows, split_windows

__all__ = [
    'CollectedVideo',
    'Evidence',
    'PairBatch',
    'PredictConfig',
    'TensorSpool',
    'VideoPredictions',
    'Window',
    'WindowFeatures',
    'annotated_frames',
    'check_channels',
    'check_word_maps',
    'choose_queries',
    'collect_targets',
    'cut_windows',
    'join_frames',
    'out_channels',
    'padding_mask',
    'place_in_time',
    'read_window',
    'split_windows',
]
