"""Draw training samples after augmentation: clips with expressions, masks and boxes.

``python tools/analysis_tools/browse_dataset.py configs/r2vos_swin_b.py --num 8`` writes one contact
sheet per item, with one row per expression and negatives in a separate section, under
``work_dirs/browse/<config>/``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from r2vos_mm.utils.cli import (
    UsageError,
    add_cfg_options,
    cfg_options,
    check_outputs,
    parser_of,
    progress,
    short_errors,
)

if TYPE_CHECKING:
    from mmengine.config import Config


def draw_item(item: dict[str, Any], *, columns: int, rows: int) -> np.ndarray:
    """Draw the contact sheet of one item of a dataset.

    Args:
        item: ``inputs`` (T, 3, H, W) uint8 RGB and ``data_samples``, a ReferringDataSample.
        columns: maximum number of frames per row.
        rows: maximum number of expressions, half of them negatives if there are enough.

    Returns:
        (h, w, 3) uint8.
    """
    from r2vos_mm.visualization import ClipView, balanced, contact_sheet, pair_views

    sample = item['data_samples']
    frames = item['inputs'].permute(0, 2, 3, 1).numpy()
    # The id comes last, because long ids are truncated above a single frame.
    flipped = '  flipped' if sample.get('flip') else ''
    title = f'{frames.shape[2]}×{frames.shape[1]}{flipped}  {sample.get("video_id", "")}'
    views = pair_views(sample, prediction=False)
    clips = [
        ClipView(frames, views[i], title=title, frame_ids=sample.get('frame_ids'))
        for i in balanced([bool(view.is_negative) for view in views], rows)
    ]
    return contact_sheet(clips, columns=columns)


def build_dataset(cfg: Config, split: str) -> Any:
    """Build the dataset of a config's ``<split>_dataloader``."""
    from mmengine.registry import init_default_scope

    from r2vos_mm.registry import DATASETS

    init_default_scope(cfg.get('default_scope', 'r2vos_mm'))
    return DATASETS.build(cfg[f'{split}_dataloader'].dataset)


def choose(length: int, count: int, *, shuffle: bool, seed: int) -> list[int]:
    """Return the first ``count`` of ``length`` indices, or ``count`` random ones."""
    order = np.random.default_rng(seed).permutation(length) if shuffle else np.arange(length)
    return order[:count].tolist()


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = parser_of(__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('--out-dir', type=Path, help='folder (default: work_dirs/browse/<config>)')
    parser.add_argument('--num', type=int, default=8, help='items (default: %(default)s)')
    parser.add_argument('--split', choices=('train', 'val', 'test'), default='train')
    parser.add_argument(
        '--columns', type=int, default=6, help='frames per row (default: %(default)s)'
    )
    parser.add_argument('--rows', type=int, default=8, help='sentences (default: %(default)s)')
    parser.add_argument('--shuffle', action='store_true', help='random items')
    parser.add_argument('--seed', type=int, default=0, help='of --shuffle and the augmentation')
    add_cfg_options(parser)
    return parser.parse_args(arguments)


def draw(args: argparse.Namespace) -> None:
    """Draw the selected items."""
    if min(args.num, args.columns, args.rows) < 1:
        raise UsageError('--num, --columns and --rows must be at least 1')
    check_outputs(args, folders=['out_dir'])

    from mmengine.runner import set_random_seed

    from r2vos_mm.engine import read_config
    from r2vos_mm.visualization import write_image

    loader = f'{args.split}_dataloader'
    cfg = read_config(args.config, cfg_options(args.cfg_options), needs=[loader])
    dataset = build_dataset(cfg, args.split)
    set_random_seed(args.seed)
    folder = args.out_dir or Path('work_dirs', 'browse', Path(args.config).stem)
    indices = choose(len(dataset), args.num, shuffle=args.shuffle, seed=args.seed)
    for index in progress(indices, 'items'):
        sheet = draw_item(dataset[index], columns=args.columns, rows=args.rows)
        write_image(folder / f'{args.split}_{index:06d}.png', sheet)
    print(folder)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    args = parse_args(arguments)
    with short_errors(args.debug):
        draw(args)


if __name__ == '__main__':
    main()
