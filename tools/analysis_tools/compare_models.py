"""Draw the masks and verdicts of several models for the same expressions, one row per model.

``python tools/analysis_tools/compare_models.py --ask configs/samples/cat.mp4 "a cat" --ask
configs/samples/coffee.mp4 "a dog" --model small r2vos_tiny - --model real r2vos_real - --out
sheet.jpg`` draws the middle frame of each video with the mask of its expression. If the verdict is
'not in the video', the mask before the gate has a dashed contour.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from r2vos_mm.cli.model_options import add_device_options
from r2vos_mm.utils.cli import UsageError, check_writable, parser_of, progress, short_errors

if TYPE_CHECKING:
    import numpy as np

    from r2vos_mm.apis import VideoSegmentation


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = parser_of(__doc__)
    parser.add_argument(
        '--ask',
        nargs=2,
        metavar=('VIDEO', 'TEXT'),
        action='append',
        required=True,
        help='a column: a video and an expression; may be repeated',
    )
    parser.add_argument(
        '--model',
        nargs=3,
        metavar=('NAME', 'MODEL', 'CHECKPOINT'),
        action='append',
        required=True,
        help='a row: its name, a config or a listed model, and a checkpoint or "-" for that of the '
        'listed model; may be repeated',
    )
    parser.add_argument('--out', type=Path, required=True, help='image file')
    add_device_options(parser)
    return parser.parse_args(arguments)


def answers(
    model: str, checkpoint: str, asked: Sequence[Sequence[str]], *, device: str, precision: str
) -> list[VideoSegmentation]:
    """Return the answer of a model to each (video, expression)."""
    from r2vos_mm.apis import R2VOSInferencer

    weights = None if checkpoint == '-' else checkpoint
    segmenter = R2VOSInferencer(model, weights, device, dtype=precision)
    return [segmenter(video, texts=[text])['predictions'][0] for video, text in asked]


def middle_frame(answer: VideoSegmentation, *, title: str) -> np.ndarray:
    """Draw the middle frame of an answer to one expression."""
    from r2vos_mm.visualization import ClipView, Style
    from r2vos_mm.visualization.panels import clip_strip

    frames = answer.readable_source()
    middle = len(frames) // 2
    frame = next(image for index, image in enumerate(frames) if index == middle)
    (view,) = answer.views()
    view = replace(
        view,
        masks=[view.masks[middle]],
        rejected_masks=[view.rejected_masks[middle]],
        boxes=None,
        scores=None,
    )
    return clip_strip(ClipView([frame], view, title), style=Style().small())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    args = parse_args(arguments)
    with short_errors(args.debug):
        check_writable(args.out, what='--out')
        missing = [video for video, _ in args.ask if not Path(video).exists()]
        if missing:
            raise UsageError(f'--ask: there is no video {missing[0]}')

        from r2vos_mm.utils.logging import quiet
        from r2vos_mm.visualization import Style, write_image
        from r2vos_mm.visualization.panels import beside, stack

        rows = []
        options = dict(device=args.device, precision=args.precision)
        for name, model, checkpoint in progress(args.model, 'models'):
            with quiet():
                answered = answers(model, checkpoint, args.ask, **options)
            cells = [middle_frame(answer, title=name) for answer in answered]
            rows.append(beside(cells, Style().small()))
        write_image(args.out, stack(rows, Style().small()))


if __name__ == '__main__':
    main()
