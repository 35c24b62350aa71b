"""Fit the temperature and threshold of a verdict on pairs, and store them in the checkpoint.

    r2vos calibrate CONFIG CHECKPOINT pairs/valid.json
    r2vos calibrate CONFIG CHECKPOINT data/refshapes --out calibrated.pth
    r2vos calibrate CONFIG CHECKPOINT pairs.csv

The fitted temperature makes the consensus of an expression a probability, for data with the same
share of positive pairs as DATA: a file of positive and negative pairs, a data set whose pairs the
config names, or the CSV of an earlier test of the checkpoint (csv_path of JFRMetric), which needs
no model. Calibrate on other data than you test on. The threshold is the one with the highest
balanced accuracy.

r2vos predict and init_model use the stored calibration, r2vos test only with --calibrated.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from r2vos_mm.utils.cli import (
    UsageError,
    add_run_options,
    check_writable,
    existing_file,
    messages_on_stderr,
)

if TYPE_CHECKING:
    import numpy as np
    from mmengine.config import Config

    from r2vos_mm.engine.calibration import Calibration
    from r2vos_mm.engine.verdict_logits import PairLogit

_LARGEST = 1 - 1e-7  # the largest consensus whose logit float32 represents


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('config', help='config file, or a name that r2vos models lists')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('data', type=Path, help='pairs file, folder of a data set, or CSV')
    parser.add_argument('--out', type=Path, help='checkpoint to write (default: CHECKPOINT itself)')
    parser.add_argument(
        '--keep-threshold',
        action='store_true',
        help="keep the verdicts of the config's threshold; only its value follows the temperature",
    )
    parser.add_argument('--json', action='store_true', help='print a JSON object')
    add_run_options(parser)


def run(args: argparse.Namespace) -> None:
    """Fit, write the checkpoint and print the errors before and after."""
    from r2vos_mm.compat.distributed import lost_processes
    from r2vos_mm.utils.logging import quiet
    from r2vos_mm.utils.processes import loader_workers

    existing_file(args.checkpoint, what='Checkpoint')
    target = args.out or Path(args.checkpoint)
    if '://' in str(target):
        raise UsageError(f'{target} cannot be written: name a file with --out')
    check_writable(target, what='--out')
    if not args.data.exists():
        raise UsageError(f'DATA {args.data} does not exist')
    with quiet(), loader_workers(), lost_processes(), messages_on_stderr(args.json):
        found = calibrate(args)
        if found is None:  # this is not the main process
            return
        store(found, args.checkpoint, target)
    print(json.dumps(asdict(found)) if args.json else f'{table(found)}\nwrote {target}')


def calibrate(args: argparse.Namespace) -> Calibration | None:
    """Return the calibration of a checkpoint; None in other processes than the main one.

    Raises:
        UsageError: the model gives no verdicts, DATA lacks positive or negative pairs, or an option
            is wrong.
    """
    from mmengine.dist import is_main_process

    from r2vos_mm.engine import load_config

    cfg = load_config(args)
    test_cfg = dict(temperature=1.0, gate_threshold=0.5, verdict='cycle')
    test_cfg |= cfg.model.get('test_cfg') or {}
    is_csv = args.data.suffix == '.csv'
    pairs = csv_logits(args.data, test_cfg) if is_csv else test_logits(cfg, args)
    if not is_main_process():
        return None
    return fit(pairs, test_cfg, data=args.data.name, keep_threshold=args.keep_threshold)


def test_logits(cfg: Config, args: argparse.Namespace) -> list[PairLogit]:
    """Return the logits of the pairs of DATA, by testing the checkpoint on it."""
    from r2vos_mm.apis.released_runs import build_released_runner
    from r2vos_mm.engine.verdict_logits import VerdictLogits

    dataset = cfg.test_dataloader.dataset
    if 'data_root' not in dataset:
        raise UsageError(
            'test_dataloader.dataset of the config has no data_root: test with '
            'csv_path of JFRMetric, and give the CSV as DATA'
        )
    if args.data.is_dir():
        dataset.data_root = str(args.data)
    else:
        dataset.pairs_file = str(args.data.resolve())
    cfg.load_from, cfg.resume = args.checkpoint, False
    runner = build_released_runner(cfg, training=False)
    collected = VerdictLogits()
    collected.dataset_meta = runner.test_dataloader.dataset.metainfo
    runner.test_evaluator.metrics[:] = [collected]
    runner.test()
    return collected.pairs


def csv_logits(path: Path, test_cfg: dict[str, Any]) -> list[PairLogit]:
    """Return the logits of the pairs in a CSV, which was written at the config's temperature.

    Raises:
        ValueError: the file is not such a CSV, or has no consensus.
    """
    import numpy as np
    from scipy.special import logit

    from r2vos_mm.engine.verdict_logits import PairLogit
    from r2vos_mm.evaluation.metrics.scores_csv import read_pairs

    pairs = read_pairs(path)
    if any(pair.consensus is None for pair in pairs):
        raise UsageError(f'{path} has pairs without consensus: the model gives no verdicts')
    consensus = np.clip([pair.consensus for pair in pairs], 1 - _LARGEST, _LARGEST)
    logits = test_cfg['temperature'] * logit(consensus)
    return [PairLogit(p.pair_id, float(z), p.is_negative) for p, z in zip(pairs, logits)]


def _logits_and_labels(pairs: list[PairLogit], data: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the logits (P,) of pairs, and whether each is positive (P,) bool.

    Raises:
        UsageError: the model gives no verdicts, or a class is absent.
    """
    import numpy as np

    logits = np.array([pair.logit for pair in pairs])
    labels = np.array([not pair.is_negative for pair in pairs])
    if not len(pairs) or not np.isfinite(logits).all():
        raise UsageError(f'the model gives no verdicts on the {len(pairs)} pairs of {data}')
    if labels.all() or not labels.any():
        kind = 'negative' if labels.all() else 'positive'
        raise UsageError(f'{data} has no {kind} pairs: give a file of positive and negative pairs')
    return logits, labels


