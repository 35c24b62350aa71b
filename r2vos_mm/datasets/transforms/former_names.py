"""Register transforms under their former names, for configs that still use them."""

from typing import Any

from mmcv.transforms import BaseTransform

from r2vos_mm.registry import TRANSFORMS
from r2vos_mm.utils.logging import warn

from .corruptions import CorruptExpressions
from .formatting import PackReferringInputs
from .loading import LoadMasks, SubsampleSegMap

FORMER_NAMES = {
    'CorruptSentences': CorruptExpressions,
    'LoadObjectMask': LoadMasks,
    'LoadTargetMasks': LoadMasks,
    'PackTargetInputs': PackReferringInputs,
    'ThinSegMap': SubsampleSegMap,
}


def _register(name: str, transform: type[BaseTransform]) -> None:
    def build(**kwargs: Any) -> BaseTransform:
        warn(f'The transform {name} is now {transform.__name__}: rename it in the config')
        return transform(**kwargs)

    TRANSFORMS.register_module(name=name, module=build)


for _name, _transform in FORMER_NAMES.items():
    _register(_name, _transform)
