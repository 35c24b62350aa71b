"""Convert a released ReferFormer checkpoint to initial weights for R2-VOS.

    python tools/model_converters/referformer_to_r2vos.py \\
        configs/r2vos/released/r2vos-released_r50_8xb1-6e_ref-ytvos.py \\
        referformer_pretrained.pth initial.pth

Converts the components that both models have and lists the others. Set ``load_from`` to the result
to initialize training. ``--without-language-model`` keeps the language model of the config. Files
are loaded without executing code.
"""

import sys
from pathlib import Path

from converter_cli import add_files, compact, model_like, write_converted

from r2vos_mm.utils.cli import parser_of


def initialise(config: dict, source: Path, *, language_model: bool = True) -> dict:
    """Return the weights of a ReferFormer checkpoint that fit the config, and list the others.

    Args:
        config: Config of the segmentor to initialize.
        source: The released file.
        language_model: Whether to keep the language model of the file.

    Raises:
        CheckpointMismatchError: The file contains no weights of the model.
    """
    from r2vos_mm.converters import R2VOS, load_converted, read_released_checkpoint
    from r2vos_mm.converters.released import LANGUAGE_MODEL, listing

    state = read_released_checkpoint(source)
    converted = R2VOS.to_ours(state, source=str(source), partial=True)
    model = model_like(config, converted.weights)
    report = load_converted(model, converted.weights, source=str(source), partial=True)
    weights = report.weights
    print(converted.describe())
    unused = [*report.unexpected_keys, *report.reshaped_keys]
    missing = [*report.missing_keys, *report.reshaped_keys]
    print(listing('not used: another shape, or not in the config', unused))
    print(listing('of the config, but not in the file', missing))
    layers = len(model.text_encoder.language_model.encoder.layer)
    print(f'The language model in the file is a RoBERTa with {layers} layers.')
    if language_model:
        print(
            'Set model.text_encoder.name_or_path to a model of this size (6 layers: '
            'distilroberta-base, 12: roberta-base), or use --without-language-model.'
        )
    else:
        print('It is skipped.')
        weights = {n: t for n, t in weights.items() if not n.startswith(LANGUAGE_MODEL)}
    return dict(state_dict=compact(weights), meta=dict(converted_from=source.name))


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
    keep = not args.without_language_model
    return write_converted(
        args, lambda config: initialise(config, args.source, language_model=keep)
    )


if __name__ == '__main__':
    sys.exit(main())
