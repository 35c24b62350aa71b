"""Generate RefShapes, a synthetic data set of moving shapes and expressions verified to be true.

The files have the layout of Refer-YouTube-VOS; see docs/refshapes.md.
"""

from r2vos_mm.utils import lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    {
        'facts': ['Facts', 'Observation', 'establish'],
        'sentences': ['Phrase', 'Sentence', 'is_absent', 'judge', 'names_only'],
        'scene': ['Scene', 'SceneParams', 'build_scene'],
        'writer': ['RefShapesSummary', 'make_refshapes'],
    },
)
