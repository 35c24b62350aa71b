"""Rows of features are selected, joined and moved together."""

import pytest
import torch

from r2vos_mm.structures import (
    CycleOutput,
    GroundedFeatures,
    InstanceTargets,
    Memory,
    PairTargets,
    QueryPredictions,
    TextFeatures,
)


def numbers(*shape: int) -> torch.Tensor:
    """Different numbers in every row."""
    return torch.arange(torch.Size(shape).numel()).view(shape).float()


def grounded(pairs: int = 3) -> GroundedFeatures:
    memory = Memory(
        tokens=numbers(pairs, 2, 5, 4),
        padding=None,
        shapes=[(2, 2), (1, 1)],
        valid_ratios=numbers(pairs, 2, 2),
        image_sizes=numbers(pairs, 2),
    )
    text = TextFeatures(numbers(pairs, 3, 4), numbers(pairs, 4), numbers(pairs, 3) > 6, False)
    return GroundedFeatures(
        early=numbers(pairs, 2, 4, 1, 1),
        padding=numbers(pairs, 2, 1, 1) > 3,
        position=numbers(pairs, 2, 4, 1, 1),
        memory=memory,
        text=text,
        pair_to_clip=torch.arange(pairs),
    )


def instances(count: int, *, referred: int) -> InstanceTargets:
    """``count`` instances in two frames of 2 x 2 pixels, the last one never visible."""
    masks = torch.zeros(count, 2, 2, 2, dtype=torch.bool)
    masks[:-1, :, 0] = True
    return InstanceTargets(masks, masks.flatten(2).any(-1), torch.arange(count) == referred)


@pytest.fixture
def targets() -> PairTargets:
    """Three pairs: of a clip with two instances, its negative pair, and of one with three."""
    return PairTargets(
        boxes=numbers(3, 2, 4),
        masks=numbers(3, 2, 4, 4) % 2 > 0,
        valid=torch.tensor([[True, True], [False, False], [True, False]]),
        instances=[instances(2, referred=0), instances(2, referred=-1), instances(3, referred=1)],
    )


@pytest.mark.parametrize('index', [torch.tensor([True, False, True]), torch.tensor([0, 2])])
def test_select_reaches_nested_features_and_keeps_what_belongs_to_all(index):
    whole = grounded()
    chosen = whole.select(index)
    assert len(chosen) == 2
    assert torch.equal(chosen.early, whole.early[[0, 2]])
    assert torch.equal(chosen.memory.tokens, whole.memory.tokens[[0, 2]])
    assert torch.equal(chosen.text.words, whole.text.words[[0, 2]])
    assert chosen.memory.padding is None
    assert chosen.memory.shapes == [(2, 2), (1, 1)]
    assert chosen.text.key_padding is None


def test_cat_undoes_select():
    whole = grounded()
    parts = [whole.select(torch.tensor(rows)) for rows in ([0], [1, 2])]
    joined = GroundedFeatures.cat(parts)
    assert torch.equal(joined.early, whole.early)
    assert torch.equal(joined.memory.tokens, whole.memory.tokens)
    assert torch.equal(joined.pair_to_clip, whole.pair_to_clip)
    assert joined.memory.padding is None
    assert joined.memory.shapes == [(2, 2), (1, 1)]


def test_cat_joins_frames_along_another_axis():
    parts = [QueryPredictions(numbers(2, t, 3), None, numbers(2, t, 3, 1, 1)) for t in (1, 4)]
    video = QueryPredictions.cat(parts, dim=1)
    assert video.scores.shape == (2, 5, 3)
    assert video.boxes is None
    assert torch.equal(video.masks[:, 1:], parts[1].masks)


@pytest.mark.parametrize('flags', [(False, False), (False, True), (True, False)])
def test_a_flag_of_any_part_is_that_of_all(flags):
    part = grounded().text
    parts = [TextFeatures(part.words, part.sentence, part.padding, flag) for flag in flags]
    assert TextFeatures.cat(parts).has_padding is any(flags)


