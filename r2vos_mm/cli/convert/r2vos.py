"""Convert checkpoints of the public R2-VOS code to this package, and back.

    r2vos convert r2vos from-released r2vos_r50_released released.pth r2vos_r50.pth
    r2vos convert r2vos to-released r2vos_r50_released r2vos_r50.pth released.pth

Every tensor is converted in both directions: tensors that are unexpected, missing or of another
shape stop the conversion. A frozen language model is not part of training checkpoints; when
converting back, it is loaded from the source that the config names. Files are loaded without
executing code.
"""

from functools import partial

from .conversion import add_released as add_arguments
from .conversion import run_released

__all__ = ['add_arguments', 'run']

run = partial(run_released, 'R2VOS')
