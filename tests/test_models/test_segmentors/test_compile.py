"""The evaluation path is one graph for ``torch.compile``."""

import pytest
import torch
from torch import Tensor
from toy_models import build_toy_config

from r2vos_mm.structures import TextFeatures

VIDEO_SWIN = dict(
    _delete_=True,
    type='VideoSwinTransformer',
    embed_dims=8,
    depths=(2, 2, 2),
    num_heads=(1, 2, 4),
    window_size=(2, 3, 3),
    out_indices=(0, 1, 2),
)


@pytest.mark.parametrize(
    ('preset', 'changes'),
    [
        ('r2vos_tiny', {'backbone': VIDEO_SWIN, 'neck.in_channels': [8, 16, 32]}),
        ('referformer_tiny', {}),
        ('mttr_tiny', {}),
    ],
)
def test_evaluation_has_no_graph_breaks(preset, changes):
    model = build_toy_config(preset, **changes).eval()
    text = model.text_encoder(['a red square', 'a blue circle moves left'])

    @torch.no_grad()
    def predict(frames: Tensor, words: Tensor, sentence: Tensor, padding: Tensor) -> list[Tensor]:
        clips = model.extract_clips(frames, [tuple(frames.shape[-2:])])
        to_clip = torch.zeros(len(words), dtype=torch.long)
        found = model._predict_pairs(clips, TextFeatures(words, sentence, padding), to_clip)[:2]
        return [x for part in found if part is not None for x in part._values()]

    torch._dynamo.reset()
    inputs = torch.randn(1, 2, 3, 32, 64), text.words, text.sentence, text.padding
    explained = torch._dynamo.explain(predict)(*(x.detach() for x in inputs))
    assert (explained.graph_count, explained.graph_break_count) == (1, 0), explained.break_reasons