def test_to_moves_all_tensors():
    moved = grounded().to('meta')
    assert moved.early.is_meta
    assert moved.memory.tokens.is_meta
    assert moved.text.words.is_meta
    assert CycleOutput(torch.zeros(2, 3), torch.zeros(2)).to('meta').reconstructed.is_meta


def test_a_function_reaches_every_tensor(targets):
    empty = grounded().map(lambda tensor: tensor[:0])
    assert [len(x) for x in (empty, empty.memory, empty.text)] == [0, 0, 0]
    assert empty.memory.shapes == [(2, 2), (1, 1)]
    assert empty.padding is not None
    assert empty.memory.padding is None
    assert [len(x) for x in targets.map(lambda tensor: tensor[:1]).instances] == [1, 1, 1]


def test_predictions_of_one_query_per_pair():
    boxes = numbers(2, 1, 3, 4)
    whole = QueryPredictions(numbers(2, 1, 3), boxes, numbers(2, 1, 3, 1, 1))
    chosen = whole.of_queries(torch.tensor([2, 0]))
    assert chosen.scores.tolist() == [[2.0], [3.0]]
    assert torch.equal(chosen.boxes[1, 0], boxes[1, 0, 0])
    assert chosen.masks.shape == (2, 1, 1, 1)
    without = QueryPredictions(whole.scores, None, whole.masks)
    assert without.of_queries(torch.tensor([1, 1])).boxes is None


def test_average_leaves_padding_out():
    text = TextFeatures(
        torch.zeros(2, 3, 1), torch.zeros(2, 1), torch.tensor([[False] * 3, [False, False, True]])
    )
    values = torch.tensor([[[1.0], [2.0], [6.0]], [[1.0], [2.0], [100.0]]])
    assert text.average(values).tolist() == [[3.0], [1.5]]


def test_targets_keep_the_instances_of_their_pairs(targets):
    chosen = targets.select(torch.tensor([True, False, True]))
    assert [len(x) for x in chosen.instances] == [2, 3]
    assert chosen.instances[1] is targets.instances[2]
    joined = PairTargets.cat([chosen, targets.select(torch.tensor([1]))])
    assert [len(x) for x in joined.instances] == [2, 3, 2]
    assert torch.equal(joined.valid, targets.valid[[0, 2, 1]])
    assert targets.to('meta').instances[2].masks.is_meta


def test_targets_of_some_frames_are_chosen_pair_by_pair(targets):
    frames = torch.tensor([[0], [1], [1]])
    chosen = targets.at_frames(frames)
    assert torch.equal(chosen.boxes[:, 0], targets.boxes[[0, 1, 2], [0, 1, 1]])
    assert chosen.valid.tolist() == [[True], [False], [False]]
    assert [tuple(x.masks.shape) for x in chosen.instances] == [(n, 1, 2, 2) for n in (2, 2, 3)]
    assert torch.equal(chosen.instances[2].referred, targets.instances[2].referred)


def test_labels_name_the_referred_instance_where_it_is_visible(targets):
    assert targets.instances[0].labels(referred=1, other=0).tolist() == [[1, 1], [0, 0]]
    assert targets.instances[1].labels(referred=1, other=0).tolist() == [[0, 0], [0, 0]]
    hidden = instances(2, referred=1)  # the last instance is never visible
    assert hidden.labels(referred=0, other=1).tolist() == [[1, 1], [1, 1]]
    assert targets.instances[2].select(torch.tensor([1, 2])).referred.tolist() == [True, False]


def test_masks_are_sub_sampled_at_the_middle_of_a_cell():
    masks = torch.zeros(1, 1, 4, 4, dtype=torch.bool)
    masks[0, 0, 1, 3] = masks[0, 0, 3, 1] = masks[0, 0, 0, 0] = True
    targets = PairTargets(torch.zeros(1, 1, 4), masks, torch.ones(1, 1, dtype=torch.bool))
    assert targets.at_stride(2, (2, 2)).masks[0, 0].tolist() == [[False, True], [True, False]]
    assert targets.at_stride(2, (3, 2)).masks[0, 0, 2].tolist() == [False, False]
