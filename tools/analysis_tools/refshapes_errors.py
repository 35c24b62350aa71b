"""Count which expressions of RefShapes find their object, and how wrong objects differ.

``python tools/analysis_tools/refshapes_errors.py CONFIG CHECKPOINT`` tests the true expressions
of some videos of the test set and prints

* for each kind of expression (appearance, position, motion, relation): J, the share that finds the
  right object, and the share that finds none;
* for each attribute (size, texture, colour, shape): the number of expressions about appearance that
  name it and find a wrong object, and how many of these objects differ in it.

The object found is the one whose ground-truth masks have the highest J with the prediction, or none
if J is below 10. All masks are those before the gate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from r2vos_mm.cli.model_options import build_model, model_parser
from r2vos_mm.utils.cli import UsageError, check_outputs, progress, short_errors
from r2vos_mm.utils.files import read_json, write_json

if TYPE_CHECKING:
    from r2vos_mm.datasets import BaseReferringDataset
    from r2vos_mm.models.segmentors import ReferringVideoSegmentor
    from r2vos_mm.structures import ReferringDataSample

# Below this overlap with every object, a mask counts as no object.
LOWEST_J = 0.1


@dataclass(frozen=True)
class Outcome:
    """Result of one expression.

    Attributes:
        kind: kind of the expression, as in ``worlds``.
        score: J with the masks of its object, in [0, 1].
        target: its object.
        found: the object with the highest overlap, None if there is none.
        named: attributes of its object that the expression names.
        differing: those of them in which the object found differs.
    """

    kind: str
    score: float
    target: str
    found: str | None
    named: tuple[str, ...]
    differing: tuple[str, ...]


@dataclass(frozen=True)
class KindScores:
    """Results of the expressions of one kind; J and the shares in percent."""

    sentences: int
    J: float
    right_object: float
    no_object: float


@dataclass(frozen=True)
class AttributeErrors:
    """Expressions about appearance that name an attribute.

    Attributes:
        sentences: their number.
        wrong_object: how many of them find a wrong object.
        differs: how many of those find one that differs in the attribute.
    """

    sentences: int
    wrong_object: int
    differs: int


def overlaps(prediction: np.ndarray, objects: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Return the mean J over frames of a mask (T, H, W) with each object's, (T, H, W) bool."""
    from r2vos_mm.evaluation import region_similarity

    return {
        name: float(region_similarity(prediction, mask).mean()) for name, mask in objects.items()
    }


def judge(
    expression: Mapping,
    world_objects: Mapping[str, Mapping],
    target: str,
    scores: Mapping[str, float],
) -> Outcome:
    """Return the outcome of an expression.

    Args:
        expression: its entry in ``worlds``: ``exp`` and ``kind``.
        world_objects: attributes of the objects of the video.
        target: object of the expression.
        scores: J of the prediction with each object, see :func:`overlaps`.
    """
    from r2vos_mm.datasets.refshapes_words import ATTRIBUTES

    best = max(scores, key=scores.__getitem__)
    found = best if scores[best] >= LOWEST_J else None
    look = world_objects[target]
    words = expression['exp'].split()
    named = tuple(field for field in ATTRIBUTES if look[field] in words)
    differing = (
        ()
        if found is None
        else tuple(field for field in named if world_objects[found][field] != look[field])
    )
    return Outcome(expression['kind'], scores[target], target, found, named, differing)


def video_outcomes(sample: ReferringDataSample, world: Mapping) -> list[Outcome]:
    """Return the outcomes of the true expressions of a tested video, in their order.

    Args:
        sample: with ``gt_pairs`` and ``pred_pairs``.
        world: entry of the video in ``worlds``.
    """
    pairs = sample.gt_pairs
    rows = [row for row, negative in enumerate(pairs.is_negative) if not negative]
    objects = {pairs.obj_ids[row]: pairs.masks[row].numpy() for row in rows}
    masks = sample.pred_pairs.ungated_masks.numpy()
    return [
        judge(
            world['expressions'][pairs.exp_ids[row]],
            world['objects'],
            pairs.obj_ids[row],
            overlaps(masks[row], objects),
        )
        for row in rows
    ]


def score_kind(outcomes: Sequence[Outcome]) -> KindScores:
    """Summarize some expressions, at least one."""
    return KindScores(
        len(outcomes),
        *(
            100 * float(np.mean(column))
            for column in zip(*((o.score, o.found == o.target, o.found is None) for o in outcomes))
        ),
    )


