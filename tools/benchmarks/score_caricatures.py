"""Score five caricatures of models, to see what each metric rewards.

    python tools/dataset_converters/make_refshapes.py data/refshapes --train 0
    python tools/benchmarks/score_caricatures.py data/refshapes --out docs/images

None of them is a model: they read the annotation, and differ in which expressions they answer and
with which masks. The table and the picture, ``what_scores_mean.png``, are those of
docs/what_scores_mean.md. Any data set with pairs in the layout of Refer-YouTube-VOS can replace
RefShapes. All seeds are fixed, so results are the same on every machine.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from r2vos_mm.utils.cli import Progress, check_outputs, parser_of, short_errors
from r2vos_mm.utils.files import atomic_path, write_json

if TYPE_CHECKING:
    from r2vos_mm.structures import ReferringDataSample

BOUND_TH = 0.008
GROUPS = ('quality', 'robustness', 'cgf1', 'verdict', 'no_target', 'presence')
# Scores, and whether higher is better.
SCORES = {
    'J&F': True,
    'tIoU': True,
    'R': True,
    'R_frac': True,
    'J&F&R': True,
    'N_acc': True,
    'T_acc': True,
    'gIoU': True,
    'S': False,
    'AUROC': True,
    'IL_MCC': True,
    'cgF1': True,
}
IN_PERCENT = set(SCORES) - {'S', 'AUROC', 'IL_MCC'}


class Shown(NamedTuple):
    """A pair as the caricatures see it.

    Attributes:
        pair_id: its id.
        is_negative: whether the expression is about nothing in the video.
        target: annotated masks (T, H, W) bool of the expression; empty for negatives.
        objects: masks (I, T, H, W) bool of all annotated objects of the video.
    """

    pair_id: str
    is_negative: bool
    target: np.ndarray
    objects: np.ndarray


class Answer(NamedTuple):
    """Masks before the gate, and the consensus; the gate is open from 0.5 on."""

    masks: np.ndarray
    consensus: float


def generator(name: str, pair_id: str) -> np.random.Generator:
    """Return a generator whose seed is the hash of a caricature and a pair."""
    digest = hashlib.sha256(f'{name}|{pair_id}'.encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], 'big'))


def exact_masks(pair: Shown) -> np.ndarray:
    """Return the right masks for a positive pair, those of any object for a negative one."""
    if not pair.is_negative:
        return pair.target
    rng = generator('object', pair.pair_id)
    return pair.objects[int(rng.integers(len(pair.objects)))]


def always(pair: Shown) -> Answer:
    """Answer every expression."""
    return Answer(exact_masks(pair), 1.0)


def never(pair: Shown) -> Answer:
    """Answer none."""
    return Answer(np.zeros_like(pair.target), 0.0)


def at_random(pair: Shown) -> Answer:
    """Answer a random half of the expressions."""
    return Answer(exact_masks(pair), float(generator('random', pair.pair_id).random()))


def by_size(pair: Shown, *, typical: float) -> Answer:
    """Segment the largest object if it is larger than usual, regardless of the expression."""
    areas = pair.objects.mean(axis=(1, 2, 3))
    share = float(areas.max())
    return Answer(pair.objects[areas.argmax()], share / (share + typical))


def noisy_gate(pair: Shown) -> Answer:
    """Segment exactly, and decide correctly in 84 % of the cases."""
    noise = generator('gate', pair.pair_id).standard_normal()
    logit = noise + (-1 if pair.is_negative else 1)
    return Answer(exact_masks(pair), float(1 / (1 + np.exp(-logit))))


CARICATURES: dict[str, Callable[..., Answer]] = {
    'always': always,
    'never': never,
    'at random': at_random,
    'by size': by_size,
    'noisy gate': noisy_gate,
}


def shown_pairs(sample: ReferringDataSample) -> list[Shown]:
    """Return the pairs of a sample that was packed with instances."""
    pairs, objects = sample.gt_pairs, sample.gt_instances.masks.numpy()
    negative, masks = pairs.is_negative.tolist(), pairs.masks.numpy()
    return [Shown(*entry, objects) for entry in zip(pairs.pair_ids, negative, masks)]


def predict(
    sample: ReferringDataSample, name: str, options: dict[str, float]
) -> ReferringDataSample:
    """Return the sample with the predictions of a caricature."""
    import torch
    from mmengine.structures import InstanceData

    answers = [CARICATURES[name](pair, **options) for pair in shown_pairs(sample)]
    masks = torch.from_numpy(np.stack([answer.masks for answer in answers]))
    consensus = torch.tensor([answer.consensus for answer in answers])
    is_open = (consensus >= 0.5)[:, None, None, None]
    sample.pred_pairs = InstanceData(
        masks=masks & is_open, ungated_masks=masks, consensus=consensus
    )
    return sample


def measure(data_root: Path, split: str, pairs: str) -> dict[str, dict[str, float]]:
    """Return the scores of all caricatures on a data set, with the gate on."""
    from r2vos_mm.evaluation.metrics.eval_sample import read_sample
    from r2vos_mm.evaluation.metrics.metric_values import EvalSet, as_dictionary, metric_values
    from r2vos_mm.evaluation.metrics.pair_scores import PairScores, pair_scores
    from r2vos_mm.registry import DATASETS
    from r2vos_mm.utils.logging import quiet

    frames = dict(
        type='TransformBroadcaster',
        transforms=[dict(type='LoadVideoFrame'), dict(type='LoadMasks')],
    )
    pack = dict(type='PackReferringInputs', with_instances=True)
    config = dict(type='R2VOSDataset', data_root=str(data_root), split=split, pairs_file=pairs)
    dataset = DATASETS.build(config | dict(test_mode=True, pipeline=[frames, pack]))
    samples = [item['data_samples'] for item in dataset]
    largest = [max(s.gt_instances.masks.numpy().mean(axis=(1, 2, 3)), default=0.0) for s in samples]
    options = {'by size': dict(typical=float(np.median(largest)))}
    found, progress = {}, Progress(len(CARICATURES), 'caricatures')
    for done, name in enumerate(CARICATURES, start=1):
        scores: list[PairScores] = []
        for sample in samples:
            answered = read_sample(predict(sample, name, options.get(name, {})))
            scores += pair_scores(answered, bound_th=BOUND_TH)
        with quiet():
            values = metric_values(EvalSet(scores, groups=GROUPS))
        found[name] = {key: as_dictionary(values)[key] for key in SCORES}
        progress.update(done)
    return found


def table(found: dict[str, dict[str, float]]) -> str:
    """Return the scores as a table in Markdown, one row per score."""
    lines = [f'| | {" | ".join(found)} |', '|---|' + '---|' * len(found)]
    for score in SCORES:
        digits = 1 if score in IN_PERCENT else 2
        cells = (f'{values[score]:.{digits}f}'.replace('-', '−') for values in found.values())
        lines.append(f'| `{score}` | {" | ".join(cells)} |')
    return '\n'.join(lines)


def draw(found: dict[str, dict[str, float]], path: Path) -> None:
    """Draw one panel of bars per score."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 6.4), dpi=110, layout='constrained')
    panels = figure.subplots(3, 4).ravel()
    colours = [f'C{number}' for number in range(len(found))]
    for panel, (score, is_higher_better) in zip(panels, SCORES.items()):
        values = [entry[score] * (1 if score in IN_PERCENT else 100) for entry in found.values()]
        panel.bar(list(found), values, color=colours)
        for place, value in enumerate(values):
            text = f'{round(value)}' if np.isfinite(value) else 'none'
            panel.text(place, max(value, 0) if np.isfinite(value) else 0, text, ha='center',
                       va='bottom', fontsize=8)  # fmt: skip
        panel.set_ylim(min(0, *values) * 1.1, 118)
        panel.axhline(0, color='0.3', linewidth=0.8)
        label = f'100 {score}' if score not in IN_PERCENT else score
        panel.set_title(label if is_higher_better else f'{label} (lower is better)', fontsize=10)
        panel.tick_params(axis='x', labelrotation=30, labelsize=8)
        panel.tick_params(axis='y', labelsize=7)
        panel.spines[['top', 'right']].set_visible(False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format='png', metadata={'Software': None})


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = parser_of(__doc__)
    parser.add_argument('data_root', type=Path, help='folder of the data set')
    parser.add_argument('--split', default='valid', help='default: %(default)s')
    parser.add_argument(
        '--pairs', default='pairs/valid.json', help='pairs file in it (default: %(default)s)'
    )
    parser.add_argument('--out', type=Path, help='folder for the picture')
    parser.add_argument('--json', type=Path, help='write the scores')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    args = parse_args(argv)
    with short_errors(args.debug):
        check_outputs(args, 'json', folders=['out'])
        found = measure(args.data_root, args.split, args.pairs)
        print(table(found))
        if args.json:
            write_json(args.json, found, indent=2)
        if args.out:
            draw(found, args.out / 'what_scores_mean.png')
            print(args.out / 'what_scores_mean.png')


if __name__ == '__main__':
    main()
