"""Weights of published models under the names of this package, and back."""
from .name_tables import NameTable, Rule
from .released_r2vos import (
    RELEASED_TABLE,
    ReleasedConversion,
    from_released,
    read_released_checkpoint,
    to_released,
)
from .skeletons import load_converted, model_like

__all__ = [
    'NameTable', 'RELEASED_TABLE', 'ReleasedConversion', 'Rule', 'from_released', 'load_converted',
    'model_like', 'read_released_checkpoint', 'to_released']
