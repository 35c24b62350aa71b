"""Convert weights of published models to this package, and back."""

from r2vos_mm.utils import lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    {
        'files': [
            'ConvertedFile',
            'initial_weights',
            'model_like',
            'read_backbone',
            'read_released',
            'restore_released',
        ],
        'language_model': ['LANGUAGE_MODEL', 'roberta_config'],
        'names': ['MTTR_TABLE', 'NameTable', 'R2VOS_TABLE', 'REFERFORMER_TABLE'],
        'recognition': ['ReleasedCheckpoint', 'recognize'],
        'released': [
            'Conversion',
            'MTTR',
            'R2VOS',
            'REFERFORMER',
            'ReleasedFormat',
            'load_converted',
            'read_released_checkpoint',
            'restore_swin',
            'window_positions',
        ],
    },
)