def by_kind(outcomes: Sequence[Outcome]) -> dict[str, KindScores]:
    """Summarize each kind of expression, and all."""
    groups = {
        kind: [o for o in outcomes if o.kind == kind] for kind in sorted({o.kind for o in outcomes})
    }
    return {kind: score_kind(group) for kind, group in (groups | dict(all=outcomes)).items()}


def by_attribute(outcomes: Sequence[Outcome]) -> dict[str, AttributeErrors]:
    """Count how the wrong objects of expressions about appearance differ."""
    from r2vos_mm.datasets.refshapes_words import ATTRIBUTES

    errors = {}
    for field in ATTRIBUTES:
        naming = [o for o in outcomes if o.kind == 'appearance' and field in o.named]
        wrong = [o for o in naming if o.found not in (o.target, None)]
        errors[field] = AttributeErrors(
            len(naming), len(wrong), sum(field in o.differing for o in wrong)
        )
    return errors


def measure(
    model: ReferringVideoSegmentor,
    dataset: BaseReferringDataset,
    worlds: Mapping[str, Mapping],
    *,
    num_videos: int,
) -> list[Outcome]:
    """Return the outcomes on ``num_videos`` videos spread over the dataset.

    Args:
        model: ready to test.
        dataset: RefShapes in test mode.
        worlds: video id to its entry in ``worlds``.
        num_videos: at least 1.
    """
    from r2vos_mm.visualization import spread

    outcomes = []
    for item in progress(spread(len(dataset), num_videos), 'videos'):
        data = dataset[item]
        batch = dict(inputs=[data['inputs']], data_samples=[data['data_samples']])
        sample = model.test_step(batch)[0]
        outcomes += video_outcomes(sample, worlds[sample.video_id])
    return outcomes


def read_worlds(dataset: BaseReferringDataset) -> dict[str, Mapping]:
    """Return the worlds of the dataset's videos.

    Raises:
        UsageError: The dataset is not RefShapes.
    """
    from r2vos_mm.datasets import R2VOSDataset

    if not isinstance(dataset, R2VOSDataset):
        raise UsageError(
            'the test set of the config is not RefShapes but '
            f'{type(dataset).__name__}: take a config of RefShapes'
        )
    path = Path(dataset.data_root) / 'worlds' / f'{dataset.split}.json'
    if not path.exists():
        raise UsageError(
            f'the test set of the config is not RefShapes: there is no {path}. Make '
            'one with tools/dataset_converters/make_refshapes.py'
        )
    return read_json(path)['videos']


def print_tables(outcomes: Sequence[Outcome]) -> None:
    """Print both tables."""
    from rich.console import Console
    from rich.table import Table

    kinds = Table('sentences about', '', 'J', 'right object', 'no object')
    for kind, row in by_kind(outcomes).items():
        kinds.add_row(
            kind,
            str(row.sentences),
            f'{row.J:.1f}',
            f'{row.right_object:.0f} %',
            f'{row.no_object:.0f} %',
        )
    attributes = Table('appearance naming', '', 'wrong object', 'which differs in it')
    for field, row in by_attribute(outcomes).items():
        attributes.add_row(field, str(row.sentences), str(row.wrong_object), str(row.differs))
    console = Console()
    console.print(kinds)
    console.print(attributes)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    args = model_parser(__doc__).parse_args(arguments)
    with short_errors(args.debug):
        check_outputs(args, 'out')
        model = build_model(args)

        import torch

        from r2vos_mm.apis.inference import autocast
        from r2vos_mm.registry import DATASETS
        from r2vos_mm.utils.logging import quiet

        with quiet(), torch.no_grad(), autocast(model, args.precision):
            # Without its pairs file, the data set has the true expressions only.
            dataset = DATASETS.build(dict(model.cfg.test_dataloader.dataset, pairs_file=None))
            worlds = read_worlds(dataset)
            outcomes = measure(model, dataset, worlds, num_videos=args.num_videos)
        print_tables(outcomes)
        if args.out:
            tables = dict(kinds=by_kind(outcomes), attributes=by_attribute(outcomes))
            record = {
                name: {key: asdict(row) for key, row in table.items()}
                for name, table in tables.items()
            }
            write_json(args.out, record, indent=2)


if __name__ == '__main__':
    main()
