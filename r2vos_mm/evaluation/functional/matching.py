"""Match proposals with objects when their identities are not given (DAVIS 2017 unsupervised)."""

from collections.abc import Sequence

import numpy as np

from .region_contour import score_masks

MAX_PROPOSALS = 20


def match_proposals(quality: np.ndarray) -> list[int]:
    """Return for each object its own proposal, so that the summed quality is largest (Hungarian).

    ``quality`` is (N, O), finite, of N proposals and O <= N objects; in the unsupervised protocol
    of DAVIS 2017 the mean over frames of (J + F) / 2.
    """
    from scipy.optimize import linear_sum_assignment  # slow to import

    quality = np.asarray(quality, dtype=np.float64)
    if quality.ndim != 2 or quality.shape[0] < quality.shape[1]:
        raise ValueError(f'quality {quality.shape} must be (N, O <= N): pad with empty proposals')
    if not np.isfinite(quality).all():
        raise ValueError(f'quality must be finite, got {quality}')
    proposals, objects = linear_sum_assignment(quality, maximize=True)
    return proposals[np.argsort(objects)].tolist()


def score_proposals(
    proposals: np.ndarray, objects: np.ndarray, *, void: np.ndarray | None, bound_th: float
) -> np.ndarray:
    """Return J and F (2, N + 1, O, T) of N proposals and, last, an empty one, against O objects.

    A long video can be scored in parts, to be joined with :func:`join_scores`.

    Args:
        proposals: (N, T, H, W) bool, usually without overlap, N <= 20.
        objects: (O, T, H, W) bool, O >= 1.
        void: (T, H, W) bool, pixels ignored in all masks, or None.
        bound_th: see :func:`.boundary_radius`.
    """
    if len(proposals) > MAX_PROPOSALS or not len(objects):
        counts = f'{len(proposals)} proposals and {len(objects)} objects'
        raise ValueError(f'{counts}: at most {MAX_PROPOSALS} proposals, at least 1 object')
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

    The assignment maximizes the summed mean over frames of (J + F) / 2; missing proposals are empty
    masks (Caelles et al., "The 2019 DAVIS Challenge on VOS", Sec. 3). From the (2, N + 1, O, T) of
    :func:`score_proposals` it takes the J and F of each object, (2, O, T) float64.
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
    """Return masks (N, T, H, W) bool where each pixel belongs to one of the highest score (N, T).

    The first wins a tie.
    """
    if masks.shape[:2] != np.shape(scores):
        raise ValueError(f'masks {masks.shape} and scores {np.shape(scores)} do not match')
    resolved = np.zeros_like(masks)
    for frame, order in enumerate(np.argsort(-np.asarray(scores), axis=0, kind='stable').T):
        taken = np.zeros(masks.shape[2:], dtype=bool)
        for index in order:
            resolved[index, frame] = masks[index, frame] & ~taken
            taken |= masks[index, frame]
    return resolved
