r"""Convert checkpoints of the public ReferFormer code to this package, and back.

    r2vos convert referformer from-released referformer_r50_released released.pth ours.pth
    r2vos convert referformer to-released referformer_r50_released ours.pth released.pth
    r2vos convert referformer from-released --leave-out mask_head.score_branches \
        referformer_r50_released pretrained.pth initial.pth

Every tensor is converted in both directions: tensors that are unexpected, missing or of another
shape stop the conversion. The third command writes initial weights (``load_from``) for training on
Refer-YouTube-VOS without the score heads, as in the released code. Files are loaded without
executing code.
"""

from functools import partial

from .conversion import add_released as add_arguments
from .conversion import run_released

__all__ = ['add_arguments', 'run']

run = partial(run_released, 'REFERFORMER')
