"""Parse the common arguments of conversions, and write their results."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from r2vos_mm.utils.cli import UsageError, check_writable
from r2vos_mm.utils.files import write_atomically

if TYPE_CHECKING:  # heavy imports come after the arguments are parsed
    from torch import nn

    from r2vos_mm.converters import ConvertedFile


def add_files(parser: argparse.ArgumentParser, *, config: str) -> None:
    """Add the arguments of :func:`write_converted`; ``config`` is the help text of its argument."""
    parser.add_argument('config', help=config)
    parser.add_argument('source', type=Path, help='checkpoint to read')
    parser.add_argument('target', type=Path, help='file to write')
    parser.add_argument('--overwrite', action='store_true', help='replace an existing target')


def add_released(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of :func:`run_released`."""
    parser.add_argument('direction', choices=('from-released', 'to-released'))
    add_files(parser, config='config of the same backbone, or a name that r2vos models lists')
    parser.add_argument(
        '--leave-out',
        metavar='NAME',
        help='with from-released: skip weights whose names start with NAME',
    )


def run_released(method: str, args: argparse.Namespace) -> None:
    """Convert a checkpoint from or to the format ``method`` of :mod:`r2vos_mm.converters`.

    Raises:
        UsageError: ``--leave-out`` in the other direction.
    """
    if args.leave_out is not None and args.direction != 'from-released':
        raise UsageError('--leave-out can only be used with from-released')

    from r2vos_mm import converters

    released = getattr(converters, method)

    def convert(config: Mapping) -> ConvertedFile:
        if args.direction == 'to-released':
            return converters.restore_released(released, config, args.source)
        return converters.read_released(released, config, args.source, leave_out=args.leave_out)

    write_converted(args, convert)


def run_backbone(
    args: argparse.Namespace, *, check: Callable[[nn.Module], None] | None = None
) -> None:
    """Convert a checkpoint of a backbone to that of a config; ``check`` raises for others."""

    def convert(config: Mapping) -> ConvertedFile:
        from r2vos_mm.converters import read_backbone

        return read_backbone(config, args.source, check=check)

    write_converted(args, convert)


def write_converted(args: argparse.Namespace, convert: Callable[[Mapping], ConvertedFile]) -> None:
    """Print the report of a conversion of the config's model, and write its result atomically.

    Raises:
        UsageError: the target exists or cannot be written.
    """
    if args.target.exists() and not args.overwrite:
        raise UsageError(f'{args.target} exists; choose another target or add --overwrite')
    check_writable(args.target, what='target')

    from r2vos_mm.converters.publish import archived
    from r2vos_mm.engine import read_config

    converted = convert(read_config(args.config, needs=['model']).model.to_dict())
    print(converted.report)
    write_atomically(archived(converted.content), args.target)
    print(f'Wrote {args.target}.')
