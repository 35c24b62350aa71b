"""Check that a model uses its expressions: compare J with baselines, by kind of expression.

``python tools/analysis_tools/sanity_baselines.py CONFIG CHECKPOINT`` prints, for some videos of the
test set:

* **right sentences**: J of the positive pairs, as in a test;
* **shuffled sentences**: each pair gets the expression of another object, chosen at random from the
  same pairs with ``--seed``, and is scored against its own object;
* **centre blob**: a circle in the centre of every frame with the mean area of the annotated
  objects, without a model.

``--kinds`` adds expressions that are wrong on purpose, scored against the object of the pair:

* ``other_videos``: the expressions of all other videos;
* ``changed_colours``: three versions of each expression that names a colour, with another colour;
  compared with these expressions only.

``--by-words`` also lists the right expressions that name a colour, a place or relation, or an
action (a word in "-ing"), and those that name none of them. An expression may name several.

For a model that uses the expressions, the first number is well above the others. For a model
that ignores them, they are equal. All masks are those before the gate, so a wrong expression gives
the wrong object instead of an empty mask. AUROC measures how well the verdict separates the right
expressions from the wrong ones, and AUROC of the words how well word maps alone do, if the model
has them.
"""

from __future__ import annotations

import argparse
import csv
import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from r2vos_mm.cli.model_options import build_model, model_parser
from r2vos_mm.utils.cli import UsageError, check_outputs, positive, progress, short_errors
from r2vos_mm.utils.files import atomic_path, write_json

if TYPE_CHECKING:
    from r2vos_mm.datasets import BaseReferringDataset, Pair
    from r2vos_mm.models.segmentors import ReferringVideoSegmentor


RIGHT, SHUFFLED, BLOB = 'right', 'shuffled', 'blob'
OTHER_VIDEOS, CHANGED_COLOURS = 'other_videos', 'changed_colours'
KINDS = (SHUFFLED, OTHER_VIDEOS, CHANGED_COLOURS)
NUM_COLOURS = 3  # versions of an expression
COLOUR, RELATION, ACTION, NEITHER = 'colour', 'relation', 'action', 'neither'
_ACTION = re.compile(r'\b(?!(?:some|any|no|every)thing\b)\w{2,}ing\b')
_TITLES = {
    RIGHT: 'right sentences',
    SHUFFLED: 'shuffled sentences',
    OTHER_VIDEOS: "other videos' sentences",
    CHANGED_COLOURS: 'changed colours',
    BLOB: 'centre blob',
    COLOUR: 'right, with a colour',
    RELATION: 'right, with a place or relation',
    ACTION: 'right, with an action',
    NEITHER: 'right, with none of these',
}


@dataclass(frozen=True)
class Answer:
    """What a model predicts for an expression and a video, compared with the object of a pair.

    Attributes:
        video: name.
        kind: of the expression, ``right`` or one of :data:`KINDS`.
        text: the expression.
        original: the expression of the pair.
        j, f: in [0, 1], of masks before the gate.
        verdict: logit of presence; NaN for models without verdict.
        words: logit of presence by word maps; NaN for models without them.
    """

    video: str
    kind: str
    text: str
    original: str
    j: float
    f: float
    verdict: float
    words: float


@dataclass(frozen=True)
class Row:
    """Means over expressions of one kind: J and J&F in percent, AUROC in [0, 1] or NaN."""

    count: int
    j: float
    j_and_f: float
    auroc: float
    auroc_words: float


@dataclass(frozen=True)
class Baselines:
    """What was measured.

    Attributes:
        right, shuffled: mean J in percent with correct expressions and those of other objects.
        blob: mean J in percent of the centre blob.
        kinds: a :class:`Row` for each kind of expression.
        words: a :class:`Row` for the right expressions that name a colour, relation or action.
        num_videos: videos that were used.
        num_pairs: positive pairs of these videos.
        seconds_per_video: wall-clock time of loading, segmenting and scoring one video.
    """

    right: float
    shuffled: float
    blob: float
    kinds: dict[str, Row]
    words: dict[str, Row]
    num_videos: int
    num_pairs: int
    seconds_per_video: float


@dataclass(frozen=True)
class Subject:
    """A positive pair, the index of its video in the dataset, and its row among those of it."""

    video: int
    pair: Pair
    row: int = 0

    @property
    def target(self) -> tuple[int, str]:
        """Video and object of the pair."""
        return self.video, self.pair.obj_id


def positive_pairs(dataset: BaseReferringDataset, items: Sequence[int]) -> list[Subject]:
    """Return the positive pairs of some items of a dataset in test mode, in their order.

    Raises:
        UsageError: There are none, or their objects are unknown.
    """
    subjects = []
    for item in items:
        pairs = dataset.test_pairs(dataset.videos[dataset.get_data_info(item)['video']])
        positives = [pair for pair in pairs if not pair.is_negative]
        subjects += [Subject(item, pair, row) for row, pair in enumerate(positives)]
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


