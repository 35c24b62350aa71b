r"""Check a submission before it is handed in, or list what a killed run still has to do.

    check_submission.py ZIP --layout ref_youtube_vos --expressions meta_expressions.json \
        --videos data/ref-youtube-vos/valid/JPEGImages
    check_submission.py ZIP --layout ... --expressions ... --remaining remaining.json

``--remaining`` writes the sentences of the videos that are not complete in ``ZIP.parts``. Given to
the test data set as its ``ann_file``, only these are done; the metric keeps the whole list.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from r2vos_mm.engine.launch import UsageError, short_errors
from r2vos_mm.evaluation.submission import (
    LAYOUTS,
    check_submission,
    layout_named,
    remaining_expressions,
    scored_expressions,
)


def main(argv: Sequence[str] | None = None) -> None:
    """Print what is wrong; exit status 1 if anything is."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('zip', type=Path)
    parser.add_argument('--layout', choices=LAYOUTS, required=True)
    parser.add_argument('--expressions', type=Path, required=True, help='meta_expressions.json')
    parser.add_argument('--videos', type=Path, help='scored videos: a list of ids, or a folder')
    parser.add_argument('--images', type=Path, help='frames, to compare sizes: JPEGImages')
    parser.add_argument('--remaining', type=Path, help='write what is left to this file, no check')
    args = parser.parse_args(argv)
    with short_errors():
        try:
            expressions = scored_expressions(args.expressions, args.videos)
            layout = layout_named(args.layout)
            if args.remaining:
                left = remaining_expressions(args.zip, layout, expressions)
                args.remaining.write_text(json.dumps({'videos': left}), encoding='utf-8')
                print(f'{args.remaining}: {len(left)} of {len(expressions)} videos are left')
                return
            report = check_submission(args.zip, layout, expressions, images=args.images)
        except ValueError as error:
            raise UsageError(str(error)) from error
    print(f'{args.zip}: {report}')
    if not report.is_valid:
        raise SystemExit(1)


if __name__ == '__main__':
    main()
