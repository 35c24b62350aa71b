"""Convert a released ReferFormer checkpoint to initial weights for R2-VOS.

    python tools/model_converters/referformer_to_r2vos.py \\
        configs/r2vos/released/r2vos-released_r50_8xb1-6e_ref-ytvos.py \\
        referformer_pretrained.pth initial.pth

Converts the components that both models have and lists the others. Set ``load_from`` to the result
to initialize training. ``--without-language-model`` keeps the language model of the config. Files
are loaded without executing code.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from converter_cli import add_files, write_converted

from r2vos_mm.utils.cli import parser_of

if TYPE_CHECKING:
    from r2vos_mm.converters import ConvertedFile


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0 if the target was written."""
    parser = parser_of(__doc__)
    add_files(parser, config='config of the same backbone')
    parser.add_argument(
        '--without-language-model',
        action='store_true',
        help='skip the language model of the file',
    )
    args = parser.parse_args(arguments)

    def convert(config: Mapping) -> ConvertedFile:
        from r2vos_mm.converters import initial_weights

        keep = not args.without_language_model
        return initial_weights(config, args.source, language_model=keep)

    return write_converted(args, convert)


if __name__ == '__main__':
    sys.exit(main())