def expressions_of_others(subjects: Sequence[Subject]) -> list[tuple[Subject, str]]:
    """Pair the first pair of each object with every expression of the other videos."""
    first = {subject.target: subject for subject in reversed(subjects)}
    return [
        (subject, other.pair.text)
        for subject in reversed(first.values())
        for other in subjects
        if other.video != subject.video
    ]


def changed_colours(subjects: Sequence[Subject], *, seed: int) -> list[tuple[Subject, str]]:
    """Return up to three versions, in other colours, of each expression that names one.

    New colours occur in no expression of the video and are not confused with the old one.
    """
    from r2vos_mm.datasets.pairs.words import COLOURS, change_one_word

    rng, changed = np.random.default_rng(seed), []
    for subject in subjects:
        text = subject.pair.text.replace('silver', 'grey')  # which is not in the list
        avoid = ' '.join(x.pair.text for x in subjects if x.video == subject.video)
        tries = [change_one_word(text, (COLOURS,), avoid=avoid, rng=rng) for _ in range(50)]
        versions = list(dict.fromkeys(filter(None, tries)))[:NUM_COLOURS]
        changed += [(subject, version) for version in versions]
    return changed


def questions(
    subjects: Sequence[Subject], kinds: Sequence[str], *, seed: int
) -> list[tuple[Subject, str, str]]:
    """Return (pair, kind, expression) for the right expressions and those of ``kinds``.

    Raises:
        UsageError: the expressions cannot be shuffled.
    """
    asked = {RIGHT: [(subject, subject.pair.text) for subject in subjects]}
    if SHUFFLED in kinds:
        asked[SHUFFLED] = [*zip(subjects, shuffle_sentences(subjects, seed=seed))]
    if OTHER_VIDEOS in kinds:
        asked[OTHER_VIDEOS] = expressions_of_others(subjects)
    if CHANGED_COLOURS in kinds:
        asked[CHANGED_COLOURS] = changed_colours(subjects, seed=seed)
    return [(subject, kind, text) for kind, some in asked.items() for subject, text in some]


def score_video(
    model: ReferringVideoSegmentor, item: dict, asked: Sequence[tuple[Subject, str, str]]
) -> tuple[list[Answer], np.ndarray]:
    """Ask a model about one video.

    Args:
        model: in evaluation mode.
        item: of the dataset in test mode, with its positive pairs.
        asked: questions about the video, see :func:`questions`.

    Returns:
        An answer to each question, and the masks (P, T, H0, W0) bool of the positive pairs.
    """
    from mmengine.structures import InstanceData

    from r2vos_mm.evaluation import contour_accuracy, region_similarity

    sample = item['data_samples'].clone()
    pairs = sample.gt_pairs
    truths = pairs.masks[~pairs.is_negative].numpy()
    texts = list(dict.fromkeys(text for _, _, text in asked))
    sample.gt_pairs = InstanceData(texts=texts)
    batch = dict(inputs=[item['inputs']], data_samples=[sample])
    found = model.test_step(batch)[0].pred_pairs
    answers = []
    for subject, kind, text in asked:
        row, true = texts.index(text), truths[subject.row]
        mask = found.ungated_masks[row].numpy()
        logit = -float(found.misalignment_logits[row])
        answers.append(
            Answer(
                sample.video_id,
                kind,
                text,
                subject.pair.text,
                j=float(region_similarity(mask, true).mean()),
                f=float(contour_accuracy(mask, true).mean()),
                verdict=logit if np.isfinite(logit) else float('nan'),
                words=float(found.word_logits[row]) if 'word_logits' in found else float('nan'),
            )
        )
    return answers, truths


def named(text: str) -> set[str]:
    """Return what an expression names: a colour, relation or action, or neither."""
    from r2vos_mm.datasets.pairs.words import COLOURS, RELATIONS, has_words

    text = text.lower()
    found = {
        COLOUR: any(has_words(text, word) for word in (*COLOURS, 'silver')),
        RELATION: any(has_words(text, word) for words in RELATIONS for word in words),
        ACTION: _ACTION.search(text),
    }
    return {name for name, is_named in found.items() if is_named} or {NEITHER}


def rows_by_words(answers: Sequence[Answer]) -> dict[str, Row]:
    """Return the means of the right expressions by what they name."""
    right = [(x, named(x.text)) for x in answers if x.kind == RIGHT]
    members = {
        name: [x for x, names in right if name in names]
        for name in (COLOUR, RELATION, ACTION, NEITHER)
    }
    return {name: table_row(some, RIGHT) for name, some in members.items() if some}


