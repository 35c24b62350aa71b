"""Match proposals with objects when their identities are not given (DAVIS 2017 unsupervised)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .region_contour import score_masks

MAX_PROPOSALS = 20


def match_proposals(quality: np.ndarray) -> list[int]:
    """Give each object its own proposal so that the summed quality is largest (Hungarian method).

    Args:
        quality: (N, O) of N proposals and O <= N objects; in the unsupervised protocol of DAVIS
            2017 the mean over frames of (J + F) / 2.

    Returns:
        (O,) index of the proposal of each object.

    Raises:
        ValueError: There are fewer proposals than objects, or a quality is not finite.
    """
    from scipy.optimize import linear_sum_assignment  # slow to import

    quality = np.asarray(quality, dtype=np.float64)
    if quality.ndim != 2 or quality.shape[0] < quality.shape[1]:
        raise ValueError(
            f'quality must be (proposals, objects) with at least as many proposals, got '
            f'{quality.shape}: pad with empty proposals'
        )
    if not np.isfinite(quality).all():
        raise ValueError(f'quality must be finite, got {quality}')
    proposals, objects = linear_sum_assignment(quality, maximize=True)
    return proposals[np.argsort(objects)].tolist()


@dataclass(frozen=True)
class MatchedScores:
    """J and F of O objects, each against the proposal assigned to it.

    Attributes:
        region: J, (O, T) float64.
        contour: F, (O, T) float64.
    """

    region: np.ndarray
    contour: np.ndarray


@dataclass(frozen=True)
class ProposalScores:
    """J and F of N proposals against O objects.

    Attributes:
        region: J, (N, O, T) float64.
        contour: F, (N, O, T) float64.
        empty_region: J of an empty mask, (O, T).
        empty_contour: F of an empty mask, (O, T).
    """

    region: np.ndarray
    contour: np.ndarray
    empty_region: np.ndarray
    empty_contour: np.ndarray

    def padded(self, number: int) -> ProposalScores:
        """Return the scores with empty masks appended, up to ``number`` proposals."""
        missing = max(number - len(self.region), 0)
        return ProposalScores(
            np.concatenate([self.region, *[self.empty_region[None]] * missing]),
            np.concatenate([self.contour, *[self.empty_contour[None]] * missing]),
            self.empty_region,
            self.empty_contour,
        )

    @classmethod
    def join(cls, parts: Sequence[ProposalScores]) -> ProposalScores:
        """Join the frames of all ``parts``; a proposal that a part lacks is empty in it."""
        number = max(len(part.region) for part in parts)
        fields = zip(*(vars(part.padded(number)).values() for part in parts))
        return cls(*(np.concatenate(pieces, axis=-1) for pieces in fields))


def score_proposals(
    proposals: np.ndarray,
    objects: np.ndarray,
    *,
    void: np.ndarray | None = None,
    bound_th: float = 0.008,
) -> ProposalScores:
    """Score every proposal of one video against every object.

    A long video can be scored in parts, to be joined with :meth:`ProposalScores.join`.

    Args:
        proposals: (N, T, H, W) bool, usually without overlap.
        objects: (O, T, H, W) bool, O >= 1.
        void: (T, H, W) bool, pixels ignored in all masks.
        bound_th: see :func:`r2vos_mm.evaluation.contour_accuracy`.

    Raises:
        ValueError: There are more than 20 proposals or no object, or sizes differ.
    """
    if len(proposals) > MAX_PROPOSALS or not len(objects):
        raise ValueError(
            f'{len(proposals)} proposals and {len(objects)} objects: the protocol takes at most '
            f'{MAX_PROPOSALS} proposals and needs an object'
        )
    empty = np.zeros(objects.shape[1:], dtype=bool)
    scores = [
        [score_masks(proposal, truth, void=void, bound_th=bound_th) for truth in objects]
        for proposal in [*proposals, empty]
    ]
    region = np.array([[entry.region for entry in row] for row in scores])
    contour = np.array([[entry.contour for entry in row] for row in scores])
    return ProposalScores(region[:-1], contour[:-1], region[-1], contour[-1])


def assign_scores(scores: ProposalScores) -> MatchedScores:
    """Assign proposals to objects by the unsupervised protocol of DAVIS 2017.

    The assignment maximises the summed mean over frames of (J + F) / 2; missing proposals are empty
    masks (Caelles et al., "The 2019 DAVIS Challenge on VOS", Sec. 3).
    """
    scores = scores.padded(len(scores.empty_region))
    quality = ((scores.region + scores.contour) / 2).mean(axis=-1)
    chosen = match_proposals(quality)
    picked = (chosen, range(len(chosen)))
    return MatchedScores(scores.region[picked], scores.contour[picked])


def resolve_overlaps(masks: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Give each pixel to the one mask of the highest score in its frame; the first wins a tie.

    Args:
        masks: (N, T, H, W) bool.
        scores: (N, T) float.

    Returns:
        (N, T, H, W) bool without overlap.
    """
    if masks.shape[:2] != np.shape(scores):
        raise ValueError(f'masks {masks.shape} and scores {np.shape(scores)} do not match')
    resolved = np.zeros_like(masks)
    for frame in range(masks.shape[1]):
        taken = np.zeros(masks.shape[2:], dtype=bool)
        for index in np.argsort(-np.asarray(scores)[:, frame], kind='stable'):
            resolved[index, frame] = masks[index, frame] & ~taken
            taken |= masks[index, frame]
    return resolved
