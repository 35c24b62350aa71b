"""Open a web page on which videos are segmented in a browser.

    r2vos serve
    r2vos serve --port 0 --open
    r2vos serve --model NAME --weights FILE

The page works without internet. By default only this machine can reach it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from r2vos_mm.engine.model_index import content_root
from r2vos_mm.utils.cli import add_cfg_options, positive

from .model_options import add_inference_options, add_model_options, build_model, choose_model

_MB = 2**20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_model_options(parser)
    parser.add_argument('--host', default='127.0.0.1', help='address (default: %(default)s)')
    parser.add_argument(
        '--port', type=int, default=7860, help='0 takes a free one (default: %(default)s)'
    )
    parser.add_argument('--open', action='store_true', help='open the page in the default browser')
    for name, default, what in (
        ('--max-upload-mb', 200, 'size of one upload'),
        ('--max-total-mb', 2048, 'size of all clips together; the oldest are removed'),
        ('--max-frames', 900, 'frames of one clip'),
    ):
        parser.add_argument(
            name, type=positive(int), default=default, help=f'{what} (default: %(default)s)'
        )
    parser.add_argument(
        '--allow-host',
        nargs='+',
        default=[],
        metavar='NAME',
        help='further names by which browsers may call the server',
    )
    add_inference_options(parser)
    add_cfg_options(parser)


def run(args: argparse.Namespace) -> None:
    """Build the model and serve the page until Ctrl-C."""
    from r2vos_mm.serve.server import check_installed, listening_socket

    check_installed()
    listening_socket(args.host, args.port).close()  # fail before the model is loaded
    note = choose_model(args)
    from r2vos_mm.serve import ClipStore, Limits, find_samples, segment_clip, serve

    model = build_model(args)
    options = dict(frames_per_pass=args.frames_per_pass, precision=args.precision)
    sizes = dict(upload_bytes=args.max_upload_mb * _MB, total_bytes=args.max_total_mb * _MB)
    limits = Limits(**sizes, frames=args.max_frames)
    samples = find_samples(content_root() / 'configs' / 'samples', args.config)
    serve(
        ClipStore(limits, samples),
        lambda clip, texts, on_progress: segment_clip(model, clip, texts, on_progress, **options),
        dict(model=Path(args.config).stem, note=note),
        host=args.host,
        port=args.port,
        hosts=args.allow_host,
        open_browser=args.open,
    )
