"""The choice of a precision, for devices of either kind."""

import logging

import pytest
import torch
from mmengine.logging import MMLogger

from r2vos_mm.utils import precision
from r2vos_mm.utils.precision import Precision, native_bfloat16, resolve_precision


@pytest.fixture
def cpu(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """Units of the CPU, to be changed by a test; no variable of the environment is set."""
    units = {'_is_amx_tile_supported': False, '_is_avx512_bf16_supported': False}
    for name in units:
        monkeypatch.setattr(torch.cpu, name, lambda name=name: units[name], raising=False)
    monkeypatch.setattr(torch.backends.mkldnn, 'is_available', lambda: True)
    for variable in ('ONEDNN_MAX_CPU_ISA', precision.OVERRIDE):
        monkeypatch.delenv(variable, raising=False)
    return units


@pytest.mark.parametrize('unit', ['_is_amx_tile_supported', '_is_avx512_bf16_supported'])
def test_a_cpu_with_either_unit_takes_bfloat16(cpu: dict[str, bool], unit: str) -> None:
    cpu[unit] = True
    assert native_bfloat16('cpu')[0]
    assert resolve_precision('auto', 'cpu').name == 'bfloat16'
    assert resolve_precision('auto', 'cpu', mixed_precision=False).name == 'float32'


def test_a_cpu_without_units_takes_float32(cpu: dict[str, bool]) -> None:
    chosen = resolve_precision('auto', 'cpu')
    assert str(chosen) == 'float32 (the CPU has neither AVX512_BF16 nor AMX)'
    assert resolve_precision('bfloat16', 'cpu').is_slow


def test_a_torch_without_probes_takes_float32(
    cpu: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in cpu:
        monkeypatch.delattr(torch.cpu, name)
    assert not native_bfloat16('cpu')[0]


@pytest.mark.parametrize(
    ('variable', 'value', 'native'),
    [
        ('R2VOS_NO_BF16', '1', False),
        ('R2VOS_NO_BF16', '0', True),
        ('ONEDNN_MAX_CPU_ISA', 'avx2', False),
        ('ONEDNN_MAX_CPU_ISA', 'AVX512_CORE_VNNI', False),
        ('ONEDNN_MAX_CPU_ISA', 'AVX512_CORE_BF16', True),
        ('ONEDNN_MAX_CPU_ISA', 'DEFAULT', True),
    ],
)
def test_the_environment_can_hide_the_units(
    cpu: dict[str, bool],
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    native: bool,
) -> None:
    cpu['_is_amx_tile_supported'] = True
    monkeypatch.setenv(variable, value)
    found, reason = native_bfloat16('cpu')
    assert found is native
    assert native or variable in reason


@pytest.mark.parametrize('native', [True, False])
def test_gpus_are_asked_without_emulation(
    cpu: dict[str, bool], monkeypatch: pytest.MonkeyPatch, native: bool
) -> None:
    monkeypatch.setattr(precision, '_cuda_has_bfloat16', lambda device: native)
    monkeypatch.setattr(torch.cuda, 'get_device_name', lambda device: 'Some GPU')
    chosen = resolve_precision('auto', 'cuda:1')
    assert chosen.name == ('bfloat16' if native else 'float32')
    assert chosen.reason == f'Some GPU has {"" if native else "no "}native bfloat16'


def test_requests_are_taken_as_they_are(cpu: dict[str, bool]) -> None:
    cpu['_is_amx_tile_supported'] = True
    assert resolve_precision('float32', 'cpu') == Precision('float32', 'as requested')
    chosen = resolve_precision('bfloat16', 'cpu', mixed_precision=False)
    assert (chosen.name, chosen.is_slow) == ('bfloat16', False)
    with pytest.raises(ValueError, match="'float16' is unknown; choose from auto, bfloat16"):
        resolve_precision('float16', 'cpu')


@pytest.mark.parametrize('name', ['bfloat16', 'float32'])
def test_autocast(name: str) -> None:
    with Precision(name, '').autocast('cpu'):
        assert torch.nn.Linear(1, 1)(torch.ones(1, 1)).dtype == getattr(torch, name)


def test_slow_precision_is_logged_once_with_its_cost(
    cpu: dict[str, bool], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(precision, 'slowdown_of_bfloat16', lambda: 109.2)
    precision._log_once.cache_clear()
    messages: list[tuple[int, str]] = []
    monkeypatch.setattr(
        MMLogger, 'log', lambda self, level, message, *args: messages.append((level, message))
    )
    for _ in range(2):
        precision.log_precision(resolve_precision('bfloat16', 'cpu'), 'cpu')
    precision._log_once.cache_clear()
    assert [level for level, _ in messages] == [logging.INFO, logging.WARNING]
    assert messages[0][1].startswith('Precision on cpu: bfloat16 (as requested')
    assert 'a matrix product takes 109 times as long as in float32' in messages[1][1]


def test_the_cost_is_a_number() -> None:
    assert precision.slowdown_of_bfloat16() > 0
