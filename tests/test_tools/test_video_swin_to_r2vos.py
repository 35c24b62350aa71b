"""The Video Swin converter, run as a user runs it."""
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch

from r2vos_mm.models.backbones import VideoSwinTransformer

SCRIPT = Path(__file__).parents[2] / 'tools' / 'model_converters' / 'video_swin_to_r2vos.py'
TINY = dict(embed_dims=8, depths=(1, 1, 1, 1), num_heads=(1, 1, 1, 1), window_size=(2, 2, 2))


@pytest.fixture(scope='module')
def tool() -> ModuleType:
    definition = importlib.util.spec_from_file_location('video_swin_to_r2vos', SCRIPT)
    module = importlib.util.module_from_spec(definition)
    definition.loader.exec_module(module)
    return module


def test_converted_file_loads_strictly(tool: ModuleType, tmp_path: Path,
                                       capsys: pytest.CaptureFixture) -> None:
    model = VideoSwinTransformer(**TINY)
    state = {f'backbone.0.body.{name}': value for name, value in model.state_dict().items()}
    torch.save(dict(model={**state, 'class_embed.bias': torch.zeros(1)}), tmp_path / 'in.pth')
    assert tool.main([str(tmp_path / 'in.pth'), str(tmp_path / 'out.pth')]) == 0
    written = torch.load(tmp_path / 'out.pth', weights_only=True)
    VideoSwinTransformer(**TINY).load_state_dict(written['state_dict'], strict=True)
    assert 'left out (1): class_embed.bias (1)' in capsys.readouterr().out


def test_existing_target_is_kept(tool: ModuleType, tmp_path: Path,
                                 capsys: pytest.CaptureFixture) -> None:
    target = tmp_path / 'out.pth'
    target.write_text('precious')
    assert tool.main([str(tmp_path / 'in.pth'), str(target)]) == 1
    assert target.read_text() == 'precious'
    assert '--overwrite' in capsys.readouterr().err


def test_unreadable_source_is_reported(tool: ModuleType, tmp_path: Path,
                                       capsys: pytest.CaptureFixture) -> None:
    assert tool.main([str(tmp_path / 'in.pth'), str(tmp_path / 'out.pth')]) == 1
    assert 'No checkpoint file' in capsys.readouterr().err
    assert not (tmp_path / 'out.pth').exists()
