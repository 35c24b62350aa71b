"""Train in mixed precision with bfloat16."""

from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.optim import OptimWrapper
from torch import nn

from r2vos_mm.registry import OPTIM_WRAPPERS
from r2vos_mm.utils.logging import log, warn
from r2vos_mm.utils.precision import PRECISIONS, log_precision, resolve_precision


@OPTIM_WRAPPERS.register_module()
class AutocastOptimWrapper(OptimWrapper):
    """Optimizer wrapper for mixed precision with bfloat16, on CPUs as on GPUs.

    MMEngine's ``AmpOptimWrapper`` requires a GPU, because it scales losses as float16 needs.
    bfloat16 has the exponent range of float32 and needs no scaling, so the forward pass runs under
    autocast and nothing else changes; accumulation and clipping are those of ``OptimWrapper``.

    Args:
        dtype: ``'auto'`` takes bfloat16 where the device of the weights computes it natively, else
            float32; ``'bfloat16'`` and ``'float32'`` are taken as they are.
        **kwargs: Arguments of ``mmengine.optim.OptimWrapper``.

    Attributes:
        precision: what ``dtype`` resolved to.

    Raises:
        ValueError: for another ``dtype``.
    """

    def __init__(self, *, dtype: str = 'auto', **kwargs: object) -> None:
        if dtype not in PRECISIONS:
            raise ValueError(
                f'AutocastOptimWrapper: dtype must be one of {PRECISIONS}, got {dtype!r}; '
                'float16 needs loss scaling: use AmpOptimWrapper (GPU only)'
            )
        super().__init__(**kwargs)
        self.dtype = dtype
        self.device = self.optimizer.param_groups[0]['params'][0].device
        self._set_precision(dtype)

    def _set_precision(self, requested: str) -> None:
        self.precision = resolve_precision(requested, self.device)
        log_precision(self.precision, self.device.type)

    def keep_precision(self, saved: str) -> None:
        """Continue in the precision of a checkpoint, unless ``dtype`` names another one."""
        if saved == self.precision.name:
            return
        if self.dtype == 'auto':
            log(f'The checkpoint was trained in {saved}, which is kept')
            self._set_precision(saved)
        else:
            warn(f'The checkpoint was trained in {saved}; the config asks for {self.dtype}')

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Autocast for the forward pass of one iteration of ``model``."""
        with super().optim_context(model), self.precision.autocast(self.device):
            yield
