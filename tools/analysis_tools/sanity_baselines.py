"""Check that a model uses its expressions: compare J with two baselines.

``python tools/analysis_tools/sanity_baselines.py CONFIG CHECKPOINT`` prints, for some videos of the
test set:

* **right sentences**: J of the positive pairs, as in a test;
* **shuffled sentences**: each pair has the expression of another object, drawn from the same pairs
  with ``--seed``, and is scored against its own object;
* **centre blob**: a circle in the centre of every frame with the mean area of the annotated
  objects, without a model.

For a model that uses the expressions, the first number is well above the other two. For a model
that ignores them, the first two are equal. All masks are taken before the gate, so a wrong
expression gives the wrong object instead of an empty mask.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from r2vos_mm.apis.build_model import build_model, model_parser
from r2vos_mm.utils.cli import UsageError, check_outputs, progress, short_errors
from r2vos_mm.utils.files import write_json

if TYPE_CHECKING:
    from r2vos_mm.datasets import BaseReferringDataset, Pair
    from r2vos_mm.models.segmentors import ReferringVideoSegmentor


@dataclass(frozen=True)
class Baselines:
    """Mean J in percent, each over the same pairs.

    Attributes:
        right: with the correct expressions.
        shuffled: with expressions of other objects.
        blob: for the centre blob.
        num_videos: videos that were used.
        num_pairs: positive pairs of these videos.
        seconds_per_video: wall-clock time of loading, segmenting and scoring one video.
    """

    right: float
    shuffled: float
    blob: float
    num_videos: int
    num_pairs: int
    seconds_per_video: float


@dataclass(frozen=True)
class Subject:
    """A positive pair and the index of its video in the dataset."""

    video: int
    pair: Pair

    @property
    def target(self) -> tuple[int, str]:
        """Video and object of the pair."""
        return self.video, self.pair.obj_id


def positive_pairs(dataset: BaseReferringDataset, items: Sequence[int]) -> list[Subject]:
    """Return the positive pairs of some items of a dataset in test mode, in their order.

    Raises:
        UsageError: There are none, or their objects are unknown.
    """
    subjects = [
        Subject(item, pair)
        for item in items
        for pair in dataset.test_pairs(dataset.videos[dataset.get_data_info(item)['video']])
        if not pair.is_negative
    ]
    if not subjects or not all(subject.pair.obj_id for subject in subjects):
        raise UsageError(
            f'the test set of the config ({dataset.data_root}) has no ground truth: '
            'set test_dataloader.dataset to a split with masks and obj_id'
        )
    return subjects


def shuffle_sentences(subjects: Sequence[Subject], *, seed: int) -> list[str]:
    """Draw a permutation in which no pair has an expression of its own object.

    Args:
        subjects: positive pairs.
        seed: random seed.

    Raises:
        UsageError: there is no such permutation.
    """
    from scipy.optimize import linear_sum_assignment

    own: dict[tuple[int, str], set[str]] = {}
    for subject in subjects:
        own.setdefault(subject.target, set()).add(subject.pair.text)
    sentences = [subject.pair.text for subject in subjects]
    forbidden = np.array(
        [[sentence in own[subject.target] for sentence in sentences] for subject in subjects]
    )
    # The assignment with the lowest random costs is a random permutation. A forbidden expression
    # costs more than all others together.
    cost = np.random.default_rng(seed).random(forbidden.shape) + len(subjects) * forbidden
    rows, columns = linear_sum_assignment(cost)
    if forbidden[rows, columns].any():
        raise UsageError(
            f'the {len(subjects)} sentences cannot be shuffled so that each gets one '
            'of another object: use more videos (--num-videos)'
        )
    return [sentences[column] for column in columns]


def centre_blob(size: tuple[int, int], share: float) -> np.ndarray:
    """Return a centred circle (H, W) bool that covers ``share`` of the frame."""
    height, width = size
    y, x = np.mgrid[:height, :width]
    squared_radius = share * height * width / np.pi
    return (y - (height - 1) / 2) ** 2 + (x - (width - 1) / 2) ** 2 <= squared_radius


def predict_masks(model: ReferringVideoSegmentor, item: dict, sentences: list[str]) -> np.ndarray:
    """Return masks (P, T, H0, W0) bool, before the gate, of P expressions for one video."""
    from mmengine.structures import InstanceData

    sample = item['data_samples'].clone()
    sample.gt_pairs = InstanceData(texts=sentences)
    batch = dict(inputs=[item['inputs']], data_samples=[sample])
    return model.test_step(batch)[0].pred_pairs.ungated_masks.numpy()


def score_video(
    model: ReferringVideoSegmentor, item: dict, right: list[str], wrong: list[str]
) -> tuple[list[float], list[float], np.ndarray]:
    """Return J with correct and shuffled expressions of P pairs, and masks (P, T, H0, W0)."""
    from r2vos_mm.evaluation import region_similarity

    pairs = item['data_samples'].gt_pairs
    truth = pairs.masks[~pairs.is_negative].numpy()
    masks = predict_masks(model, item, right + wrong)
    scores = [
        float(region_similarity(mask, true).mean())
        for mask, true in zip(masks, np.concatenate([truth, truth]))
    ]
    return scores[: len(right)], scores[len(right) :], truth


def blob_score(truths: Sequence[np.ndarray]) -> float:
    """Return the mean J of the centre blob over the pairs of all videos.

    Args:
        truths: per video (P, T, H0, W0) bool.
    """
    from r2vos_mm.evaluation import region_similarity

    shares = np.concatenate([truth.mean((-2, -1)).ravel() for truth in truths])
    share = float(shares[shares > 0].mean()) if shares.any() else 0.0
    scores = []
    for truth in truths:
        blob = centre_blob(truth.shape[-2:], share)
        scores += [
            region_similarity(np.broadcast_to(blob, true.shape), true).mean() for true in truth
        ]
    return float(np.mean(scores))


def fitting_videos(
    model: ReferringVideoSegmentor, dataset: BaseReferringDataset, *, max_seconds: float
) -> int:
    """Return how many videos can be measured in ``max_seconds``, at least three.

    Segments and scores the first video once to measure the speed.
    """
    expressions = [subject.pair.text for subject in positive_pairs(dataset, [0])]
    start = time.monotonic()
    score_video(model, dataset[0], expressions, expressions)
    seconds = time.monotonic() - start
    return max(3, int(max_seconds / seconds) - 1)


def measure(
    model: ReferringVideoSegmentor, dataset: BaseReferringDataset, *, num_videos: int, seed: int = 0
) -> Baselines:
    """Compute all three for ``num_videos`` videos spread over the dataset.

    Raises:
        UsageError: There is no ground truth, or the expressions cannot be shuffled.
    """
    from r2vos_mm.visualization import spread

    items = spread(len(dataset), num_videos)
    subjects = positive_pairs(dataset, items)
    wrong = shuffle_sentences(subjects, seed=seed)
    right_scores, wrong_scores, truths = [], [], []
    start = time.monotonic()
    for item in progress(items, 'videos'):
        rows = [row for row, subject in enumerate(subjects) if subject.video == item]
        right_j, wrong_j, truth = score_video(
            model,
            dataset[item],
            [subjects[row].pair.text for row in rows],
            [wrong[row] for row in rows],
        )
        right_scores += right_j
        wrong_scores += wrong_j
        truths.append(truth)
    return Baselines(
        right=100 * float(np.mean(right_scores)),
        shuffled=100 * float(np.mean(wrong_scores)),
        blob=100 * blob_score(truths),
        num_videos=len(items),
        num_pairs=len(subjects),
        seconds_per_video=(time.monotonic() - start) / len(items),
    )


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = model_parser(__doc__)
    parser.add_argument('--seed', type=int, default=0, help='seed of the shuffling')
    parser.add_argument(
        '--max-seconds',
        type=float,
        help='take only as many of the --num-videos as fit into this time; the first is timed',
    )
    return parser.parse_args(arguments)


def print_table(baselines: Baselines) -> None:
    """Print all three."""
    from rich.console import Console
    from rich.table import Table

    table = Table('')
    table.add_column('J', justify='right')
    for name, value in (
        ('right sentences', baselines.right),
        ('shuffled sentences', baselines.shuffled),
        ('centre blob', baselines.blob),
    ):
        table.add_row(name, f'{value:.1f}')
    print(
        f'\nJ of {baselines.num_pairs} positive pairs in {baselines.num_videos} videos, masks '
        'before the gate'
    )
    Console().print(table)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    args = parse_args(arguments)
    with short_errors(args.debug):
        check_outputs(args, 'out')
        model = build_model(args)

        import torch

        from r2vos_mm.apis.inference import autocast
        from r2vos_mm.registry import DATASETS
        from r2vos_mm.utils.logging import quiet

        with quiet(), torch.no_grad(), autocast(model, args.precision):
            dataset = DATASETS.build(model.cfg.test_dataloader.dataset)
            num_videos = args.num_videos
            if args.max_seconds is not None:
                fitting = fitting_videos(model, dataset, max_seconds=args.max_seconds)
                num_videos = min(num_videos, fitting)
            baselines = measure(model, dataset, num_videos=num_videos, seed=args.seed)
        print_table(baselines)
        if args.out:
            write_json(args.out, asdict(baselines), indent=2)


if __name__ == '__main__':
    main()
