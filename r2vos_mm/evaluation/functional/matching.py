"""Match proposals with objects when their identities are not given (DAVIS 2017 unsupervised)."""

from collections.abc import Sequence

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


def score_proposals(
    proposals: np.ndarray,
    objects: np.ndarray,
    *,
    void: np.ndarray | None = None,
    bound_th: float = 0.008,
) -> np.ndarray:
    """Score every proposal of one video, and an empty one, against every object.

    A long video can be scored in parts, to be joined with :func:`join_scores`.

    Args:
        proposals: (N, T, H, W) bool, usually without overlap.
        objects: (O, T, H, W) bool, O >= 1.
        void: (T, H, W) bool, pixels ignored in all masks.
        bound_th: see :func:`r2vos_mm.evaluation.contour_accuracy`.

    Returns:
        J and F as (2, N + 1, O, T) float64, the empty proposal last.

    Raises:
        ValueError: There are more than 20 proposals or no object, or sizes differ.
    """
    if len(proposals) > MAX_PROPOSALS or not len(objects):
        raise ValueError(
            f'{len(proposals)} proposals and {len(objects)} objects: the protocol takes at most '
            f'{MAX_PROPOSALS} proposals and needs an object'
        )
    scores = [
        [score_masks(proposal, truth, void=void, bound_th=bound_th) for truth in objects]
        for proposal in (*proposals, np.zeros(objects.shape[1:], dtype=bool))
    ]
    return np.array([[entry[:2] for entry in row] for row in scores]).transpose(2, 0, 1, 3)


def join_scores(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Join the frames of scores (2, N + 1, O, T); a proposal that a part lacks is empty in it."""
    number = max(part.shape[1] for part in parts)
    return np.concatenate([_padded(part, number) for part in parts], axis=-1)


def assign_scores(scores: np.ndarray) -> np.ndarray:
    """Assign proposals to objects by the unsupervised protocol of DAVIS 2017.

    The assignment maximises the summed mean over frames of (J + F) / 2; missing proposals are empty
    masks (Caelles et al., "The 2019 DAVIS Challenge on VOS", Sec. 3).

    Args:
        scores: J and F (2, N + 1, O, T) of :func:`score_proposals`.

    Returns:
        J and F of each object against its proposal, (2, O, T) float64.
    """
    num_objects = scores.shape[2]
    # The last one, which is empty, takes part only if proposals are missing.
    scores = _padded(scores, num_objects + 1)[:, : max(scores.shape[1] - 1, num_objects)]
    quality = ((scores[0] + scores[1]) / 2).mean(axis=-1)
    return scores[:, match_proposals(quality), range(num_objects)]


def _padded(scores: np.ndarray, number: int) -> np.ndarray:
    """Repeat the last proposal, which is empty, until there are ``number``."""
    missing = max(number - scores.shape[1], 0)
    return np.concatenate([scores, *[scores[:, -1:]] * missing], axis=1)


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
    taken = np.zeros(masks.shape[1:], dtype=bool)
    frames = range(masks.shape[1])
    for indices in np.argsort(-np.asarray(scores), axis=0, kind='stable'):
        resolved[indices, frames] = masks[indices, frames] & ~taken
        taken |= masks[indices, frames]
    return resolved
