"""The evaluation path is compiled in two graphs, whatever the length of a window and expression."""

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounter
from toy_models import VIDEO_SWIN, build_toy_config

from r2vos_mm.models.utils import Window

SENTENCES = ['a red square', 'a blue circle moves left']
SWIN = dict(VIDEO_SWIN, depths=(2, 1, 1))


def build(preset: str, **changes: object) -> nn.Module:
    """A model of padded windows of four frames."""
    windows = {'test_cfg.frames_per_pass': 4, 'test_cfg.pad_windows': True}
    return build_toy_config(preset, **changes, **windows).eval()


def video(*lengths: int) -> list[Tensor]:
    """Windows of the given numbers of frames."""
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(count, 3, 32, 32, generator=generator) for count in lengths]


@torch.no_grad()
def test_evaluation_has_no_graph_breaks() -> None:
    model = build('mttr_tiny')
    window = Window(*video(3)).padded(4)
    text, frames, shapes = model.encode_text(SENTENCES), window.frames[None], [(32, 32)]
    options = dict(num_frames=window.num_frames)
    clips = model.extract_clips(frames, shapes, **options)
    parts = [
        (model.extract_clips, (frames, shapes), options),
        (model._predict_pairs, (clips, text, torch.zeros(2, dtype=torch.long)), {}),
    ]
    for part, inputs, named in parts:
        torch._dynamo.reset()
        found = torch._dynamo.explain(part)(*inputs, **named)
        assert (found.graph_count, found.graph_break_count) == (1, 0), found.break_reasons


@pytest.mark.parametrize(
    ('preset', 'changes'),
    [
        ('r2vos_tiny', {'backbone': SWIN, 'neck.in_channels': [8, 16, 32]}),
        ('referformer_tiny', {}),
    ],
)
def test_short_windows_and_longer_expressions_are_not_compiled_anew(
    preset: str, changes: dict
) -> None:
    model = build(preset, **changes)
    expected = model.segment(video(4, 3, 1), SENTENCES[:1], (32, 32))
    torch._dynamo.reset()
    counter = CompileCounter()
    model.compile_evaluation(backend=counter, fullgraph=True)
    found = model.segment(video(4, 3, 1), SENTENCES[:1], (32, 32))
    torch.testing.assert_close(found.scores, expected.scores)
    torch.testing.assert_close(found.boxes, expected.boxes)
    assert counter.frame_count == 2
    model.segment(video(2), SENTENCES[1:], (32, 32))
    assert counter.frame_count == 2
