"""Helpers of the segmentor: pairs and targets of a batch, windows of a video, post-processing."""

from r2vos_mm.utils import lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    {
        'channels': ['check_channels', 'check_negatives', 'check_word_maps', 'out_channels'],
        'collected_video': ['CollectedVideo', 'read_window'],
        'evidence': ['Evidence'],
        'pairs': ['PairBatch', 'annotated_frames', 'collect_targets', 'padding_mask'],
        'postprocess': ['PredictConfig', 'place_in_time'],
        'pretrained': ['PretrainedMixin', 'is_pretrained', 'load_pretrained', 'restored_config'],
        'tensor_spool': ['TensorSpool'],
        'windows': ['VideoPredictions', 'Window', 'WindowFeatures', 'cut_windows', 'split_windows'],
    },
)
