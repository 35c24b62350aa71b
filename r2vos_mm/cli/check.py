"""Show what this package runs with: versions, precision, kernels and video readers.

    r2vos check
    r2vos check --json

Also ``python -m r2vos_mm.utils.collect_env``. Add the output to bug reports.
"""

from __future__ import annotations

import argparse
import json

from r2vos_mm.engine.model_index import content_root
from r2vos_mm.utils.cli import messages_on_stderr


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument('--json', action='store_true', help='print a JSON object')


def run(args: argparse.Namespace) -> None:
    """Print the environment."""
    from r2vos_mm.datasets.io.videos import installed_readers
    from r2vos_mm.utils.collect_env import collect_env

    with messages_on_stderr(args.json):
        info = collect_env()
    readers = installed_readers().items()
    info['video readers'] = ', '.join(f'{name} {version}' for name, version in readers)
    info['configs and tools'] = str(content_root())
    if args.json:
        print(json.dumps(info, indent=2))
    else:
        print('\n'.join(f'{name}: {value}' for name, value in info.items()))
