"""Helpers of the segmentor: pairs and targets of a batch, windows of a video, post-processing."""

from .channels import check_channels, check_negatives, check_word_maps, out_channels
from .collected_video import CollectedVideo, read_window
from .evidence import Evidence
from .pairs import PairBatch, annotated_frames, collect_targets, padding_mask
from .postprocess import PredictConfig, choose_queries, join_frames, place_in_time
from .pretrained import PretrainedMixin, is_pretrained, load_pretrained, restored_config
from .tensor_spool import TensorSpool
from .windows import VideoPredictions, Window, WindowFeatures, cut_windows, split_windows

__all__ = [
    'CollectedVideo',
    'Evidence',
    'PairBatch',
    'PredictConfig',
    'PretrainedMixin',
    'TensorSpool',
    'VideoPredictions',
    'Window',
    'WindowFeatures',
    'annotated_frames',
    'check_channels',
    'check_negatives',
    'check_word_maps',
    'choose_queries',
    'collect_targets',
    'cut_windows',
    'is_pretrained',
    'join_frames',
    'load_pretrained',
    'out_channels',
    'padding_mask',
    'place_in_time',
    'read_window',
    'restored_config',
    'split_windows',
]
