"""Relational losses: hand arithmetic, degenerate points, invariances, released values."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import smooth_l1_loss

from r2vos_mm.models.losses import RelationalAngleLoss, RelationalDistanceLoss
from r2vos_mm.registry import MODELS

LOSSES = [RelationalDistanceLoss, RelationalAngleLoss]


def column(*values: float) -> Tensor:
    return torch.tensor(values)[:, None]


def random_points(seed: int, count: int, channels: int) -> Tensor:
    return torch.randn(count, channels, generator=torch.Generator().manual_seed(seed))


def test_distance_by_hand():
    # Student on a line at 0, 1, 3: distances 1, 3, 2, mean 2, psi = 1/2, 3/2, 1.
    # Teacher at 0, 2, 4: distances 2, 4, 2, mean 8/3, psi = 3/4, 3/2, 3/4.
    # SmoothL1 d^2/2 of 1/4, 0, 1/4, each pair counted twice, over 3^2 terms: 2 * (2/32) / 9.
    loss = RelationalDistanceLoss()(column(0, 1, 3), column(0, 2, 4))
    assert loss.item() == pytest.approx(2 * (2 / 32) / 9, rel=1e-6)


def test_angle_by_hand():
    # Right isosceles student: cosines 0, 1/sqrt2, 1/sqrt2; equilateral teacher: 1/2 at each apex.
    # Two ordered pairs of legs per apex, over 3^3 terms; legs j = k agree, legs j = i are zero.
    student = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    teacher = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.5, math.sqrt(3) / 2]])
    gap = math.sqrt(0.5) - 0.5
    expected = 2 * (0.5 * 0.5**2 + 2 * 0.5 * gap**2) / 27
    assert RelationalAngleLoss()(student, teacher).item() == pytest.approx(expected, rel=1e-5)


def test_angle_equals_the_triple_sum():
    student, teacher = random_points(1, 5, 4), random_points(2, 5, 4)

    def cosine(points: Tensor, i: int, j: int, k: int) -> Tensor:
        if i in (j, k):
            return torch.tensor(0.0)
        return torch.cosine_similarity(points[i] - points[j], points[i] - points[k], dim=0)

    terms = [
        smooth_l1_loss(cosine(student, i, j, k), cosine(teacher, i, j, k))
        for i in range(5)
        for j in range(5)
        for k in range(5)
    ]
    expected = torch.stack(terms).mean()
    assert torch.allclose(RelationalAngleLoss()(student, teacher), expected, rtol=1e-5)


@pytest.mark.parametrize('loss_type', LOSSES)
def test_weight_multiplies(loss_type):
    student, teacher = random_points(3, 4, 8), random_points(4, 4, 8)
    assert torch.allclose(
        loss_type(loss_weight=0.1)(student, teacher), 0.1 * loss_type()(student, teacher)
    )


@pytest.mark.parametrize('loss_type', LOSSES)
@pytest.mark.parametrize('count', [0, 1, 2])
def test_too_few_points_cost_nothing_and_stay_connected(loss_type, count):
    student = random_points(5, count, 4).requires_grad_()
    loss = loss_type()(student, random_points(6, count, 4))
    loss.backward()
    # One distance divided by itself is 1 on both sides, and two points have no angle.
    assert loss.item() == pytest.approx(0, abs=1e-12)
    assert student.grad is not None
    assert torch.isfinite(student.grad).all()


@pytest.mark.parametrize('loss_type', LOSSES)
@pytest.mark.parametrize('side', ['student', 'teacher', 'both'])
@pytest.mark.parametrize('coinciding', [2, 3, 4])
def test_coinciding_points_give_no_nan(loss_type, side, coinciding):
    student, teacher = random_points(7, 4, 6), random_points(8, 4, 6)
    if side != 'teacher':
        student[:coinciding] = student[0]
    if side != 'student':
        teacher[:coinciding] = teacher[0]
    student.requires_grad_()
    loss = loss_type()(student, teacher)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(student.grad).all()


@pytest.mark.parametrize('loss_type', LOSSES)
def test_rounding_of_a_repeated_sentence_is_no_relation(loss_type):
    student, teacher = random_points(9, 4, 16), random_points(10, 4, 16)
    teacher[1] = teacher[0]
    exact = loss_type()(student, teacher)
    teacher[1] += 1e-7 * random_points(11, 1, 16)[0]
    assert torch.allclose(loss_type()(student, teacher), exact, rtol=1e-5)


def test_angles_at_coinciding_teachers_constrain_nothing():
    student, teacher = random_points(12, 3, 4), random_points(13, 3, 4)
    teacher[1] = teacher[0]
    # Left are the angles at point 2, where both legs of the teacher are one: cosine 1. At points 0
    # and 1 the one defined leg makes an angle with itself only: cosine 1 on both sides.
    legs = student[2] - student[:2]
    gap = torch.cosine_similarity(legs[0], legs[1], dim=0) - 1
    expected = 2 * smooth_l1_loss(gap, torch.zeros(()), reduction='sum') / 27
    assert torch.allclose(RelationalAngleLoss()(student, teacher), expected, rtol=1e-4)


@pytest.mark.parametrize('loss_type', LOSSES)
def test_teacher_gets_no_gradient(loss_type):
    student = random_points(14, 4, 4).requires_grad_()
    teacher = random_points(15, 4, 4).requires_grad_()
    loss_type()(student, teacher).backward()
    assert teacher.grad is None
    assert student.grad.abs().sum() > 0


@pytest.mark.parametrize('loss_type', LOSSES)
def test_autocast_does_not_lower_the_precision(loss_type):
    student, teacher = random_points(16, 6, 32), random_points(17, 6, 32)
    expected = loss_type()(student, teacher)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        loss = loss_type()(student, teacher)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, expected)


@pytest.mark.parametrize('loss_type', LOSSES)
def test_unequal_sets_are_refused(loss_type):
    with pytest.raises(ValueError, match='same number of rows'):
        loss_type()(torch.zeros(3, 4), torch.zeros(2, 4))


@pytest.mark.parametrize('loss_type', LOSSES)
@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    count=st.integers(3, 8),
    channels=st.integers(3, 8),
    scale=st.floats(0.1, 10),
    shift=st.floats(-3, 3),
)
def test_similarity_transforms_change_nothing(loss_type, seed, count, channels, scale, shift):
    student, teacher = (random_points(seed + side, count, channels) for side in range(2))
    rotation, _ = torch.linalg.qr(random_points(seed + 2, channels, channels))
    moved = scale * (student @ rotation + shift)
    expected = loss_type()(student, teacher)
    assert torch.allclose(loss_type()(moved, teacher), expected, atol=2e-5)
    assert torch.allclose(loss_type()(teacher, moved), loss_type()(teacher, student), atol=2e-5)
    assert loss_type()(moved, student).item() == pytest.approx(0, abs=1e-5)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(3, 8))
def test_the_order_of_points_is_of_no_account(seed, count):
    student, teacher = random_points(seed, count, 6), random_points(seed + 1, count, 6)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    for loss in (RelationalDistanceLoss(), RelationalAngleLoss()):
        assert torch.allclose(
            loss(student[order], teacher[order]), loss(student, teacher), rtol=1e-4, atol=1e-6
        )


def test_values_of_the_released_model(test_data):
    stored = torch.load(test_data / 'golden' / 'r2vos_train.pt', weights_only=True)
    check_released_values(
        stored['out']['pseudo_sentence_feature'][0],
        stored['out']['sentence_feature'],
        stored['losses'],
    )


def test_values_of_the_released_model_over_three_processes(test_data):
    stored = [
        torch.load(test_data / 'golden' / f'neg_rank{rank}.pt', weights_only=True)
        for rank in range(3)
    ]
    student = torch.cat([item['out']['pseudo_sentence_feature'][0] for item in stored])
    teacher = torch.cat([item['out']['sentence_feature'] for item in stored])
    for item in stored:
        check_released_values(student, teacher, item['losses'])


def check_released_values(student: Tensor, teacher: Tensor, losses: dict[str, float]) -> None:
    distance = MODELS.build(dict(type='RelationalDistanceLoss'))(student, teacher)
    angle = MODELS.build(dict(type='RelationalAngleLoss'))(student, teacher)
    # The stored distance term went through a float32 Gram matrix.
    assert distance.item() == pytest.approx(losses['loss_cycle_dist'], rel=1e-3)
    assert angle.item() == pytest.approx(losses['loss_cycle_angle'], rel=1e-4)
