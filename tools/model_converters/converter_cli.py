"""Parse the common arguments of the converters in this folder, and write their results."""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from r2vos_mm.utils.cli import UsageError, check_writable, parser_of, short_errors
from r2vos_mm.utils.files import write_atomically

if TYPE_CHECKING:  # heavy imports come after the arguments are parsed
    from torch import nn

    from r2vos_mm.converters import ConvertedFile


def add_files(parser: argparse.ArgumentParser, *, config: str) -> None:
    """Add the arguments of :func:`write_converted`; ``config`` is the help text of its argument."""
    parser.add_argument('config', type=Path, help=config)
    parser.add_argument('source', type=Path, help='checkpoint to read')
    parser.add_argument('target', type=Path, help='file to write')
    parser.add_argument('--overwrite', action='store_true', help='replace an existing target')


def run_released(method: str, description: str, arguments: list[str] | None = None) -> int:
    """Convert one checkpoint from or to a released format; return the exit code.

    Args:
        method: Name of the format in :mod:`r2vos_mm.converters`.
        description: Text of ``--help``.
        arguments: Command line; by default that of the program.
    """
    parser = parser_of(description)
    parser.add_argument('direction', choices=('from-released', 'to-released'))
    add_files(parser, config='config of the same backbone')
    parser.add_argument(
        '--leave-out',
        metavar='NAME',
        help='with from-released: skip weights whose names start with NAME',
    )
    args = parser.parse_args(arguments)
    if args.leave_out is not None and args.direction != 'from-released':
        parser.error('--leave-out can only be used with from-released')

    from r2vos_mm import converters

    released = getattr(converters, method)

    def convert(config: Mapping) -> ConvertedFile:
        if args.direction == 'to-released':
            return converters.restore_released(released, config, args.source)
        return converters.read_released(released, config, args.source, leave_out=args.leave_out)

    return write_converted(args, convert)


def run_backbone(
    description: str,
    arguments: list[str] | None = None,
    *,
    check: Callable[[nn.Module], None] | None = None,
) -> int:
    """Convert one checkpoint of a backbone to that of a config; return the exit code.

    Args:
        description: Text of ``--help``.
        arguments: Command line; by default that of the program.
        check: Raises ``CheckpointMismatchError`` if the tool does not support the backbone.
    """
    parser = parser_of(description)
    add_files(parser, config='config with the backbone of the weights')
    args = parser.parse_args(arguments)

    def convert(config: Mapping) -> ConvertedFile:
        from r2vos_mm.converters import read_backbone

        return read_backbone(config, args.source, check=check)

    return write_converted(args, convert)


def write_converted(args: argparse.Namespace, convert: Callable[[Mapping], ConvertedFile]) -> int:
    """Print the report of a conversion and write its result atomically; return 0.

    Args:
        args: ``config`` and ``target``, paths, ``overwrite`` and ``debug``.
        convert: Function from the model of the config to the result.
    """
    with short_errors(args.debug):
        if args.target.exists() and not args.overwrite:
            raise UsageError(f'{args.target} exists; choose another target or add --overwrite')
        check_writable(args.target, what='target')

        import torch

        converted = convert(_model_config(args.config))
        print(converted.report)
        buffer = io.BytesIO()
        torch.save(converted.content, buffer)
        write_atomically(buffer.getvalue(), args.target)
    print(f'Wrote {args.target}.')
    return 0


def _model_config(path: Path) -> dict:
    """Read the model of a config file."""
    from r2vos_mm.engine import read_config

    return read_config(path, needs=['model']).model.to_dict()
