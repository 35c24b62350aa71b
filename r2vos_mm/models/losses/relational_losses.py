"""Match the relations within one set of embeddings to those within another.

The relational losses match pairwise distances and triplet angles of the reconstructed sentence
embeddings (student) to those of the sentence embeddings (teacher), not their values: several
expressions may describe one object, so a point-wise constraint would be wrong (R2-VOS, cyclic
structural consistency; the two potentials are those of relational knowledge distillation).

Both losses are always computed in float32 and from explicit differences: the usual Gram-matrix
short cut loses half of the digits where two embeddings are close.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from r2vos_mm.registry import MODELS


@dataclass
class PairGeometry:
    """Pairwise geometry of M points in C dimensions, safe to differentiate where points coincide.

    Attributes:
        distances: (M, M) Euclidean distances, 0 where two points coincide.
        directions: (M, M, C); ``[i, j]`` is the unit vector from point j to point i, zeros where
            they coincide.
        distinct: (M, M) bool, False where two points coincide.
    """

    distances: Tensor
    directions: Tensor
    distinct: Tensor


def pair_geometry(points: Tensor, *, coincidence: float) -> PairGeometry:
    """Compute distances and unit directions between all pairs of points.

    Args:
        points: (M, C) float32 embeddings.
        coincidence: two points closer than this share of the largest distance count as one. The
            same expression encoded twice differs by rounding only; without the threshold this
            noise would be scaled to a unit direction.

    Returns:
        The geometry; distances and directions have zero gradient, never NaN, at coinciding points.
    """
    differences = points[:, None] - points[None]
    squares = differences.square().sum(dim=-1)
    with torch.no_grad():
        threshold = squares.max() * coincidence**2 if len(points) else squares.new_zeros(())
        distinct = squares > threshold
    # The derivative of sqrt at 0 is infinite and inf * 0 is NaN: keep zeros out of its argument.
    lengths = torch.where(distinct, squares, torch.ones_like(squares)).sqrt()
    return PairGeometry(
        distances=lengths * distinct,
        directions=differences / lengths[..., None] * distinct[..., None],
        distinct=distinct,
    )


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
        return F.smooth_l1_loss(self._normalised(student), self._normalised(teacher))

    @staticmethod
    def _normalised(geometry: PairGeometry) -> Tensor:
        """(M, M) distances over their mean between distinct points; zeros if all coincide."""
        total = geometry.distances.sum()
        mean = total / geometry.distinct.sum().clamp(min=1)
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
        return F.smooth_l1_loss(self._cosines(constrained), self._cosines(teacher.directions))

    @staticmethod
    def _cosines(directions: Tensor) -> Tensor:
        """(M, M, M) cosines at apex i between the legs to j and to k."""
        return torch.bmm(directions, directions.transpose(1, 2))
