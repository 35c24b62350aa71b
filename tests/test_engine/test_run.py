"""Checks of a config before anything of it is built."""

import logging
from types import SimpleNamespace

import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from r2vos_mm.engine import run
from r2vos_mm.utils.cli import UsageError
from r2vos_mm.utils.weights import WeightsError


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[Config]:
    """Configs of the Runners that would have been built."""
    configs: list[Config] = []
    runner = SimpleNamespace(logger=logging.getLogger())
    monkeypatch.setattr(Runner, 'from_cfg', lambda cfg: configs.append(cfg) or runner)
    return configs


@pytest.mark.parametrize(
    ('setting', 'options'),
    [(True, {}), (dict(backend='eager'), dict(backend='eager')), (False, None), (None, None)],
)
def test_compile_compiles_evaluation(
    monkeypatch: pytest.MonkeyPatch, setting: object, options: dict | None
) -> None:
    """MMEngine alone would compile training steps."""
    compiled = []
    model = SimpleNamespace(compile_evaluation=lambda **given: compiled.append(given))
    cfg = Config(dict(compile=setting))
    runner = SimpleNamespace(model=model, cfg=cfg.copy(), logger=logging.getLogger())
    monkeypatch.setattr(Runner, 'from_cfg', lambda cfg: runner)
    run.build_runner(cfg, training=False)
    assert compiled == ([] if options is None else [options])
    assert not runner.cfg.compile


def test_compile_takes_arguments_of_pytorch(built: list[Config]) -> None:
    with pytest.raises(UsageError, match="compile='inductor': set True, or a dict"):
        run.build_runner(Config(dict(compile='inductor')), training=False)
    assert not built


def test_missing_weights_are_found_before_the_model_is_built(built: list[Config]) -> None:
    weights = dict(type='Pretrained', checkpoint='swin.pth')
    cfg = Config(dict(model=dict(backbone=dict(init_cfg=weights))))
    with pytest.raises(WeightsError, match='Weights swin.pth of model.backbone.init_cfg'):
        run.build_runner(cfg, training=True)
    assert not built
    run.build_runner(cfg, training=False)  # a test reads all weights from its checkpoint
    assert len(built) == 1


def test_load_from_must_exist(built: list[Config]) -> None:
    message = r'--cfg-options load_from=None starts without it\): gone.pth does not exist'
    with pytest.raises(UsageError, match=message):
        run.build_runner(Config(dict(load_from='gone.pth')), training=True)


def test_fp16_of_older_configs_is_understood(built: list[Config]) -> None:
    cfg = Config(dict(val_cfg=dict(fp16=True), test_cfg=dict(type='TestLoop', fp16=False)))
    run.build_runner(cfg, training=False)
    assert cfg.val_cfg == dict(type='AutocastValLoop', fp16=True)
    assert cfg.test_cfg == dict(type='TestLoop', fp16=False)
