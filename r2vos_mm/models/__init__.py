"""The model: one segmentor and the parts that configs put into it."""

from . import backbones, heads, layers, losses, necks, task_modules, text_encoders  # noqa: F401
from .data_preprocessor import ReferringDataPreprocessor
from .segmentors import ReferringVideoSegmentor

__all__ = ['ReferringDataPreprocessor', 'ReferringVideoSegmentor']
