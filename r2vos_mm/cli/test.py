"""Test a checkpoint: ``r2vos test configs/r2vos_swin_b.py CHECKPOINT``."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from r2vos_mm.utils.cli import (
    UsageError,
    add_part_option,
    add_run_options,
    cfg_options,
    check_writable,
    existing_file,
)
from r2vos_mm.utils.settings import jfr_settings

if TYPE_CHECKING:
    from mmengine.config import Config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('config', help='config file, or a name that r2vos models lists')
    parser.add_argument('checkpoint', help='checkpoint file or URL')
    add_run_options(parser)
    parser.add_argument(
        '--out',
        nargs='+',
        default=[],
        help='files to write: metrics to NAME.json, scores per pair to NAME.csv, predictions to '
        'NAME.pkl (one mapping per video, masks as COCO run-length codes)',
    )
    parser.add_argument('--show-dir', help='folder for images and videos of the predictions')
    parser.add_argument(
        '--calibrated',
        action='store_true',
        help='use the temperature and threshold of the verdict that r2vos calibrate stored in the '
        'checkpoint, unless --cfg-options sets them',
    )
    add_part_option(
        parser,
        help_text='test part I of N of the videos; its scores go to <work folder>/part<I>of<N>/'
        'scores.json, and r2vos score --merge merges those of all parts',
    )
    parser.add_argument(
        '--no-spool',
        action='store_true',
        help='do not keep finished videos in the work folder, from which a stopped test continues',
    )


def apply_test_options(cfg: 'Config', args: argparse.Namespace) -> None:
    """Apply the options of the command line to ``cfg``.

    Raises:
        UsageError: the checkpoint does not exist, ``--out`` has an unknown suffix, or the test
            cannot be done in parts.
    """
    cfg.load_from = existing_file(args.checkpoint, what='Checkpoint')
    cfg.resume = False
    if args.calibrated:
        calibrate_as_stored(cfg, args)
    if args.part:
        test_only_part(cfg, args)
    for path in args.out:
        check_writable(path, what='--out')
        if Path(path).suffix not in ('.json', '.csv', '.pkl'):
            raise UsageError(
                f'--out {path}: use NAME.json for metrics, NAME.csv for scores per pair, NAME.pkl '
                'for predictions'
            )
        if path.endswith('.csv'):
            write_scores(cfg, path)
    if not args.no_spool:
        cfg.custom_hooks = [*cfg.get('custom_hooks', []), dict(type='SpoolHook')]
    if args.show_dir is not None:
        if 'visualization' not in cfg.get('default_hooks', {}):
            raise UsageError('--show-dir: the config has no default_hooks.visualization')
        cfg.default_hooks.visualization.update(draw=True, out_dir=args.show_dir)


def write_scores(cfg: 'Config', path: str) -> None:
    """Let the metric write its scores per pair.

    Raises:
        UsageError: the config has no ``JFRMetric``.
    """
    metrics = jfr_settings(cfg.get('test_evaluator'))
    if not metrics:
        raise UsageError(f'--out {path}: the test_evaluator of the config has no JFRMetric')
    metrics[0].csv_path = path


def calibrate_as_stored(cfg: 'Config', args: argparse.Namespace) -> None:
    """Use the calibration in the checkpoint.

    Raises:
        UsageError: it holds none.
    """
    from r2vos_mm.engine.calibration import read_calibration, use_calibration
    from r2vos_mm.utils.checkpoint import load_checkpoint

    calibration = read_calibration(load_checkpoint(args.checkpoint))
    if calibration is None:
        raise UsageError(
            f'--calibrated: {args.checkpoint} holds no calibration; run r2vos calibrate first'
        )
    options = cfg_options(args.cfg_options)
    use_calibration(cfg, calibration, options, source=args.checkpoint)


def test_only_part(cfg: 'Config', args: argparse.Namespace) -> None:
    """Test the videos of ``--part``, in their own work folder.

    Raises:
        UsageError: there are no scores to merge, or several data sets.
    """
    from r2vos_mm.utils.files import file_sha256

    metrics, dataset = jfr_settings(cfg.get('test_evaluator')), cfg.test_dataloader.dataset
    if len(metrics) != 1 or metrics[0].get('submission') or metrics[0].get('format_only'):
        raise UsageError('--part needs one JFRMetric without submission as test_evaluator')
    if 'datasets' in dataset or 'dataset' in dataset:
        raise UsageError(f'--part: {dataset.type} joins data sets; test them one by one')
    cfg.work_dir = str(Path(cfg.work_dir, f'part{args.part.index}of{args.part.count}'))
    dataset.part = str(args.part)
    is_file = Path(cfg.load_from).is_file()
    scored_with = file_sha256(cfg.load_from) if is_file else cfg.load_from
    json_path = str(Path(cfg.work_dir, 'scores.json'))
    metrics[0].update(csv_path=None, json_path=json_path, scored_with=scored_with)


def run(args: argparse.Namespace) -> None:
    """Test and write the files of ``--out``."""
    from mmengine.dist import is_main_process

    from r2vos_mm.apis.released_runs import build_released_runner
    from r2vos_mm.compat.distributed import lost_processes
    from r2vos_mm.engine import DumpPredictions, load_config
    from r2vos_mm.utils.files import write_json
    from r2vos_mm.utils.logging import quiet
    from r2vos_mm.utils.processes import loader_workers

    with quiet(), loader_workers(), lost_processes():
        cfg = load_config(args)
        apply_test_options(cfg, args)
        runner = build_released_runner(cfg, training=False)
        for path in (path for path in args.out if path.endswith('.pkl')):
            runner.test_evaluator.metrics.append(DumpPredictions(out_file_path=path))
        metrics = runner.test()
        if is_main_process():
            for path in (path for path in args.out if path.endswith('.json')):
                write_json(path, {key: float(value) for key, value in metrics.items()}, indent=2)
