"""Datasets of clips and pairs, their transforms, samplers and negative pairs."""

from r2vos_mm.utils import lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    {
        'benchmarks.a2d_sentences_dataset': ['A2DSentencesDataset'],
        'base_referring_dataset': ['BaseReferringDataset'],
        'instance_clips_dataset': ['InstanceClipsDataset'],
        'frame_sampling': ['sample_frame_indices'],
        'benchmarks.jhmdb_sentences_dataset': ['JHMDBSentencesDataset'],
        'benchmarks.long_rvos_dataset': ['LongRVOSDataset'],
        'benchmarks.mevis_dataset': ['MeViSDataset', 'RefSAVDataset'],
        'negatives': ['PairsFileNegatives', 'TrainNegatives'],
        'benchmarks.r2vos_dataset': ['R2VOSDataset'],
        'r2vos_mm.utils.data_issues': ['DataFileError'],
        'r2vos_mm.utils.formats.expressions': ['normalize_text'],
        'records': ['Clip', 'Expression', 'Pair', 'VideoRecord'],
        'benchmarks.ref_davis_dataset': ['RefDAVIS17Dataset'],
        'benchmarks.refcoco_dataset': ['GRefCOCODataset', 'RefCOCODataset'],
        'refshapes_frames': ['RefShapesFrames'],
        'samplers': ['ClipSampler', 'EpochClipSampler', 'EpochIndex'],
        'benchmarks.veval_dataset': ['VEvalDataset'],
        'benchmarks.yourvos_dataset': ['YoURVOSDataset'],
        'transforms': [
            'ClipPhotoMetricDistortion',
            'DecodeVideoFrames',
            'JitterFrame',
            'LoadMasks',
            'LoadVideoFrame',
            'PackReferringInputs',
            'SubsampleSegMap',
            'SwapLeftRight',
        ],
    },
)
