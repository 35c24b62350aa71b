"""Convert checkpoints of the public R2-VOS code to this package, and back.

    python tools/model_converters/released_r2vos.py from-released \\
        configs/released/r2vos_r50.py released.pth r2vos_r50.pth
    python tools/model_converters/released_r2vos.py to-released \\
        configs/released/r2vos_r50.py r2vos_r50.pth released.pth
    python tools/model_converters/released_r2vos.py from-referformer \\
        configs/released/r2vos_r50.py referformer_pretrained.pth initial.pth

``from-released`` and ``to-released`` account for every tensor: what has no place, another shape or
is missing stops the conversion. A frozen language model, which checkpoints of training leave out,
is taken from where the config names it on the way back. ``from-referformer`` makes an
initialisation (``load_from``) of the parts that both models have and lists the others;
``--without-language-model`` keeps the config's own. Files are read without running code from them.
"""
import argparse
import io
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from mmengine.config import Config
from torch import Tensor

import r2vos_mm  # noqa: F401  (makes the ecosystem importable)
from r2vos_mm.compat.checkpoint import CheckpointReadError, read_checkpoint, write_atomically
from r2vos_mm.compat.state_dict import weights_of
from r2vos_mm.models.backbones import CheckpointError
from r2vos_mm.models.converters import (
    from_released,
    load_converted,
    model_like,
    read_released_checkpoint,
    to_released,
)
from r2vos_mm.models.text_encoders import load_language_model

_LANGUAGE = 'text_encoder.language_model.'
_VOCABULARY = f'{_LANGUAGE}embeddings.word_embeddings.weight'


def convert_from_released(config: dict, source: Path) -> dict:
    """Content of our checkpoint; raises CheckpointError unless it fits the config completely."""
    converted = from_released(read_released_checkpoint(source), source=str(source))
    load_converted(model_like(config, converted.weights), converted.weights, source=str(source))
    print(converted.describe())
    return dict(state_dict=_compact(converted.weights), meta=dict(converted_from=source.name))


def convert_to_released(config: dict, source: Path) -> dict:
    """Content of a released checkpoint; raises CheckpointError unless ours fits the config."""
    weights = weights_of(read_checkpoint(source))
    if _VOCABULARY not in weights:
        weights = language_weights(config['text_encoder']['name_or_path']) | weights
    load_converted(model_like(config, weights), weights, source=str(source))
    converted = to_released(weights, source=str(source))
    print(converted.describe())
    return dict(model=_compact(converted.weights))


def language_weights(name_or_path: str) -> dict[str, Tensor]:
    """Weights of a language model by their names in our checkpoints.

    Raises:
        OSError: it cannot be reached; says what to do.
    """
    print(f'The checkpoint leaves its language model out: taking {name_or_path}.')
    state = load_language_model(name_or_path).model.state_dict()
    return {f'{_LANGUAGE}{name}': tensor for name, tensor in state.items()}


def convert_from_referformer(config: dict, source: Path, *,
                             language_model: bool = True) -> dict:
    """Weights of a ReferFormer checkpoint that fit the config, the others listed.

    Args:
        language_model: whether that of the file is taken, too.
    """
    converted = from_released(
        read_released_checkpoint(source), source=str(source), partial=True)
    model = model_like(config, converted.weights)
    unused, missing = load_converted(model, converted.weights, source=str(source), partial=True)
    weights = {name: tensor for name, tensor in converted.weights.items() if name not in unused}
    print(converted.describe())
    print(f'  of another shape or without a place in the config ({len(unused)}): '
          f'{", ".join(unused) or "none"}')
    print(f'  of the config, not in the file ({len(missing)}): {", ".join(missing) or "none"}')
    layers = len(model.text_encoder.language_model.encoder.layer)
    print(f'The language model in it is a RoBERTa of {layers} layers.')
    if language_model:
        print('model.text_encoder.name_or_path must name one of that size (6 layers: '
              'distilroberta-base, 12: roberta-base), or convert --without-language-model.')
    else:
        print('It is left out.')
        weights = {name: tensor for name, tensor in weights.items()
                   if not name.startswith(_LANGUAGE)}
    return dict(state_dict=_compact(weights), meta=dict(converted_from=source.name))


def _compact(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies of tensors that view a larger one, which would be saved with all of it."""
    return {name: tensor.clone() for name, tensor in weights.items()}


DIRECTIONS: dict[str, Callable[..., dict]] = {
    'from-released': convert_from_released, 'to-released': convert_to_released,
    'from-referformer': convert_from_referformer}


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    """Command line of this tool."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('direction', choices=DIRECTIONS)
    parser.add_argument('config', type=Path, help='config of the same backbone')
    parser.add_argument('source', type=Path, help='checkpoint to read')
    parser.add_argument('target', type=Path, help='file to write')
    parser.add_argument('--overwrite', action='store_true', help='replace an existing target')
    parser.add_argument('--without-language-model', action='store_true',
                        help='from-referformer: leave the language model of the file out')
    args = parser.parse_args(arguments)
    if args.without_language_model and args.direction != 'from-referformer':
        parser.error('--without-language-model is for from-referformer')
    return args


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; 0 when the target was written."""
    args = parse_args(arguments)
    if args.target.exists() and not args.overwrite:
        print(f'{args.target} exists; name another target or add --overwrite.', file=sys.stderr)
        return 1
    try:
        config = Config.fromfile(args.config).model.to_dict()
        options = dict(language_model=False) if args.without_language_model else {}
        content = DIRECTIONS[args.direction](config, args.source, **options)
    except (CheckpointError, CheckpointReadError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_atomically(buffer.getvalue(), args.target)
    print(f'Wrote {args.target}.')
    return 0


if __name__ == '__main__':
    sys.exit(main())
