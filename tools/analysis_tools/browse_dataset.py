"""Draws what the model sees: clips after augmentation with their sentences, masks and boxes.

``python tools/analysis_tools/browse_dataset.py configs/r2vos_swin_b.py --num 8`` writes one contact
sheet an item, a row a sentence, negatives in their own section, under
``work_dirs/browse/<config>/``.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope
from mmengine.runner import set_random_seed
from mmengine.utils import track_iter_progress

import r2vos_mm  # noqa: F401  (makes mmdet and mmseg importable before a config asks for them)
from r2vos_mm.engine.launch import UsageError, existing_file, short_errors
from r2vos_mm.registry import DATASETS
from r2vos_mm.visualization import ClipView, balanced, contact_sheet, pair_views, write_image


def draw_item(item: dict[str, Any], *, columns: int, rows: int) -> np.ndarray:
    """Contact sheet of one item of a dataset.

    Args:
        item: ``inputs`` (T, 3, H, W) uint8 RGB and ``data_samples``, a ReferringDataSample.
        columns: at most so many frames a row.
        rows: at most so many sentences, half of them negatives where there are enough.

    Returns:
        (h, w, 3) uint8.
    """
    sample = item['data_samples']
    frames = item['inputs'].permute(0, 2, 3, 1).numpy()
    # The id comes last: over a single frame a long one is cut off.
    flipped = '  flipped' if sample.get('flip') else ''
    title = f'{frames.shape[2]}×{frames.shape[1]}{flipped}  {sample.get("video_id", "")}'
    views = pair_views(sample, prediction=False)
    clips = [
        ClipView(frames, views[i], title=title, frame_ids=sample.get('frame_ids'))
        for i in balanced([bool(view.is_negative) for view in views], rows)
    ]
    return contact_sheet(clips, columns=columns)


def build_dataset(cfg: Config, split: str) -> Any:
    """The dataset of a config's ``<split>_dataloader``.

    Raises:
        UsageError: the config has no such loader.
    """
    loader = cfg.get(f'{split}_dataloader')
    if loader is None:
        raise UsageError(f'{cfg.filename} has no {split}_dataloader')
    init_default_scope(cfg.get('default_scope', 'r2vos_mm'))
    return DATASETS.build(loader.dataset)


def choose(length: int, count: int, *, shuffle: bool, seed: int) -> list[int]:
    """The first ``count`` of ``length`` indices, or as many at random."""
    order = np.random.default_rng(seed).permutation(length) if shuffle else np.arange(length)
    return order[:count].tolist()


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line of this tool."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('--out-dir', type=Path, help='folder (default: work_dirs/browse/<config>)')
    parser.add_argument('--num', type=int, default=8, help='items (default: %(default)s)')
    parser.add_argument('--split', choices=('train', 'val', 'test'), default='train')
    parser.add_argument(
        '--columns', type=int, default=6, help='frames a row (default: %(default)s)'
    )
    parser.add_argument('--rows', type=int, default=8, help='sentences (default: %(default)s)')
    parser.add_argument('--shuffle', action='store_true', help='items at random, not the first')
    parser.add_argument('--seed', type=int, default=0, help='of --shuffle and of the augmentation')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        help='settings that override the config, as key=value',
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw as the command line says."""
    args = parse_args(arguments)
    with short_errors():
        if min(args.num, args.columns, args.rows) < 1:
            raise UsageError('--num, --columns and --rows are at least 1')
        cfg = Config.fromfile(existing_file(args.config, what='Config'))
        cfg.merge_from_dict(args.cfg_options or {})
        dataset = build_dataset(cfg, args.split)
        set_random_seed(args.seed)
        folder = args.out_dir or Path('work_dirs', 'browse', Path(args.config).stem)
        indices = choose(len(dataset), args.num, shuffle=args.shuffle, seed=args.seed)
        for index in track_iter_progress(indices):
            write_image(
                folder / f'{args.split}_{index:06d}.png',
                draw_item(dataset[index], columns=args.columns, rows=args.rows),
            )
        print(f'{os.linesep}{folder}')


if __name__ == '__main__':
    main()
