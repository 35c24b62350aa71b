"""Turns official downloads into the layouts that the data sets read."""

from .parts import PARTS, Part
from .unpack import Limits, PrepareReport, prepare

__all__ = ['PARTS', 'Limits', 'Part', 'PrepareReport', 'prepare']
