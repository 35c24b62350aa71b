"""Which proposal is scored against which object, when identities are not given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from .region_contour import score_masks

MAX_PROPOSALS = 20


@dataclass(frozen=True)
class Assignment:
    """Result of a matching.

    Attributes:
        proposals: (O,) index of the proposal assigned to each object.
        qualities: (O,) quality of the assigned pairs.
    """

    proposals: tuple[int, ...]
    qualities: tuple[float, ...]


def match_proposals(quality: np.ndarray) -> Assignment:
    """Give each object its own proposal so that the summed quality is largest (Hungarian method).

    Args:
        quality: (N, O) of N proposals and O <= N objects; in the unsupervised protocol of DAVIS
            2017 the mean over frames of (J + F) / 2.

    Raises:
        ValueError: if there are fewer proposals than objects, or a quality is not finite.
    """
    quality = np.asarray(quality, dtype=np.float64)
    if quality.ndim != 2 or quality.shape[0] < quality.shape[1]:
        raise ValueError(
            f'quality must be (proposals, objects) with at least as many proposals, got '
            f'{quality.shape}: pad with empty proposals'
        )
    if not np.isfinite(quality).all():
        raise ValueError(f'quality must be finite, got {quality}')
    proposals, objects = linear_sum_assignment(quality, maximize=True)
    chosen = proposals[np.argsort(objects)]
    return Assignment(
        tuple(chosen.tolist()), tuple(quality[chosen, np.arange(quality.shape[1])].tolist())
    )


@dataclass(frozen=True)
class MatchedScores:
    """J and F of O objects, each against the proposal assigned to it.

    Attributes:
        region: J, (O, T) float64.
        contour: F, (O, T) float64.
        proposals: (O,) index of the proposal of each object; an index from N on is an empty mask
            that was added for want of proposals.
    """

    region: np.ndarray
    contour: np.ndarray
    proposals: tuple[int, ...]


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
        """The same with empty masks added behind the last proposal, up to ``number``."""
        missing = max(number - len(self.region), 0)
        return replace(
            self,
            region=np.concatenate([self.region, *[self.empty_region[None]] * missing]),
            contour=np.concatenate([self.contour, *[self.empty_contour[None]] * missing]),
        )

    @classmethod
    def join(cls, parts: Sequence[ProposalScores]) -> ProposalScores:
        """The frames of all ``parts``; a proposal that a part lacks is empty in it."""
        number = max(len(part.region) for part in parts)
        parts = [part.padded(number) for part in parts]
        return cls(
            *(
                np.concatenate([getattr(part, field.name) for part in parts], axis=-1)
                for field in fields(cls)
            )
        )


def score_proposals(
    proposals: np.ndarray,
    objects: np.ndarray,
    *,
    void: np.ndarray | None = None,
    bound_th: float = 0.008,
) -> MatchedScores:
    """J and F of the objects of one video in the unsupervised protocol of DAVIS 2017.

    Every proposal is scored against every object; the assignment maximises the summed mean over
    frames of (J + F) / 2 (Caelles et al., "The 2019 DAVIS Challenge on VOS", Sec. 3).

    Args:
        proposals: (N, T, H, W) bool, N <= 20, usually without overlap.
        objects: (O, T, H, W) bool.
        void: (T, H, W) bool, pixels left out of all masks.
        bound_th: see :func:`r2vos_mm.evaluation.contour_accuracy`.

    Raises:
        ValueError: for more than 20 proposals, no object, or sizes that differ.
    """
    if len(proposals) > MAX_PROPOSALS or not len(objects):
        raise ValueError(
            f'{len(proposals)} proposals and {len(objects)} objects: the protocol takes at most '
            f'{MAX_PROPOSALS} proposals and needs an object'
        )
    return assign_scores(proposal_scores(proposals, objects, void=void, bound_th=bound_th))


def proposal_scores(
    proposals: np.ndarray,
    objects: np.ndarray,
    *,
    void: np.ndarray | None = None,
    bound_th: float = 0.008,
) -> ProposalScores:
    """J and F of every proposal against every object, arguments as in :func:`score_proposals`.

    A long video can be scored in parts, which :meth:`ProposalScores.join` puts together.
    """
    empty = np.zeros(objects.shape[1:], dtype=bool)
    scores = [
        [score_masks(proposal, truth, void=void, bound_th=bound_th) for truth in objects]
        for proposal in [*proposals, empty]
    ]
    region, contour = (
        np.array([[getattr(entry, name) for entry in row] for row in scores])
        for name in ('region', 'contour')
    )
    return ProposalScores(region[:-1], contour[:-1], region[-1], contour[-1])


def assign_scores(scores: ProposalScores) -> MatchedScores:
    """The scores of each object with the proposal that is assigned to it."""
    scores = scores.padded(len(scores.empty_region))
    quality = ((scores.region + scores.contour) / 2).mean(axis=-1)
    chosen = match_proposals(quality).proposals
    picked = (list(chosen), range(len(chosen)))
    return MatchedScores(scores.region[picked], scores.contour[picked], chosen)


def resolve_overlaps(masks: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Give each pixel to the one mask of the highest score in its frame; the first wins a tie.

    Args:
        masks: (N, T, H, W) bool.
        scores: (N, T) float.

    Returns:
        (N, T, H, W) bool without overlap.
    """
    if masks.shape[:2] != np.shape(scores):
        raise ValueError(f'masks {masks.shape} and scores {np.shape(scores)} do not go together')
    resolved = np.zeros_like(masks)
    for frame in range(masks.shape[1]):
        taken = np.zeros(masks.shape[2:], dtype=bool)
        for index in np.argsort(-np.asarray(scores)[:, frame], kind='stable'):
            resolved[index, frame] = masks[index, frame] & ~taken
            taken |= masks[index, frame]
    return resolved
