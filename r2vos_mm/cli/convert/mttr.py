"""Convert checkpoints of the public MTTR code to this package, and back.

    r2vos convert mttr from-released mttr_video-swin-t_released released.pth.tar mttr.pth
    r2vos convert mttr to-released mttr_video-swin-t_released mttr.pth released.pth.tar

Every tensor is converted in both directions: tensors that are unexpected, missing or of another
shape stop the conversion. Files are loaded without executing code.
"""

from functools import partial

from .conversion import add_released as add_arguments
from .conversion import run_released

__all__ = ['add_arguments', 'run']

run = partial(run_released, 'MTTR')
