"""Initialise R2-VOS from a released ReferFormer checkpoint.

    python tools/model_converters/referformer_to_r2vos.py \\
        configs/r2vos/released/r2vos-released_r50_8xb1-6e_ref-ytvos.py \\
        referformer_pretrained.pth initial.pth

Takes the parts that both models have (give the result to ``load_from`` of a training) and lists the
others; ``--without-language-model`` keeps the config's own. Files are read without running code
from them.
"""

import sys
from pathlib import Path

from converter_cli import add_files, compact, model_like, new_parser, write_converted


def initialise(config: dict, source: Path, *, language_model: bool = True) -> dict:
    """Return the weights of a ReferFormer checkpoint that fit the config, and list the others.

    Args:
        config: Config of the segmentor to initialise.
        source: The released file.
        language_model: Whether to keep the language model of the file.

    Raises:
        CheckpointMismatchError: The file has no weights of the model.
    """
    from r2vos_mm.converters import R2VOS, load_converted, read_released_checkpoint
    from r2vos_mm.converters.released import LANGUAGE_MODEL
    from r2vos_mm.converters.report import listing

    state = read_released_checkpoint(source)
    converted = R2VOS.to_ours(state, source=str(source), partial=True)
    model = model_like(config, converted.weights)
    report = load_converted(model, converted.weights, source=str(source), partial=True)
    weights = report.weights
    print(converted.describe())
    unused = [*report.unexpected_keys, *report.reshaped_keys]
    missing = [*report.missing_keys, *report.reshaped_keys]
    print(listing('of another shape or without a place in the config', unused))
    print(listing('of the config, not in the file', missing))
    layers = len(model.text_encoder.language_model.encoder.layer)
    print(f'The language model in it is a RoBERTa of {layers} layers.')
    if language_model:
        print(
            'model.text_encoder.name_or_path must name one of that size (6 layers: '
            'distilroberta-base, 12: roberta-base), or convert --without-language-model.'
        )
    else:
        print('It is left out.')
        weights = {n: t for n, t in weights.items() if not n.startswith(LANGUAGE_MODEL)}
    return dict(state_dict=compact(weights), meta=dict(converted_from=source.name))


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return 0 if the target was written."""
    parser = new_parser(__doc__)
    add_files(parser, config='config of the same backbone')
    parser.add_argument(
        '--without-language-model',
        action='store_true',
        help='leave the language model of the file out',
    )
    args = parser.parse_args(arguments)
    keep = not args.without_language_model
    return write_converted(
        args, lambda config: initialise(config, args.source, language_model=keep)
    )


if __name__ == '__main__':
    sys.exit(main())
