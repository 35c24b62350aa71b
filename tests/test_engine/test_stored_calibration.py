"""Where temperature and threshold of a verdict come from."""

import pytest
from mmengine.config import Config

from r2vos_mm.engine.calibration import (
    Calibration,
    add_calibration,
    read_calibration,
    use_calibration,
)

FOUND = Calibration(temperature=2.0, gate_threshold=0.4, verdict='cycle', brier=(0.3, 0.2))


def config(**test_cfg: object) -> Config:
    metric = dict(type='JFRMetric', gate_threshold=0.5)
    return Config(
        dict(
            model=dict(test_cfg=dict(gate_threshold=0.5, **test_cfg)),
            test_evaluator=[metric],
            val_evaluator=dict(metric),
            visualizer=dict(threshold=0.5),
        )
    )


def test_checkpoint_precedes_config() -> None:
    cfg = config(temperature=3.0)
    use_calibration(cfg, FOUND, {}, source='a.pth')
    assert (cfg.model.test_cfg.temperature, cfg.model.test_cfg.gate_threshold) == (2.0, 0.4)
    assert cfg.test_evaluator[0].gate_threshold == 0.4
    assert cfg.val_evaluator.gate_threshold == 0.4
    assert cfg.visualizer.threshold == 0.4


def test_options_precede_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each by itself; what is used is logged with its origin."""
    told: list[str] = []
    monkeypatch.setattr('r2vos_mm.engine.calibration.log', told.append)
    cfg = config()
    cfg.merge_from_dict(options := {'model.test_cfg.gate_threshold': 0.7})
    use_calibration(cfg, FOUND, options, source='a.pth')
    assert (cfg.model.test_cfg.temperature, cfg.model.test_cfg.gate_threshold) == (2.0, 0.7)
    assert cfg.visualizer.threshold == 0.7
    assert told == ['Verdict: temperature 2 (checkpoint), gate_threshold 0.7 (as requested)']


def test_another_verdict_is_left_alone() -> None:
    cfg = config(verdict='words')
    use_calibration(cfg, FOUND, {}, source='a.pth')
    assert cfg.model.test_cfg == dict(gate_threshold=0.5, verdict='words')
    assert cfg.visualizer.threshold == 0.5


def test_round_trip() -> None:
    content = add_calibration(dict(state_dict={}, meta=dict(iter=3)), FOUND)
    assert content['meta']['iter'] == 3
    assert read_calibration(content) == FOUND
    assert read_calibration(dict(state_dict={})) is None
    # A later version may add fields.
    content['meta']['calibration']['new'] = 1
    assert read_calibration(content) == FOUND
