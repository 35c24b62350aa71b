r"""Convert a released ReferFormer checkpoint to initial weights for R2-VOS.

    r2vos convert initial r2vos_r50_released referformer_pretrained.pth initial.pth

Converts the components that both models have and lists the others. Set ``load_from`` to the result
to initialize training. ``--without-language-model`` keeps the language model of the config. Files
are loaded without executing code.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING

from .conversion import add_files, write_converted

if TYPE_CHECKING:
    from r2vos_mm.converters import ConvertedFile


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_files(parser, config='config of the same backbone, or a name that r2vos models lists')
    parser.add_argument(
        '--without-language-model',
        action='store_true',
        help='skip the language model of the file',
    )


def run(args: argparse.Namespace) -> None:
    """Convert."""

    def convert(config: Mapping) -> ConvertedFile:
        from r2vos_mm.converters import initial_weights

        keep = not args.without_language_model
        return initial_weights(config, args.source, language_model=keep)

    write_converted(args, convert)
