"""RefShapes, the embedded data set: moving textured shapes and sentences that are proven true.

Generated from a seed in the layout of Refer-YouTube-VOS; see docs/refshapes.md.
"""

from .facts import Facts, Observation, establish, observe
from .grammar import Phrase, Sentence, is_absent, judge, names_only
from .scene import Expression, Scene, SceneParams, build_scene
from .world import ShapeObject, World, draw_world
from .writer import RefShapesSummary, make_refshapes

__all__ = [
    'Expression',
    'Facts',
    'Observation',
    'Phrase',
    'RefShapesSummary',
    'Scene',
    'SceneParams',
    'Sentence',
    'ShapeObject',
    'World',
    'build_scene',
    'draw_world',
    'establish',
    'is_absent',
    'judge',
    'make_refshapes',
    'names_only',
    'observe',
]
