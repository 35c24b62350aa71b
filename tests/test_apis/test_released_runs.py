"""Trainings, tests and calibrations start from released checkpoints as they are."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from released_toys import released_weights, small_config, write_released
from tokenizers_of_bytes import SIZE, write_byte_tokenizer

from r2vos_mm.apis import init_model
from r2vos_mm.apis.released_runs import build_released_runner
from r2vos_mm.cli.calibrate import store
from r2vos_mm.engine.calibration import Calibration
from r2vos_mm.utils.state_dict import CheckpointMismatchError, tensors_of


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A released file of a small model, ``small.py`` and a tokenizer."""
    folder = tmp_path_factory.mktemp('toy')
    config = small_config(folder)
    write_released(released_weights(config, vocabulary=SIZE), folder / 'released.pth')
    write_byte_tokenizer(folder / 'tokenizer')
    return folder


@pytest.fixture
def cfg(folder: Path, tmp_path: Path) -> Config:
    return config_of_run(folder, tmp_path, load_from=folder / 'released.pth')


def config_of_run(folder: Path, work_dir: Path, *, load_from: Path) -> Config:
    cfg = Config.fromfile(folder / 'small.py')
    cfg.model.text_encoder.tokenizer = str(folder / 'tokenizer')
    hooks = dict(checkpoint=dict(type='SafeCheckpointHook'))
    cfg.update(work_dir=str(work_dir), default_scope='r2vos_mm', default_hooks=hooks)
    cfg.update(load_from=str(load_from), experiment_name=work_dir.name)
    return cfg


def released_model(folder: Path) -> torch.nn.Module:
    options = {'model.text_encoder.tokenizer': str(folder / 'tokenizer')}
    return init_model(
        folder / 'small.py', folder / 'released.pth', device='cpu', cfg_options=options
    )


def test_the_runner_loads_what_init_model_loads(cfg: Config, folder: Path) -> None:
    cfg.model.backbone.init_cfg = dict(type='Pretrained', checkpoint='nowhere.pth')
    runner = build_released_runner(cfg, training=True)
    runner.call_hook('before_run')
    runner.load_checkpoint(cfg.load_from)
    theirs, ours = tensors_of(released_model(folder)), tensors_of(runner.model)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_its_checkpoints_need_no_language_model(cfg: Config, folder: Path, tmp_path: Path) -> None:
    runner = build_released_runner(cfg, training=False)
    runner.call_hook('before_run')
    runner.load_checkpoint(cfg.load_from)
    checkpoint = dict(state_dict=runner.model.state_dict(), meta={})
    runner.call_hook('before_save_checkpoint', checkpoint=checkpoint)
    torch.save(checkpoint, tmp_path / 'saved.pth')
    cfg = config_of_run(folder, tmp_path / 'again', load_from=tmp_path / 'saved.pth')
    cfg.model.text_encoder.name_or_path = 'nowhere'  # cannot be loaded
    other = build_released_runner(cfg, training=False)
    other.call_hook('before_run')
    other.load_checkpoint(cfg.load_from)
    ours, theirs = tensors_of(other.model), tensors_of(runner.model)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_the_error_names_the_right_config(cfg: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy's backbone was never published; for the message it passes as ResNet-50."""
    monkeypatch.setattr('r2vos_mm.converters.recognition._backbone_of', lambda *_: 'r50')
    cfg.model.mask_head.decoder.num_layers = 3
    with pytest.raises(CheckpointMismatchError, match=r'use the config r2vos-released_r50_\S+\.py'):
        build_released_runner(cfg, training=True)


def test_a_calibration_is_stored_with_converted_weights(folder: Path, tmp_path: Path) -> None:
    calibration = Calibration(
        temperature=2.0,
        gate_threshold=0.25,
        verdict='cycle',
        data='pairs.json',
        num_positives=1,
        num_negatives=1,
        brier=(0.2, 0.1),
        calibration_error=(0.2, 0.1),
    )
    target = tmp_path / 'calibrated.pth'
    store(calibration, str(folder / 'released.pth'), target)
    options = {'model.text_encoder.tokenizer': str(folder / 'tokenizer')}
    model = init_model(folder / 'small.py', target, device='cpu', cfg_options=options)
    assert model.test_cfg.gate_threshold == 0.25
    theirs, ours = tensors_of(released_model(folder)), tensors_of(model)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
