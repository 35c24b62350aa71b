"""Windows that frames of padding bring to one length give the results of the unpadded ones."""

import pytest
import torch
from torch import Tensor, nn
from toy_models import VIDEO_SWIN, build_toy_config

from r2vos_mm.models.utils import Window

SENTENCES = ['a red square', 'a blue circle moves left', 'dog']
NAMES = ['scores', 'boxes', 'masks']
# Swin's windows have two frames here.
PRESETS = {
    'r2vos': ('r2vos_tiny', {}),
    'r2vos_video_swin': ('r2vos_tiny', {'backbone': VIDEO_SWIN, 'neck.in_channels': [8, 16, 32]}),
    'referformer': ('referformer_tiny', {}),
    'mttr_video_swin': ('mttr_tiny', {'backbone': VIDEO_SWIN, 'neck.in_channels': [8, 16, 32]}),
}


@pytest.fixture(scope='module', params=list(PRESETS))
def model(request: pytest.FixtureRequest) -> nn.Module:
    preset, changes = PRESETS[request.param]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build_toy_config(preset, **changes).eval()
        model.init_weights()
        mixing = model.neck.temporal_mixing
        for layer in mixing.outputs:  # starts at zero
            nn.init.normal_(layer.weight, std=0.05)
    return model


@torch.no_grad()
def outputs(model: nn.Module, window: Window) -> dict[str, Tensor]:
    """Predictions of all queries for a window, verdict included."""
    size, text = tuple(window.frames.shape[-2:]), model.encode_text(SENTENCES)
    clips = model.extract_clips(window.frames[None], [size], num_frames=window.num_frames)
    return vars(model.predict_window(clips, text).queries) | {
        'verdict': model.predict_window(clips, text).misalignment_logits
    }


@pytest.mark.parametrize('count', [1, 2, 3, 5])
def test_padded_window_equals_the_window(model: nn.Module, count: int) -> None:
    frames = torch.randn(count, 3, 40, 64, generator=torch.Generator().manual_seed(count))
    expected = outputs(model, Window(frames))
    found = outputs(model, Window(frames).padded(7))
    for name, value in expected.items():
        if value is not None and not value.isinf().all():
            part = found[name] if name == 'verdict' else found[name][:, :count]
            torch.testing.assert_close(part, value, rtol=1e-5, atol=1e-5)
