"""The model: one segmentor and the parts that configs put into it."""

from r2vos_mm.utils import lazy

from . import backbones, heads, losses, necks, task_modules, text_encoders  # noqa: F401
from .data_preprocessor import ReferringDataPreprocessor
from .segmentors import ReferringVideoSegmentor

lazy.load_all(f'{__name__}.layers')  # registers them

__all__ = ['ReferringDataPreprocessor', 'ReferringVideoSegmentor']
