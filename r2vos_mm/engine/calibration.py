"""Keep the calibration of a verdict in a checkpoint, and use it in a config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from r2vos_mm.utils.logging import log, warn
from r2vos_mm.utils.settings import jfr_settings

META_KEY = 'calibration'
_SETTINGS = ('temperature', 'gate_threshold')


@dataclass(frozen=True)
class Calibration:
    """Temperature and threshold of a verdict, and what they were fitted on.

    Attributes:
        temperature: of the consensus, see :mod:`r2vos_mm.evaluation.functional.calibration`.
        gate_threshold: consensus, at this temperature, from which on an object is in the video.
        verdict: ``cycle`` or ``words``, see ``test_cfg.verdict``.
        data: name of the data.
        num_positives, num_negatives: numbers of pairs.
        brier: Brier score before and after.
        calibration_error: expected calibration error before and after.
    """

    temperature: float
    gate_threshold: float
    verdict: str
    data: str = ''
    num_positives: int = 0
    num_negatives: int = 0
    brier: tuple[float, float] = (float('nan'),) * 2
    calibration_error: tuple[float, float] = (float('nan'),) * 2


def read_calibration(checkpoint: Mapping[str, Any]) -> Calibration | None:
    """Return the calibration that the content of a checkpoint holds, None if it holds none."""
    found = (checkpoint.get('meta') or {}).get(META_KEY)
    if not isinstance(found, Mapping):
        return None
    names = {field.name for field in fields(Calibration)}
    return Calibration(**{name: value for name, value in found.items() if name in names})


def add_calibration(checkpoint: Mapping[str, Any], calibration: Calibration) -> dict[str, Any]:
    """Return the content of a checkpoint with a calibration in its ``meta``."""
    meta = {**(checkpoint.get('meta') or {}), META_KEY: asdict(calibration)}
    return {**checkpoint, 'meta': meta}


def use_calibration(
    cfg: Any, calibration: Calibration, options: Mapping[str, Any], *, source: str
) -> None:
    """Set temperature and threshold of a config from a checkpoint, and log the origin, ``source``.

    What the caller set by dotted keys, ``options``, comes first. The threshold of metrics and of
    the visualizer follows.
    """
    test_cfg = cfg.model.setdefault('test_cfg', {})
    verdict = test_cfg.get('verdict', 'cycle')
    if verdict != calibration.verdict:
        warn(
            f'the calibration in {source} is of the verdict {calibration.verdict!r}, not of '
            f'{verdict!r}: it is not used'
        )
        return
    origins = []
    for name in _SETTINGS:
        key = f'model.test_cfg.{name}'
        if key in options:
            origins.append(f'{name} {test_cfg[name]:.4g} (as requested)')
            continue
        test_cfg[name] = getattr(calibration, name)
        origins.append(f'{name} {test_cfg[name]:.4g} (checkpoint)')
    log(f'Verdict: {", ".join(origins)}')
    _follow(cfg, test_cfg['gate_threshold'])


def _follow(cfg: Any, threshold: float) -> None:
    for name in ('val_evaluator', 'test_evaluator'):
        for metric in jfr_settings(cfg.get(name)):
            metric['gate_threshold'] = threshold
    visualizer = cfg.get('visualizer')
    if visualizer and 'threshold' in visualizer:
        visualizer['threshold'] = threshold
