"""Weights of published models under the names of this package, and back."""

from .name_tables import NameTable, Rule
from .released_format import ReleasedConversion, ReleasedFormat, read_released_checkpoint
from .released_mttr import MTTR_TABLE, from_mttr, to_mttr
from .released_r2vos import RELEASED_TABLE, from_released, to_released
from .released_referformer import REFERFORMER_TABLE, from_referformer, to_referformer
from .skeletons import load_converted, model_like

__all__ = [
    'MTTR_TABLE',
    'NameTable',
    'REFERFORMER_TABLE',
    'RELEASED_TABLE',
    'ReleasedConversion',
    'ReleasedFormat',
    'Rule',
    'from_mttr',
    'from_referformer',
    'from_released',
    'load_converted',
    'model_like',
    'read_released_checkpoint',
    'to_mttr',
    'to_referformer',
    'to_released',
]
