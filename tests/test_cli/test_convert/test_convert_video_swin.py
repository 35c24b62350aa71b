"""The Video Swin converter, run as a user runs it."""

from pathlib import Path
from types import ModuleType

import pytest
import torch
from mmengine.config import Config
from scripts import exit_status, load_script
from torch import Tensor

from r2vos_mm.models.backbones import VideoSwinTransformer

TINY = dict(embed_dims=8, depths=(1, 1, 1, 1), num_heads=(1, 1, 1, 1), window_size=(2, 2, 2))
SOMEWHERE = dict(type='Pretrained', checkpoint='nowhere.pth')
BIAS = 'layers.1.blocks.0.mlp.fc1.bias'


@pytest.fixture(scope='module')
def tool() -> ModuleType:
    return load_script('model_converters/video_swin_to_r2vos.py')


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Config, source and target; the config's own weights do not exist, and are not needed."""
    write_config(tmp_path / 'tiny.py')
    write_source(tmp_path / 'in.pth', released_state())
    return [str(tmp_path / name) for name in ('tiny.py', 'in.pth', 'out.pth')]


def write_config(path: Path, **changes: object) -> None:
    backbone = dict(type='VideoSwinTransformer', init_cfg=SOMEWHERE, **TINY) | changes
    Config(dict(model=dict(backbone=backbone))).dump(path)


def write_source(path: Path | str, state: dict[str, object]) -> None:
    """A released checkpoint: the backbone's prefix, beside another module."""
    content = {f'backbone.0.body.{name}': value for name, value in state.items()}
    torch.save(dict(model={**content, 'class_embed.bias': torch.zeros(1)}), path)


def released_state() -> dict[str, Tensor]:
    return dict(VideoSwinTransformer(**TINY).state_dict())


def assert_refused(
    tool: ModuleType, files: list[str], capsys: pytest.CaptureFixture, *messages: str
) -> None:
    """Exit code 1, each message on the error stream, no traceback, nothing written."""
    folder = Path(files[2]).parent
    before = sorted(folder.iterdir())
    assert exit_status(tool.main, files) == 2
    error = capsys.readouterr().err
    assert all(message in error for message in messages), error
    assert sorted(folder.iterdir()) == before


def test_converted_file_loads_strictly(
    tool: ModuleType, files: list[str], capsys: pytest.CaptureFixture
) -> None:
    state = {name: value + 1 for name, value in released_state().items()}
    write_source(files[1], state | {'epoch': 7})
    assert tool.main(files) == 0
    written = torch.load(files[2], weights_only=True)
    model = VideoSwinTransformer(**TINY)
    model.load_state_dict(written['state_dict'], strict=True)
    torch.testing.assert_close(dict(model.state_dict()), state)
    text = capsys.readouterr().out
    assert f'{len(state)} tensors of the backbone from {files[1]}' in text
    # what is no tensor is listed like what belongs to another module
    assert 'unused in the file (2): class_embed.bias (1), backbone.*.body.epoch (1)' in text
    assert 'start fresh (0): none' in text


def test_norms_start_fresh_and_later_stages_are_left_out(
    tool: ModuleType, files: list[str], capsys: pytest.CaptureFixture
) -> None:
    write_config(Path(files[0]), out_indices=(0, 1, 2), out_norm=dict(type='LN'))
    assert tool.main(files) == 0
    text = capsys.readouterr().out
    assert 'layers.*.blocks.*.norm1.weight (1)' in text
    assert 'start fresh (6): norm0.weight (1)' in text
    written = torch.load(files[2], weights_only=True)['state_dict']
    assert not [name for name in written if name.startswith(('layers.3.', 'norm'))]


def test_deleted_tensor_is_reported(
    tool: ModuleType, files: list[str], capsys: pytest.CaptureFixture
) -> None:
    state = released_state()
    del state[BIAS]
    write_source(files[1], state)
    assert_refused(tool, files, capsys, 'does not belong', f'missing from the checkpoint: {BIAS}')


def test_misshaped_tensor_is_reported(
    tool: ModuleType, files: list[str], capsys: pytest.CaptureFixture
) -> None:
    write_source(files[1], released_state() | {BIAS: torch.zeros(65)})  # 4 * 16 channels
    assert_refused(tool, files, capsys, f'{BIAS} (65,) instead of (64,)')


def test_string_in_place_of_a_tensor_is_reported(
    tool: ModuleType, files: list[str], capsys: pytest.CaptureFixture
) -> None:
    write_source(files[1], released_state() | {BIAS: 'zeros'})
    assert_refused(tool, files, capsys, f'missing from the checkpoint: {BIAS}')


@pytest.mark.parametrize('name', ['layers.0.extra', 'layers.extra.bias', 'downsamples.extra.bias'])
def test_unknown_tensor_is_reported(
    tool: ModuleType, files: list[str], capsys: pytest.CaptureFixture, name: str
) -> None:
    write_source(files[1], released_state() | {name: torch.zeros(3)})
    assert_refused(tool, files, capsys, f'unknown to the model: {name}')


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (dict(weight=torch.zeros(3)), 'in.pth holds no Swin backbone'),
        ({0: torch.zeros(3)}, 'in.pth holds no state dict'),
        ([1, 2], 'in.pth holds no state dict'),
    ],
)
def test_foreign_file_is_reported(
    tool: ModuleType, files: list[str], capsys: pytest.CaptureFixture, content: object, message: str
) -> None:
    torch.save(content, files[1])
    assert_refused(tool, files, capsys, message)


def test_absent_and_damaged_sources_are_reported(
    tool: ModuleType, files: list[str], capsys: pytest.CaptureFixture
) -> None:
    source = Path(files[1])
    source.write_bytes(source.read_bytes()[:-100])
    assert_refused(tool, files, capsys, 'in.pth', 'cannot be read')
    source.unlink()
    assert_refused(tool, files, capsys, 'in.pth does not exist')


def test_unusable_configs_are_reported(
    tool: ModuleType, files: list[str], capsys: pytest.CaptureFixture
) -> None:
    config = Path(files[0])
    write_config(config, **{key: value * 2 for key, value in TINY.items() if key == 'embed_dims'})
    assert_refused(tool, files, capsys, 'instead of (16,)', 'set its sizes')
    Config(dict(model=dict(backbone=dict(type='mmdet.ResNet', depth=18)))).dump(config)
    assert_refused(tool, files, capsys, 'is a ResNet', 'imagenet_to_r2vos.py')
    Config(dict(model=dict(neck=None))).dump(config)
    assert_refused(tool, files, capsys, 'has no backbone')
    Config(dict(backbone=TINY)).dump(config)
    assert_refused(tool, files, capsys, 'tiny.py defines no model')
    config.unlink()
    assert_refused(tool, files, capsys, 'tiny.py does not exist')


def test_existing_target_is_kept(
    tool: ModuleType, files: list[str], capsys: pytest.CaptureFixture
) -> None:
    target = Path(files[2])
    target.write_text('precious')
    assert_refused(tool, files, capsys, '--overwrite')
    assert target.read_text() == 'precious'
    assert tool.main([*files, '--overwrite']) == 0
    assert 'state_dict' in torch.load(target, weights_only=True)


def test_failing_conversion_keeps_the_target_it_was_to_replace(
    tool: ModuleType, files: list[str], capsys: pytest.CaptureFixture
) -> None:
    Path(files[2]).write_text('precious')
    write_source(files[1], released_state() | {BIAS: torch.zeros(65)})
    assert exit_status(tool.main, [*files, '--overwrite']) == 2
    assert Path(files[2]).read_text() == 'precious'
