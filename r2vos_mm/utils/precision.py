"""Choose between bfloat16 and float32 by what the device computes natively."""

from __future__ import annotations

import functools
import os
import re
import timeit
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .logging import log, warn

if TYPE_CHECKING:
    import torch

PRECISIONS = ('auto', 'bfloat16', 'float32')
OVERRIDE = 'R2VOS_NO_BF16'

# Values of ONEDNN_MAX_CPU_ISA that keep oneDNN from using the bfloat16 units of a CPU.
_ISA_WITHOUT_BFLOAT16 = r'SSE41|AVX|AVX2(_VNNI(_2)?)?|AVX512_CORE(_VNNI)?'


@dataclass(frozen=True)
class Precision:
    """A precision and why it was chosen.

    Attributes:
        name: ``'bfloat16'`` (autocast) or ``'float32'``.
        reason: one clause for logs.
        is_slow: bfloat16 was asked for on a device that only emulates it.
    """

    name: str
    reason: str
    is_slow: bool = False

    def __str__(self) -> str:
        return f'{self.name} ({self.reason})'

    def autocast(self, device: str | torch.device) -> AbstractContextManager:
        """Return a context in which a model on ``device`` runs in this precision."""
        import torch

        device_type = torch.device(device).type
        return torch.autocast(device_type, torch.bfloat16, enabled=self.name == 'bfloat16')


def native_bfloat16(device: str | torch.device) -> tuple[bool, str]:
    """Return whether ``device`` computes bfloat16 natively, and the reason.

    The environment variable ``R2VOS_NO_BF16=1`` makes the answer no everywhere. Together with
    ``ONEDNN_MAX_CPU_ISA=AVX2`` it lets a CPU with bfloat16 units imitate one without.
    """
    import torch

    device = torch.device(device)
    if os.environ.get(OVERRIDE, '0') not in ('', '0'):
        return False, f'{OVERRIDE} is set'
    if device.type == 'cuda':
        name = torch.cuda.get_device_name(device)
        native = _cuda_has_bfloat16(device)
        return native, f'{name} has {"" if native else "no "}native bfloat16'
    if device.type != 'cpu':
        return False, f'bfloat16 has not been tried on {device.type} devices'
    return _cpu_bfloat16()


def _cuda_has_bfloat16(device: torch.device) -> bool:
    import torch

    with torch.cuda.device(device):
        try:
            return torch.cuda.is_bf16_supported(including_emulation=False)
        except TypeError:  # PyTorch before 2.4 does not count emulation
            return torch.cuda.is_bf16_supported()


def _cpu_bfloat16() -> tuple[bool, str]:
    import torch

    isa = os.environ.get('ONEDNN_MAX_CPU_ISA', '').upper()
    if re.fullmatch(_ISA_WITHOUT_BFLOAT16, isa):
        return False, f'ONEDNN_MAX_CPU_ISA={isa} leaves the bfloat16 units of the CPU unused'
    if not torch.backends.mkldnn.is_available():
        return False, 'this PyTorch was built without oneDNN'
    probes = {'AMX': '_is_amx_tile_supported', 'AVX512_BF16': '_is_avx512_bf16_supported'}
    for unit, probe in probes.items():
        if getattr(torch.cpu, probe, lambda: False)():
            return True, f'the CPU has {unit}'
    return False, 'the CPU has neither AVX512_BF16 nor AMX'


def resolve_precision(
    requested: str, device: str | torch.device, *, mixed_precision: bool = True
) -> Precision:
    """Choose the precision of a run.

    Args:
        requested: ``'auto'`` takes bfloat16 where ``device`` computes it natively and
            ``mixed_precision`` holds, else float32; other values are taken as they are.
        device: where the model runs.
        mixed_precision: whether the config, or the caller, uses mixed precision.

    Raises:
        ValueError: unknown value of ``requested``.
    """
    if requested not in PRECISIONS:
        raise ValueError(f'precision {requested!r} is unknown; choose from {", ".join(PRECISIONS)}')
    if requested == 'float32':
        return Precision('float32', 'as requested')
    if requested == 'auto' and not mixed_precision:
        return Precision('float32', 'the config has no mixed precision')
    native, reason = native_bfloat16(device)
    if requested == 'auto':
        return Precision('bfloat16' if native else 'float32', reason)
    return Precision('bfloat16', f'as requested; {reason}', is_slow=not native)


@functools.lru_cache
def slowdown_of_bfloat16() -> float:
    """Measure how many times as long a bfloat16 matrix product takes on this CPU as float32."""
    import torch

    def seconds(dtype: torch.dtype) -> float:
        matrix = torch.ones(256, 256, dtype=dtype)
        return min(timeit.repeat(lambda: matrix @ matrix, number=1, repeat=4))

    return seconds(torch.bfloat16) / seconds(torch.float32)


def log_precision(precision: Precision, device: str | torch.device) -> None:
    """Log the precision, once per logger; warn if it is slow."""
    from mmengine.logging import MMLogger

    _log_once(precision, str(device), MMLogger.get_current_instance().instance_name)


@functools.lru_cache
def _log_once(precision: Precision, device: str, logger_name: str) -> None:
    log(f'Precision on {device}: {precision}')
    if precision.is_slow:
        factor = slowdown_of_bfloat16() if device == 'cpu' else 0
        cost = f'a matrix product takes {factor:.0f} times as long as in float32'
        warn(
            f'bfloat16 is slow on {device}: {cost if factor > 2 else "it is emulated"}. '
            f"Use 'auto' or 'float32'. ({precision.reason})"
        )
