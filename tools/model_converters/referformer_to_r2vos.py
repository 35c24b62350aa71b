"""Make an initialisation of R2-VOS of a released ReferFormer checkpoint.

    python tools/model_converters/referformer_to_r2vos.py \\
        configs/r2vos/released/r2vos-released_r50_8xb1-6e_ref-ytvos.py \\
        referformer_pretrained.pth initial.pth

Takes the parts that both models have (``load_from`` of a training reads the result) and lists the
others; ``--without-language-model`` keeps the config's own. Files are read without running code
from them.
"""

import argparse
import sys
from pathlib import Path

import r2vos_mm  # noqa: F401  (makes the ecosystem importable)
from r2vos_mm.converters.command_line import LANGUAGE, compact, write_converted
from r2vos_mm.converters.released_format import read_released_checkpoint
from r2vos_mm.converters.released_r2vos import RELEASED_R2VOS
from r2vos_mm.converters.skeletons import load_converted, model_like


def initialise(config: dict, source: Path, *, language_model: bool = True) -> dict:
    """Weights of a ReferFormer checkpoint that fit the config, the others listed.

    Args:
        config: config of the segmentor to initialise.
        source: the released file.
        language_model: whether that of the file is taken, too.

    Raises:
        CheckpointError: the file is of no relative of R2-VOS.
    """
    converted = RELEASED_R2VOS.to_here(
        read_released_checkpoint(source), source=str(source), partial=True
    )
    model = model_like(config, converted.weights)
    unused, missing = load_converted(model, converted.weights, source=str(source), partial=True)
    weights = {name: tensor for name, tensor in converted.weights.items() if name not in unused}
    print(converted.describe())
    print(
        f'  of another shape or without a place in the config ({len(unused)}): '
        f'{", ".join(unused) or "none"}'
    )
    print(f'  of the config, not in the file ({len(missing)}): {", ".join(missing) or "none"}')
    layers = len(model.text_encoder.language_model.encoder.layer)
    print(f'The language model in it is a RoBERTa of {layers} layers.')
    if language_model:
        print(
            'model.text_encoder.name_or_path must name one of that size (6 layers: '
            'distilroberta-base, 12: roberta-base), or convert --without-language-model.'
        )
    else:
        print('It is left out.')
        weights = {
            name: tensor for name, tensor in weights.items() if not name.startswith(LANGUAGE)
        }
    return dict(state_dict=compact(weights), meta=dict(converted_from=source.name))


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; 0 when the target was written."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', type=Path, help='config of the same backbone')
    parser.add_argument('source', type=Path, help='checkpoint to read')
    parser.add_argument('target', type=Path, help='file to write')
    parser.add_argument('--overwrite', action='store_true', help='replace an existing target')
    parser.add_argument(
        '--without-language-model',
        action='store_true',
        help='leave the language model of the file out',
    )
    args = parser.parse_args(arguments)
    return write_converted(
        args,
        lambda config: initialise(
            config, args.source, language_model=not args.without_language_model
        ),
    )


if __name__ == '__main__':
    sys.exit(main())
