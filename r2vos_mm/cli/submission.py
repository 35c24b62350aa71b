r"""Check a submission before uploading it, or list what is missing after an interruption.

    r2vos score submission ZIP --layout ref_youtube_vos --expressions meta_expressions.json \
        --videos data/ref-youtube-vos/valid/JPEGImages
    r2vos score submission ZIP --layout ... --expressions ... --remaining remaining.json
    r2vos score submission ZIP --layout ... --expressions ... --finish

``--remaining`` writes the expressions of the videos that are incomplete in ``ZIP.parts``. Use this
file as ``ann_file`` of the test data set to test only these; the metric keeps the complete list.
``--finish`` writes the zip from the parts if a run was interrupted after the last video.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from r2vos_mm.evaluation.submission import LAYOUTS, SubmissionWriter, check_submission
from r2vos_mm.utils.cli import check_outputs
from r2vos_mm.utils.files import write_json


def write_remaining(writer: SubmissionWriter, out: Path) -> None:
    """Write the expressions of the videos whose parts are incomplete."""
    left = writer.remaining()
    write_json(out, {'videos': left}, indent=None)
    print(f'{out}: {len(left)} of {len(writer.expressions)} videos are incomplete')
    if not left:
        print('all videos are complete: write the zip with --finish')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('zip', type=Path)
    parser.add_argument('--layout', choices=LAYOUTS, required=True)
    parser.add_argument('--expressions', type=Path, required=True, help='meta_expressions.json')
    parser.add_argument('--videos', type=Path, help='scored videos: a list of ids, or a folder')
    parser.add_argument('--images', type=Path, help='frames, to compare sizes: JPEGImages')
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument('--remaining', type=Path, help='only write incomplete videos to this file')
    instead.add_argument('--finish', action='store_true', help='write the zip from its parts')


def run(args: argparse.Namespace) -> None:
    """Print all problems; the exit status is 1 if there are any."""
    check_outputs(args, 'remaining')
    files = {'expressions': args.expressions, 'videos': args.videos}
    writer = SubmissionWriter(layout=args.layout, path=args.zip, **files)
    if args.remaining:
        write_remaining(writer, args.remaining)
        return
    if args.finish:
        writer.finish()
    report = check_submission(args.zip, writer.layout, writer.expressions, images=args.images)
    print(f'{args.zip}: {report}')
    if not report.is_valid:
        raise SystemExit(1)
