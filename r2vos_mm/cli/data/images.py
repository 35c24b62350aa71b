"""Write referring expressions for images with annotated instances, in the form of RefCOCO.

    r2vos data images data/coco_mini --out data/coco_mini

The folder has instances.json, in COCO's form, and images/. Expressions are generated from the
annotations and pixels: category, side, order, size, colour and relation of one object
(refcoco/refs(generated).p), of several objects, and of none (grefcoco/grefs(generated).json). See
docs/referring_images.md.
"""

import argparse
from pathlib import Path

from r2vos_mm.utils.cli import check_writable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('data_root', type=Path, help='folder of annotations and images')
    parser.add_argument('--out', type=Path, required=True, help='folder to write to')
    parser.add_argument(
        '--ann-file', default='instances.json', help='in data_root (default: %(default)s)'
    )
    parser.add_argument(
        '--image-folder', default='images', help='in data_root (default: %(default)s)'
    )
    parser.add_argument(
        '--holdout',
        type=float,
        default=0.2,
        metavar='FRACTION',
        help='share of the images in the split val (default: %(default)s)',
    )
    parser.add_argument('--seed', type=int, default=0, help='(default: %(default)s)')


def run(args: argparse.Namespace) -> None:
    """Write the files and print their content."""
    check_writable(args.out, what='--out', is_folder=True)

    from r2vos_mm.data_prep.referring_images import ImageOptions, make_referring_images

    files = make_referring_images(
        args.data_root,
        args.out,
        ann_file=args.ann_file,
        image_folder=args.image_folder,
        options=ImageOptions(holdout=args.holdout, seed=args.seed),
    )
    files.problems.show()
    print(files.summary())