def table_row(answers: Sequence[Answer], kind: str) -> Row:
    """Return the means of the answers of a kind."""
    from r2vos_mm.evaluation.functional.verdict import auroc

    some = [x for x in answers if x.kind == kind]
    right = [x for x in answers if x.kind == RIGHT]
    if kind == CHANGED_COLOURS:
        changed = {(x.video, x.original) for x in some}
        right = [x for x in right if (x.video, x.text) in changed]
    scores = [
        float('nan')
        if kind == RIGHT or any(np.isnan(getattr(x, name)) for x in right + some)
        else auroc([getattr(x, name) for x in right], [getattr(x, name) for x in some])
        for name in ('verdict', 'words')
    ]
    j, f = (100 * float(np.mean([getattr(x, name) for x in some] or [np.nan])) for name in 'jf')
    return Row(len(some), j, (j + f) / 2, *scores)


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
    subjects = positive_pairs(dataset, [0])
    start = time.monotonic()
    score_video(model, dataset[0], [(x, RIGHT, x.pair.text) for x in subjects])
    seconds = 2 * (time.monotonic() - start)  # right and shuffled
    return max(3, int(max_seconds / seconds) - 1)


def sparse(item: dict, every: int) -> dict:
    """Return every n-th frame of an item of a dataset in test mode."""
    if every == 1:
        return item
    sample = item['data_samples'].clone()
    sample.gt_pairs.masks = sample.gt_pairs.masks[:, ::every]
    return dict(inputs=item['inputs'][::every], data_samples=sample)


def measure(
    model: ReferringVideoSegmentor,
    dataset: BaseReferringDataset,
    *,
    num_videos: int,
    kinds: Sequence[str] = (SHUFFLED,),
    every: int = 1,
    seed: int = 0,
) -> tuple[Baselines, list[Answer]]:
    """Compute all values for ``num_videos`` videos spread over the dataset.

    Raises:
        UsageError: there is no ground truth, or the expressions cannot be shuffled.
    """
    from r2vos_mm.visualization import spread

    items = spread(len(dataset), num_videos)
    subjects = positive_pairs(dataset, items)
    asked = sorted(questions(subjects, kinds, seed=seed), key=lambda x: items.index(x[0].video))
    answers, truths, start = [], [], time.monotonic()
    by_video = [(video, [*some]) for video, some in groupby(asked, key=lambda x: x[0].video)]
    for video, some in progress(by_video, 'videos'):
        answered, truth = score_video(model, sparse(dataset[video], every), some)
        answers += answered
        truths.append(truth)
    rows = {kind: table_row(answers, kind) for kind in (RIGHT, *kinds)}
    baselines = Baselines(
        right=rows[RIGHT].j,
        shuffled=rows[SHUFFLED].j if SHUFFLED in rows else float('nan'),
        blob=100 * blob_score(truths),
        kinds=rows,
        words=rows_by_words(answers),
        num_videos=len(items),
        num_pairs=len(subjects),
        seconds_per_video=(time.monotonic() - start) / len(items),
    )
    return baselines, answers


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = model_parser(__doc__)
    parser.add_argument('--seed', type=int, default=0, help='seed of the shuffling')
    parser.add_argument(
        '--max-seconds',
        type=float,
        help='take only as many of the --num-videos as fit into this time; the first is timed',
    )
    parser.add_argument(
        '--kinds',
        nargs='*',
        choices=KINDS,
        default=[SHUFFLED],
        help='wrong expressions (default: %(default)s)',
    )
    parser.add_argument(
        '--by-words', action='store_true', help='list the right expressions by what they name'
    )
    parser.add_argument('--every', type=positive(int), default=1, help='take every n-th frame')
    parser.add_argument('--csv', type=Path, help='file for one row per expression and video')
    return parser.parse_args(arguments)


def print_table(baselines: Baselines, *, by_words: bool) -> None:
    """Print a row for each kind of expression, and for each of ``baselines.words`` if asked."""
    from rich.console import Console
    from rich.table import Table

    table = Table('')
    for name in ('expressions', 'J', 'J&F', 'AUROC', 'AUROC of words'):
        table.add_column(name, justify='right')
    for kind, row in (baselines.kinds | (baselines.words if by_words else {})).items():
        numbers = (row.j, row.j_and_f, row.auroc, row.auroc_words)
        digits = (1, 1, 3, 3)
        cells = ['-' if np.isnan(x) else f'{x:.{d}f}' for x, d in zip(numbers, digits)]
        table.add_row(_TITLES[kind], str(row.count), *cells)
    table.add_row(_TITLES[BLOB], '', f'{baselines.blob:.1f}')
    print(
        f'\nJ of {baselines.num_pairs} positive pairs in {baselines.num_videos} videos, masks '
        'before the gate'
    )
    Console().print(table)


def write_csv(path: Path, answers: Sequence[Answer]) -> None:
    """Write one row per answer."""
    with atomic_path(path) as temporary, open(temporary, 'w', newline='', encoding='utf-8') as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Answer)])
        writer.writeheader()
        writer.writerows(map(asdict, answers))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    args = parse_args(arguments)
    with short_errors(args.debug):
        check_outputs(args, 'out', 'csv')
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
            options = dict(kinds=args.kinds, every=args.every, seed=args.seed)
            baselines, answers = measure(model, dataset, num_videos=num_videos, **options)
        print_table(baselines, by_words=args.by_words)
        if args.csv:
            write_csv(args.csv, answers)
        if args.out:
            write_json(args.out, asdict(baselines), indent=2)


if __name__ == '__main__':
    main()
