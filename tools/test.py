"""Test a checkpoint: ``python tools/test.py configs/r2vos_swin_b.py CHECKPOINT``."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.evaluator import DumpResults
from mmengine.runner import Runner
from pycocotools import mask as coco_mask

from r2vos_mm.engine.launch import (
    UsageError,
    add_common_arguments,
    existing_file,
    load_config,
    short_errors,
)

_MASK_FIELDS = ('masks', 'ungated_masks')


class DumpPredictions(DumpResults):
    """Writes predictions to a ``.pkl`` file, one mapping per video, masks as COCO run-length codes.

    A mapping holds ``video_id``, ``frame_ids``, ``sentences`` and the fields of ``pred_pairs``;
    masks (P, T, H0, W0) become P lists of T codes. The masks of all queries, which mAP needs,
    are not written.
    """

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Add the predictions for one batch."""
        encoded = []
        for sample in data_samples:
            pairs = dict(sample['pred_pairs'])
            pairs.pop('candidate_masks', None)
            for name in set(_MASK_FIELDS) & pairs.keys():
                pairs[name] = [[encode_mask(frame) for frame in pair] for pair in pairs[name]]
            names = {key: sample.get(key) for key in ('video_id', 'frame_ids')}
            encoded.append({**names, 'sentences': sample['gt_pairs']['sentences'], **pairs})
        super().process(data_batch, encoded)


def encode_mask(mask: Any) -> dict[str, Any]:
    """COCO run-length code of a bool mask (H0, W0)."""
    return coco_mask.encode(np.asfortranarray(mask.cpu().numpy(), dtype=np.uint8))


def parse_args() -> argparse.Namespace:
    """Command line of this tool."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file or URL')
    add_common_arguments(parser)
    parser.add_argument(
        '--out',
        nargs='+',
        default=[],
        help='files to write: metrics to NAME.json, predictions to NAME.pkl',
    )
    parser.add_argument('--show-dir', help='folder for pictures of the predictions')
    return parser.parse_args()


def apply_test_options(cfg: Config, args: argparse.Namespace) -> None:
    """Write the options of the command line into ``cfg``.

    Raises:
        UsageError: a missing checkpoint, or a file name of unknown kind in ``--out``.
    """
    cfg.load_from = existing_file(args.checkpoint, what='Checkpoint')
    cfg.resume = False
    for path in args.out:
        if Path(path).suffix not in ('.json', '.pkl'):
            raise UsageError(f'--out {path}: give NAME.json for metrics, NAME.pkl for predictions')
    if args.show_dir is not None:
        if 'visualization' not in cfg.get('default_hooks', {}):
            raise UsageError('--show-dir: the config has no default_hooks.visualization')
        cfg.default_hooks.visualization.update(draw=True, out_dir=args.show_dir)


def main() -> None:
    """Test as the command line says."""
    args = parse_args()
    with short_errors():
        cfg = load_config(args)
        apply_test_options(cfg, args)
        runner = Runner.from_cfg(cfg)
        for path in (path for path in args.out if path.endswith('.pkl')):
            runner.test_evaluator.metrics.append(DumpPredictions(out_file_path=path))
        metrics = runner.test()
        if is_main_process():
            for path in (path for path in args.out if path.endswith('.json')):
                write_metrics(metrics, Path(path))


def write_metrics(metrics: dict[str, float], path: Path) -> None:
    """Write ``metrics`` as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps({key: float(value) for key, value in metrics.items()}, indent=2) + '\n'
    )


if __name__ == '__main__':
    main()