def fit(
    pairs: list[PairLogit], test_cfg: dict[str, Any], *, data: str, keep_threshold: bool = False
) -> Calibration:
    """Return temperature and threshold for pairs, with the errors before and after.

    Args:
        pairs: positive and negative pairs.
        test_cfg: ``temperature``, ``gate_threshold`` and ``verdict`` before.
        data: name of the data.
        keep_threshold: keep the verdicts, and move the threshold to the new temperature.

    Raises:
        UsageError: the model gives no verdicts, or a class is absent.
    """
    from scipy.special import expit, logit

    from r2vos_mm.engine.calibration import Calibration
    from r2vos_mm.evaluation.functional import calibration as functional

    logits, labels = _logits_and_labels(pairs, data)
    old, new = test_cfg['temperature'], functional.fit_temperature(logits, labels)
    before, after = (functional.consensus_at(logits, value) for value in (old, new))
    threshold = functional.fit_threshold(after, labels)
    if keep_threshold:
        threshold = float(expit(logit(test_cfg['gate_threshold']) * old / new))
    return Calibration(
        temperature=new,
        gate_threshold=threshold,
        verdict=test_cfg['verdict'],
        data=data,
        num_positives=int(labels.sum()),
        num_negatives=int((~labels).sum()),
        brier=tuple(functional.brier_score(c, labels) for c in (before, after)),
        calibration_error=tuple(
            functional.expected_calibration_error(c, labels) for c in (before, after)
        ),
    )


def store(calibration: Calibration, source: str, target: Path) -> None:
    """Write the checkpoint with the calibration, atomically; a compressed one stays compressed."""
    from r2vos_mm.apis.model_loading import read_any
    from r2vos_mm.apis.released_runs import converted
    from r2vos_mm.converters.publish import archived, compressed, is_compressed
    from r2vos_mm.engine.calibration import add_calibration
    from r2vos_mm.utils.checkpoint import to_plain
    from r2vos_mm.utils.files import write_atomically

    content = add_calibration(converted(read_any(source)), calibration)
    archive = archived(to_plain(content))
    write_atomically(compressed(archive) if is_compressed(source) else archive, target)


def table(calibration: Calibration) -> str:
    """Describe a calibration in a few lines."""
    return (
        f'{calibration.num_positives} positive and {calibration.num_negatives} negative pairs of '
        f'{calibration.data}\n'
        f'temperature {calibration.temperature:.4f}, threshold {calibration.gate_threshold:.4f}\n'
        f'Brier score                {calibration.brier[0]:.4f} -> {calibration.brier[1]:.4f}\n'
        f'expected calibration error {calibration.calibration_error[0]:.4f} -> '
        f'{calibration.calibration_error[1]:.4f}'
    )
