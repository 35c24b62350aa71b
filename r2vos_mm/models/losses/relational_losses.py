"""Compute the losses of the cycle: relations of embeddings, and a hinge on wrong expressions.

The relational losses match pairwise distances and triplet angles of the reconstructed sentence
embeddings (student) to those of the sentence embeddings (teacher), not their values: several
expressions may describe one object, so a point-wise constraint would be wrong (R2-VOS, cyclic
structural consistency; the two potentials are those of relational knowledge distillation).

Both losses are always computed in float32 and from explicit differences: the usual Gram-matrix
short cut loses half of the digits where two embeddings are close.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from r2vos_mm.registry import MODELS


class PairGeometry(NamedTuple):
    """Pairwise geometry of M points in C dimensions, safe to differentiate where points coincide.

    Distances and directions are zero there.
    """

    distances: Tensor  # (M, M) Euclidean
    directions: Tensor  # (M, M, C); [i, j] is the unit vector from point j to point i
    distinct: Tensor  # (M, M) bool, False where two points coincide


def pair_geometry(points: Tensor, *, coincidence: float) -> PairGeometry:
    """Compute distances and unit directions between all pairs of points (M, C), in float32.

    Two points closer than the share ``coincidence`` of the largest distance count as one: rounding
    errors would otherwise be scaled to unit directions. At coinciding points gradients are zero.
    """
    differences = points[:, None] - points[None]
    squares = differences.square().sum(dim=-1)
    with torch.no_grad():
        threshold = squares.max() * coincidence**2 if len(points) else squares.new_zeros(())
        distinct = squares > threshold
    # The derivative of sqrt at 0 is infinite and inf * 0 is NaN: keep zeros out of its argument.
    lengths = torch.where(distinct, squares, torch.ones_like(squares)).sqrt()
    directions = differences / lengths[..., None] * distinct[..., None]
    return PairGeometry(lengths * distinct, directions, distinct)


class _RelationalLoss(nn.Module):
    """Base of the relational losses: float32, no gradient to the teacher, the weight."""

    def __init__(self, *, loss_weight: float = 1.0, coincidence: float = 1e-5) -> None:
        super().__init__()
        self.loss_weight, self.coincidence = loss_weight, coincidence

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Compute the weighted loss of M student points against M teacher points.

        Args:
            student: (M, C) learned embeddings; row i belongs to teacher row i.
            teacher: (M, C') target embeddings, which receive no gradient.

        Returns:
            Scalar, connected to ``student``; 0 where there are no points.

        Raises:
            ValueError: the two sets have different lengths or are not matrices.
        """
        if student.ndim != 2 or teacher.ndim != 2 or len(student) != len(teacher):
            raise ValueError(
                f'{type(self).__name__} compares two matrices of the same number of rows, got '
                f'student {tuple(student.shape)} and teacher {tuple(teacher.shape)}'
            )
        if not len(student):
            return student.sum()
        with torch.autocast(student.device.type, enabled=False):
            points = student.float(), teacher.detach().float()
            loss = self._compare(*(pair_geometry(x, coincidence=self.coincidence) for x in points))
        return self.loss_weight * loss

    def _compare(self, student: PairGeometry, teacher: PairGeometry) -> Tensor:
        raise NotImplementedError


@MODELS.register_module()
class RelationalDistanceLoss(_RelationalLoss):
    r"""Match the student's pairwise distances to the teacher's, up to one scale.

    :math:`\psi(i,j)=\|x_i-x_j\|_2/\mu` with :math:`\mu` the mean over the pairs of distinct points;
    the loss is the mean over all :math:`M^2` pairs of SmoothL1 between the two :math:`\psi`.
    Invariant to translation, rotation and scale of either side.

    Args:
        loss_weight: factor of the loss.
        coincidence: share of the largest distance below which two points count as one.
    """

    def _compare(self, student: PairGeometry, teacher: PairGeometry) -> Tensor:
        return F.smooth_l1_loss(_normalized(student), _normalized(teacher))


def _normalized(geometry: PairGeometry) -> Tensor:
    """Divide distances (M, M) by their mean between distinct points; zeros if all coincide."""
    mean = geometry.distances.sum() / geometry.distinct.sum().clamp(min=1)
    return geometry.distances / torch.where(mean > 0, mean, torch.ones_like(mean))


@MODELS.register_module()
class RelationalAngleLoss(_RelationalLoss):
    r"""Match the angles within triplets of student points to the teacher's.

    :math:`\varphi(i,j,k)=\langle (x_i-x_j)/\|x_i-x_j\|,\,(x_i-x_k)/\|x_i-x_k\|\rangle`; the loss
    is the mean over all :math:`M^3` triplets of SmoothL1 between the two :math:`\varphi`. Angles
    with a leg between coinciding teacher points are undefined and ignored. Memory is
    :math:`O(M^2 C + M^3)`, 5 MB per copy at M = 64, C = 256.

    Args:
        loss_weight: factor of the loss.
        coincidence: share of the largest distance below which two points count as one.
    """

    def _compare(self, student: PairGeometry, teacher: PairGeometry) -> Tensor:
        constrained = student.directions * teacher.distinct[..., None]
        # (M, M, M) cosines at apex i between the legs to j and to k
        cosines = (torch.bmm(x, x.transpose(1, 2)) for x in (constrained, teacher.directions))
        return F.smooth_l1_loss(*cosines)


@MODELS.register_module()
class CycleContrastiveLoss(nn.Module):
    """``max(0, margin - mean ||e' - e||_2)`` over negative pairs (released code; not in the paper).

    The mean is inside the hinge, as in the released code. After a layer norm the distance is about
    20, far above the released margin of 0.5, so the loss is 0 there.

    Args:
        margin: distance, in units of the embeddings, above which the loss is 0.
        loss_weight: factor of the loss.
    """

    def __init__(self, *, margin: float = 0.5, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.margin, self.loss_weight = margin, loss_weight

    def forward(self, reconstructed: Tensor, sentence: Tensor) -> Tensor:
        """Compute the hinge of M negative pairs from e' and e, both (M, C).

        It is 0 and still connected to the graph where there are no pairs.
        """
        if not len(reconstructed):
            return reconstructed.sum()
        with torch.autocast(reconstructed.device.type, enabled=False):
            distances = torch.linalg.vector_norm(reconstructed.float() - sentence.float(), dim=-1)
            return self.loss_weight * (self.margin - distances.mean()).clamp(min=0)
