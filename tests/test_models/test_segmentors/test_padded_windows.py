"""Windows that frames of padding bring to one length give the results of the unpadded ones."""

import pytest
import torch
from torch import Tensor, nn
from toy_models import VIDEO_SWIN, build_toy_config, clip, sample

from r2vos_mm.models.utils import Window

SENTENCES = ['a red square', 'a blue circle moves left', 'dog']
SWIN = {'backbone': VIDEO_SWIN, 'neck.in_channels': [8, 16, 32]}  # windows of two frames
PRESETS = {
    'r2vos': ('r2vos_tiny', {}),
    'r2vos_video_swin': ('r2vos_tiny', SWIN),
    'referformer': ('referformer_tiny', {}),
    'mttr_video_swin': ('mttr_tiny', SWIN),
}


@pytest.fixture(scope='module', params=list(PRESETS))
def model(request: pytest.FixtureRequest) -> nn.Module:
    """A toy model of windows of three frames, its temporal mixing with random weights."""
    preset, changes = PRESETS[request.param]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build_toy_config(preset, **changes, **{'test_cfg.frames_per_pass': 3}).eval()
        for layer in model.neck.temporal_mixing.outputs:  # starts at zero
            nn.init.normal_(layer.weight, std=0.05)
    return model


@torch.no_grad()
def outputs(model: nn.Module, window: Window) -> dict[str, Tensor]:
    """Predictions of all queries for a window, verdict included."""
    size, text = tuple(window.frames.shape[-2:]), model.encode_text(SENTENCES)
    clips = model.extract_clips(window.frames[None], [size], num_frames=window.num_frames)
    found = model.predict_window(clips, text)
    return vars(found.queries) | dict(verdict=found.misalignment_logits)


@pytest.mark.parametrize('count', [1, 5])
def test_padded_window_equals_the_window(model: nn.Module, count: int) -> None:
    frames = torch.randn(count, 3, 40, 64, generator=torch.Generator().manual_seed(count))
    found, expected = outputs(model, Window(frames).padded(7)), outputs(model, Window(frames))
    for name, value in expected.items():
        if value is not None and not value.isinf().all():
            part = found[name] if name == 'verdict' else found[name][:, :count]
            torch.testing.assert_close(part, value, rtol=1e-5, atol=1e-5)


def test_a_video_in_padded_windows(model: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven frames are two windows of two frames and one of three."""
    video = clip(0, 7, 3, 40, 64)
    results = []
    for pads in (False, True):
        monkeypatch.setattr(model.test_cfg, 'pad_windows', pads)
        samples = [sample(SENTENCES, [False] * 3, frames=7, size=(40, 64))]
        batch = model.data_preprocessor(dict(inputs=[video], data_samples=samples))
        results.append(model.predict(**batch)[0].pred_pairs)
    for name in ('masks', 'scores', 'boxes', 'consensus'):
        torch.testing.assert_close(results[1][name], results[0][name], rtol=1e-5, atol=1e-5)
