"""Measure the speed of J and F, compared with a direct implementation of the DAVIS definition.

The folder contains one folder of masks per method or annotation, each with one folder of PNGs per
video. All pixels other than 0 are foreground:

    python tools/analysis_tools/benchmark_metrics.py path/to/masks --pred osvos --gt gt

Both implementations run on one thread and must give equal results. Times are CPU times, the best of
several runs on each video, without reading the files.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from r2vos_mm.evaluation import contour_accuracy, region_similarity, score_masks
from r2vos_mm.utils.cli import UsageError, check_outputs, parser_of, short_errors
from r2vos_mm.utils.files import stems, write_json
from r2vos_mm.utils.masks_io import read_label_png

Score = Callable[[np.ndarray, np.ndarray], np.ndarray]


def naive_region(pred: np.ndarray, gt: np.ndarray, void: np.ndarray | None = None) -> float:
    """Return J of one frame (H, W), by definition."""
    valid = np.ones_like(gt) if void is None else ~void
    union = np.sum((pred | gt) & valid)
    return 1.0 if union == 0 else float(np.sum(pred & gt & valid) / union)


def naive_boundary(mask: np.ndarray) -> np.ndarray:
    """Return the pixels (H, W) that differ from their right, lower or lower-right neighbour."""
    right, lower, diagonal = mask.copy(), mask.copy(), mask.copy()
    right[:, :-1] = mask[:, 1:]
    lower[:-1, :] = mask[1:, :]
    diagonal[:-1, :-1] = mask[1:, 1:]
    boundary = mask ^ right | mask ^ lower | mask ^ diagonal
    boundary[-1, :] = mask[-1, :] ^ right[-1, :]
    boundary[:, -1] = mask[:, -1] ^ lower[:, -1]
    boundary[-1, -1] = False
    return boundary


def naive_contour(
    pred: np.ndarray, gt: np.ndarray, void: np.ndarray | None = None, bound_th: float = 0.008
) -> float:
    """Return F of one frame (H, W), by definition, with dilation by a disk."""
    import cv2

    if void is not None:
        pred, gt = pred & ~void, gt & ~void
    radius = int(np.ceil(bound_th * np.linalg.norm(gt.shape)))
    dy, dx = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disk = (dx**2 + dy**2 <= radius**2).astype(np.uint8)
    pred_boundary, gt_boundary = naive_boundary(pred), naive_boundary(gt)
    pred_matched = pred_boundary & cv2.dilate(gt_boundary.astype(np.uint8), disk).astype(bool)
    gt_matched = gt_boundary & cv2.dilate(pred_boundary.astype(np.uint8), disk).astype(bool)
    num_pred, num_gt = np.sum(pred_boundary), np.sum(gt_boundary)
    if num_pred == 0 or num_gt == 0:
        return float(num_pred == num_gt)
    precision, recall = np.sum(pred_matched) / float(num_pred), np.sum(gt_matched) / float(num_gt)
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


def naive_scores(pred: np.ndarray, gt: np.ndarray) -> np.ndarray:
    """Return J and F of T frames, (2, T)."""
    return np.array([[naive_region(p, g), naive_contour(p, g)] for p, g in zip(pred, gt)]).T


def fast_scores(pred: np.ndarray, gt: np.ndarray) -> np.ndarray:
    """Return J and F of T frames, (2, T), as computed by this package."""
    scores = score_masks(pred, gt)
    return np.stack([scores.region, scores.contour])


def read_video(folder: Path, pred: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return predicted and annotated masks (T, H, W) bool of the PNGs in an annotated folder.

    Raises:
        UsageError: The folder has no PNGs, or sizes differ.
        DataFileError: A mask is missing or broken.
    """
    names = sorted(stems(folder, '.png'))
    masks = [
        [read_label_png(top / f'{name}.png') > 0 for name in names]
        for top in (pred / folder.name, folder)
    ]
    if not names or len({mask.shape for of in masks for mask in of}) > 1:
        raise UsageError(f'{folder} has no PNGs, or masks of {folder.name} differ in size')
    return np.stack(masks[0]), np.stack(masks[1])


def best_time(score: Score, videos: list[tuple[np.ndarray, np.ndarray]], repeats: int) -> float:
    """Return the CPU seconds for all videos, each the best of ``repeats`` runs after a warm-up."""
    return sum(min(_run_times(score, *video, repeats)) for video in videos)


def _run_times(score: Score, pred: np.ndarray, gt: np.ndarray, repeats: int) -> list[float]:
    """Return the CPU seconds of each run on one video."""
    score(pred, gt)
    times = []
    for _ in range(repeats):
        start = time.process_time()
        score(pred, gt)
        times.append(time.process_time() - start)
    return times


def shrink(masks: np.ndarray, size: int) -> np.ndarray:
    """Return masks (T, size, size) by nearest neighbour, as in small data sets."""
    rows = np.arange(size) * masks.shape[1] // size
    columns = np.arange(size) * masks.shape[2] // size
    return np.ascontiguousarray(masks[:, rows][:, :, columns])


def compare(
    name: str, videos: list[tuple[np.ndarray, np.ndarray]], repeats: int
) -> dict[str, float | str]:
    """Return the times per frame of both implementations and the largest difference."""
    frames = sum(len(pred) for pred, _ in videos)
    difference = max(
        float(np.abs(fast_scores(*video) - naive_scores(*video)).max()) for video in videos
    )
    naive = best_time(naive_scores, videos, repeats)
    entry: dict[str, float | str] = {
        'masks': name,
        'frames': frames,
        'largest_difference': difference,
        'naive_us_per_frame': 1e6 * naive / frames,
    }
    forms = {'J_and_F': fast_scores, 'J': region_similarity, 'F': contour_accuracy}
    for form, score in forms.items():
        seconds = best_time(score, videos, repeats)
        entry[f'{form}_us_per_frame'] = 1e6 * seconds / frames
        if form == 'J_and_F':
            entry['times_faster'] = naive / seconds
    return entry


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = parser_of(__doc__)
    parser.add_argument('root', type=Path, help='folder that contains both folders of masks')
    parser.add_argument('--pred', default='osvos', help='folder of the predicted masks')
    parser.add_argument('--gt', default='gt', help='folder of the annotated masks')
    parser.add_argument('--repeats', type=int, default=3, help='timed runs; the best one is used')
    parser.add_argument('--json', type=Path, help='also write the results to this JSON file')
    return parser.parse_args()


def main() -> None:
    """Run the command line."""
    args = parse_args()
    with short_errors(args.debug):
        check_outputs(args, 'json')
        run(args)


def run(args: argparse.Namespace) -> None:
    """Compare both implementations on frames of full size and of 128x128 pixels."""
    import cv2

    cv2.setNumThreads(1)
    folders = sorted(path for path in (args.root / args.gt).iterdir() if path.is_dir())
    if not folders:
        raise UsageError(f'{args.root / args.gt} contains no folder of masks')
    videos = [read_video(folder, args.root / args.pred) for folder in folders]
    toy = [(shrink(pred, 128)[:8], shrink(gt, 128)[:8]) for pred, gt in videos]
    size = 'x'.join(map(str, videos[0][0].shape[1:]))
    entries = [
        compare(size, videos, args.repeats),
        compare('128x128, clips of 8', toy, 10 * args.repeats),
    ]
    for entry in entries:
        print(
            '\n'.join(
                f'{key:22}{value:>22}' if isinstance(value, str) else f'{key:22}{value:>22.6g}'
                for key, value in entry.items()
            ),
            end='\n\n',
        )
    if args.json:
        write_json(args.json, entries, indent=2)


if __name__ == '__main__':
    main()
