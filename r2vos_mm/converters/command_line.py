"""The command lines of the converters of checkpoints."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from mmengine.config import Config
from torch import Tensor, nn

from r2vos_mm.compat.checkpoint import CheckpointReadError, read_checkpoint
from r2vos_mm.models.backbones.checkpoints import CheckpointError, FittedWeights
from r2vos_mm.models.text_encoders import load_language_model
from r2vos_mm.registry import MODELS
from r2vos_mm.utils.files import write_atomically
from r2vos_mm.utils.state_dict import weights_of

from .released_format import ReleasedFormat, read_released_checkpoint
from .skeletons import load_converted, model_like
from .swin_names import window_positions

LANGUAGE = 'text_encoder.language_model.'
"""How the names of the language model's weights begin."""
_VOCABULARY = f'{LANGUAGE}embeddings.word_embeddings.weight'


def run(released: ReleasedFormat, description: str, arguments: list[str] | None = None) -> int:
    """Convert one checkpoint from or to a released format.

    Args:
        released: the format.
        description: what ``--help`` says.
        arguments: of the command line; None takes those of the program.

    Returns:
        The exit code: 0 when the target was written.
    """
    args = _parse(description, arguments)
    if args.direction == 'from-released':
        return write_converted(
            args,
            lambda config: read_released(released, config, args.source, leave_out=args.leave_out),
        )
    return write_converted(args, lambda config: restore_released(released, config, args.source))


def run_backbone(
    fit: Callable[[nn.Module, Path], FittedWeights],
    description: str,
    arguments: list[str] | None = None,
) -> int:
    """Convert one checkpoint of a backbone to that of a config.

    Args:
        fit: gives the weights of a file that belong into a backbone. Raises ``CheckpointError``
            when they do not fit.
        description: what ``--help`` says.
        arguments: of the command line; None takes those of the program.

    Returns:
        The exit code: 0 when the target was written.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    _add_files(parser, config='config whose backbone the weights are for')
    args = parser.parse_args(arguments)
    return write_converted(args, lambda config: read_backbone(fit, config, args.source))


def read_backbone(
    fit: Callable[[nn.Module, Path], FittedWeights], config: dict, source: Path
) -> dict:
    """Content of a checkpoint of a backbone, where every tensor went printed.

    Args:
        fit: see :func:`run_backbone`.
        config: config of the segmentor with the backbone, whose own initialisation is left out.
        source: the file to convert.

    Raises:
        CheckpointError: the weights do not fit the backbone, or the config has none.
    """
    if 'backbone' not in config:
        raise CheckpointError('The model of the config has no backbone to convert weights for.')
    fitted = fit(MODELS.build(dict(config['backbone'], init_cfg=None)), source)
    print(fitted.describe())
    return dict(state_dict=compact(fitted.weights), meta=dict(converted_from=source.name))


def write_converted(args: argparse.Namespace, convert: Callable[[dict], dict]) -> int:
    """Write what a conversion gives, whole or not at all; errors go to the screen.

    Args:
        args: ``config`` and ``target``, paths, and ``overwrite``.
        convert: the model of the config to the content of the target.

    Returns:
        The exit code: 0 when the target was written.
    """
    if args.target.exists() and not args.overwrite:
        print(f'{args.target} exists; name another target or add --overwrite.', file=sys.stderr)
        return 1
    try:
        buffer = io.BytesIO()
        torch.save(convert(_model_config(args.config)), buffer)
        write_atomically(buffer.getvalue(), args.target)
    except (CheckpointError, CheckpointReadError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f'Wrote {args.target}.')
    return 0


def _model_config(path: Path) -> dict:
    """The model's part of a config file.

    Raises:
        CheckpointError: there is no such file, it is no Python, or describes no model.
    """
    try:
        config = Config.fromfile(path)
    except (OSError, SyntaxError) as error:
        raise CheckpointError(f'Config {path} cannot be read: {error}') from error
    if not isinstance(config.get('model'), dict):
        raise CheckpointError(f'{path} describes no model; give the config of a training.')
    return config.model.to_dict()


def read_released(
    released: ReleasedFormat, config: dict, source: Path, *, leave_out: str | None = None
) -> dict:
    """Content of our checkpoint, made of a released one.

    Args:
        released: the format of the source.
        config: config of the segmentor that the weights belong to.
        source: the released file.
        leave_out: beginning of the names of weights that are not written, for a checkpoint that
            initialises a training.

    Raises:
        CheckpointError: the weights do not fit the config completely, or ``leave_out`` names none.
    """
    converted = released.to_here(read_released_checkpoint(source), source=str(source))
    weights = converted.weights
    load_converted(model_like(config, weights), weights, source=str(source))
    print(converted.describe())
    if leave_out is not None:
        left = [name for name in weights if name.startswith(leave_out)]
        if not left:
            raise CheckpointError(f'no weight begins with {leave_out!r}: nothing to leave out')
        print(f'  left out as told ({len(left)}): {", ".join(left)}')
        weights = {name: tensor for name, tensor in weights.items() if name not in left}
    return dict(state_dict=compact(weights), meta=dict(converted_from=source.name))


def restore_released(released: ReleasedFormat, config: dict, source: Path) -> dict:
    """Content of a released checkpoint, made of ours.

    A frozen language model, which checkpoints of training leave out, is taken from where the config
    names it.

    Raises:
        CheckpointError: our weights do not fit the config completely.
        OSError: the language model cannot be reached.
    """
    weights = weights_of(read_checkpoint(source))
    if _VOCABULARY not in weights:
        name = config['text_encoder']['name_or_path']
        print(f'The checkpoint leaves its language model out: taking {name}.')
        language = load_language_model(name).model.state_dict()
        weights = {f'{LANGUAGE}{key}': tensor for key, tensor in language.items()} | weights
    load_converted(model_like(config, weights), weights, source=str(source))
    converted = released.to_there(weights, source=str(source))
    print(converted.describe())
    weights = converted.weights | window_positions(converted.weights)
    return {released.container: compact(weights)}


def compact(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies of tensors that view a larger one, which would be saved with all of it."""
    return {name: tensor.clone() for name, tensor in weights.items()}


def _parse(description: str, arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('direction', choices=('from-released', 'to-released'))
    _add_files(parser, config='config of the same backbone')
    parser.add_argument(
        '--leave-out', metavar='NAME', help='from-released: leave out weights whose names begin so'
    )
    args = parser.parse_args(arguments)
    if args.leave_out is not None and args.direction != 'from-released':
        parser.error('--leave-out is for from-released')
    return args


def _add_files(parser: argparse.ArgumentParser, *, config: str) -> None:
    """Add what :func:`write_converted` needs, ``config`` being the help of that argument."""
    parser.add_argument('config', type=Path, help=config)
    parser.add_argument('source', type=Path, help='checkpoint to read')
    parser.add_argument('target', type=Path, help='file to write')
    parser.add_argument('--overwrite', action='store_true', help='replace an existing target')
