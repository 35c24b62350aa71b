"""Score expressions that have no target: N-acc, T-acc, gIoU and cIoU of GRES, and S of Ref-AVS.

GRES: Liu et al., "GRES: Generalized Referring Expression Segmentation", CVPR 2023, Sec. 3. A sample
may be an image or a whole video: a video counts as "nothing predicted" when no frame has
foreground, and its pixels are summed over frames.
"""

from collections.abc import Sequence

import numpy as np

from .overlap import check_counts, mean_or_nan


def generalized_scores(
    intersections: Sequence[int],
    unions: Sequence[int],
    predicted: Sequence[int],
    has_target: Sequence[bool],
    *,
    clear_below: int = 0,
) -> dict[str, float]:
    """Return the scores of GRES over S samples, in [0, 1]; NaN without the samples in question.

    ``N_acc``: share of samples without target where nothing is predicted.
    ``T_acc``: share of samples with target where something is predicted.
    ``gIoU``: mean over all samples of the IoU, which is 1 or 0 without target.
    ``cIoU``: sum of intersections / sum of unions. A sample with target where nothing is predicted
    adds only its raw union; a sample without target adds what is predicted to the unions.
    ``Pr@0.7`` to ``Pr@0.9``: share of samples with target that have at least this IoU.

    Args:
        intersections, unions: (S,) pixels of prediction and annotation, and of either.
        predicted: (S,) predicted pixels.
        has_target: (S,) bool, whether the expression has a target.
        clear_below: a prediction of fewer pixels counts as "nothing predicted". Methods without a
            no-target head often use 50.
    """
    inter, union = check_counts(intersections, unions)
    area, target = np.asarray(predicted, dtype=np.int64), np.asarray(has_target, dtype=bool)
    if not len(inter) == len(area) == len(target):
        counts = f'{len(inter)} intersections, {len(area)} areas, {len(target)} has_target'
        raise ValueError(f'one entry per sample is needed, got {counts}')
    found = (area > 0) & (area >= clear_below)
    inter = np.where(found & target, inter, 0)
    union = np.where(target, union, np.where(found, area, 0))
    ious = np.divide(inter, union, out=np.ones(len(inter)), where=union > 0)
    total = int(union.sum())
    return {
        'N_acc': mean_or_nan(~found[~target]),
        'T_acc': mean_or_nan(found[target]),
        'gIoU': mean_or_nan(ious),
        'cIoU': int(inter.sum()) / total if total else float('nan'),
        **{f'Pr@{k}': mean_or_nan(ious[target] >= k) for k in (0.7, 0.8, 0.9)},
    }


def null_score(foreground: Sequence[int], pixels: Sequence[int]) -> float:
    """Return S of Ref-AVS for one video whose expression has no target; lower is better, 0 is best.

    ``S = sqrt(predicted foreground pixels / all pixels)``, each (T,) and summed over frames (Wang
    et al., "Ref-AVS", ECCV 2024; the released code takes the root, too). The S of a data set is the
    mean over its videos.
    """
    total = int(np.sum(pixels))
    if total <= 0:
        raise ValueError(f'a video must have pixels, got {list(pixels)}')
    return float(np.sqrt(int(np.sum(foreground)) / total))
