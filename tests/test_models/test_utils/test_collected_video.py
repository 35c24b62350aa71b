from dataclasses import replace

import pytest
import torch
from chosen_queries import choose_queries

from r2vos_mm.models.utils import (
    CollectedVideo,
    PredictConfig,
    VideoPredictions,
    read_window,
)
from r2vos_mm.structures import QueryPredictions

SIZE = (11, 13)


def parts(lengths: tuple[int, ...] = (20, 3, 1), *, boxes: bool = True) -> list[VideoPredictions]:
    """Windows of two expressions and three queries."""
    draw = torch.Generator().manual_seed(0)
    return [
        VideoPredictions(
            QueryPredictions(
                torch.randn(2, t, 3, generator=draw),
                torch.rand(2, t, 3, 4, generator=draw) if boxes else None,
                torch.randn(2, t, 3, 6, 5, generator=draw),
            ),
            torch.randn(2, 1, generator=draw),
            attention=torch.rand(2, t, 4, 4, generator=draw),
            early=torch.rand(2, t, 4, 4, generator=draw),
        )
        for t in lengths
    ]


@pytest.mark.parametrize('memory', [0, 0.005, 256])
@pytest.mark.parametrize('boxes', [True, False])
def test_same_as_with_all_frames_in_memory(memory, boxes, monkeypatch):
    config = PredictConfig(candidates=True, mask_memory=memory)
    whole = VideoPredictions.cat(parts(boxes=boxes), dim=1)
    logits = whole.misalignment_logits.mean(1)
    expected = choose_queries(whole.queries, logits, SIZE, config=config, input_size=(24, 20))
    monkeypatch.setattr('r2vos_mm.models.utils.collected_video._READ_BYTES', 7 * 2 * 11 * 13)
    with CollectedVideo(config) as video:
        for part in parts(boxes=boxes):
            video.append(part, (24, 20))
        found = video.to_pairs(SIZE)
    for name in ('masks', 'ungated_masks', 'scores', 'boxes', 'candidate_masks', 'consensus'):
        torch.testing.assert_close(found[name], expected[name], msg=name)
    assert torch.equal(found.grounding_attention, whole.attention)
    assert torch.equal(found.early_features, whole.early)


def test_masks_of_a_video_without_rejected_expressions_are_not_copied():
    with CollectedVideo(PredictConfig(gate_threshold=0)) as video:
        for part in parts():
            video.append(part, SIZE)
        pairs = video.to_pairs(SIZE)
    assert pairs.masks is pairs.ungated_masks


def test_a_window_is_read_in_steps(monkeypatch):
    """16 frames at most; fewer if the masks of two expressions are large."""
    (part,), best, options = parts((20,)), torch.tensor([2, 0]), dict(input_size=(24, 20))
    config = replace(PredictConfig(), candidates=False)
    steps = [x.scores.shape[1] for x in read_window(part, best, SIZE, config=config, **options)]
    assert steps == [16, 4]
    monkeypatch.setattr('r2vos_mm.models.utils.collected_video._READ_BYTES', 9 * 2 * 11 * 13)
    read = list(read_window(part, best, SIZE, config=config, **options))
    assert [x.scores.shape[1] for x in read] == [9, 9, 2]
    expected = part.queries.scores[torch.arange(2), :, best].sigmoid()
    assert torch.equal(torch.cat([x.scores for x in read], dim=1), expected)
