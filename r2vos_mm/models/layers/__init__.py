"""Building blocks of the model, combined by configs."""

from r2vos_mm.utils import lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    {
        'attention': ['MultiheadAttention'],
        'clip_blocks': ['DualCrossAttention', 'VisionLanguageBlock'],
        'detr_layers': [
            'DeformableDetrTransformerDecoder',
            'DeformableDetrTransformerEncoder',
            'DetrDecoderWithoutAttentionWeights',
            'DetrEncoderWithoutAttentionWeights',
        ],
        'dynamic_filter': [
            'BatchWordPooling',
            'DynamicFilter',
            'pool_words',
        ],
        'early_grounding': ['CrossModalGrounding', 'EarlyGrounding'],
        'fusion': ['MultimodalFusion'],
        'positions': ['FramewisePositionalEncoding', 'SinePositionalEncoding3D', 'word_positions'],
        'pyramids': ['CrossModalPyramid', 'SpatialDecoder', 'TopDownPyramid'],
        'temporal_mixing': ['TemporalMixing'],
        'word_maps': ['WordMapProjection', 'WordMaps'],
    },
)
