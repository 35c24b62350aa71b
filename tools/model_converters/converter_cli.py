"""Parse the common arguments of the converters in this folder, and write their results."""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from r2vos_mm.utils.cli import UsageError, check_writable, parser_of, short_errors
from r2vos_mm.utils.files import write_atomically

if TYPE_CHECKING:  # heavy imports come after the arguments are parsed
    from torch import Tensor, nn

    from r2vos_mm.converters import ReleasedFormat
    from r2vos_mm.utils.state_dict import FitReport


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
    if args.direction == 'to-released':
        return write_converted(args, lambda config: restore_released(released, config, args.source))
    return write_converted(
        args, lambda config: read_released(released, config, args.source, leave_out=args.leave_out)
    )


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
    return write_converted(args, lambda config: read_backbone(config, args.source, check=check))


def write_converted(args: argparse.Namespace, convert: Callable[[dict], dict]) -> int:
    """Write the result of a conversion atomically; return 0.

    Args:
        args: ``config`` and ``target``, paths, ``overwrite`` and ``debug``.
        convert: Function from the model of the config to the content of the target.
    """
    with short_errors(args.debug):
        if args.target.exists() and not args.overwrite:
            raise UsageError(f'{args.target} exists; choose another target or add --overwrite')
        check_writable(args.target, what='target')

        import torch

        buffer = io.BytesIO()
        torch.save(convert(_model_config(args.config)), buffer)
        write_atomically(buffer.getvalue(), args.target)
    print(f'Wrote {args.target}.')
    return 0


def _model_config(path: Path) -> dict:
    """Read the model of a config file."""
    from r2vos_mm.engine import read_config

    return read_config(path, needs=['model']).model.to_dict()


def read_released(
    released: ReleasedFormat, config: dict, source: Path, *, leave_out: str | None = None
) -> dict:
    """Convert a released checkpoint to the format of this package.

    Args:
        released: Format of the source.
        config: Config of the segmentor that the weights belong to.
        source: The released file.
        leave_out: Prefix of the names of weights to skip, for a checkpoint that initializes a
            training run.

    Raises:
        CheckpointMismatchError: The weights do not fit the config completely, or ``leave_out``
            matches no weight.
    """
    from r2vos_mm.converters import load_converted, read_released_checkpoint
    from r2vos_mm.converters.released import listing
    from r2vos_mm.utils.state_dict import CheckpointMismatchError

    converted = released.to_ours(read_released_checkpoint(source), source=str(source))
    weights = converted.weights
    load_converted(model_like(config, weights), weights, source=str(source))
    print(converted.describe())
    if leave_out is not None:
        left = [name for name in weights if name.startswith(leave_out)]
        if not left:
            raise CheckpointMismatchError(
                f'no weight starts with {leave_out!r}, so --leave-out has no effect'
            )
        print(listing('skipped as requested', left))
        weights = {name: tensor for name, tensor in weights.items() if name not in left}
    return dict(state_dict=compact(weights), meta=dict(converted_from=source.name))


def restore_released(released: ReleasedFormat, config: dict, source: Path) -> dict:
    """Convert a checkpoint of this package to a released format.

    A frozen language model is not part of training checkpoints; it is loaded from the source that
    the config names.

    Raises:
        CheckpointMismatchError: The weights do not fit the config completely.
        OSError: The language model cannot be loaded.
    """
    from r2vos_mm.compat.checkpoint import read_checkpoint
    from r2vos_mm.converters import load_converted, window_positions
    from r2vos_mm.converters.released import LANGUAGE_MODEL
    from r2vos_mm.models import text_encoders
    from r2vos_mm.utils.state_dict import weights_of

    weights = weights_of(read_checkpoint(source))
    if f'{LANGUAGE_MODEL}embeddings.word_embeddings.weight' not in weights:
        name = config['text_encoder']['name_or_path']
        print(f'The checkpoint has no language model: loading {name}.')
        language = text_encoders.load_language_model(name).model.state_dict()
        weights = {LANGUAGE_MODEL + key: tensor for key, tensor in language.items()} | weights
    load_converted(model_like(config, weights), weights, source=str(source))
    converted = released.to_released(weights, source=str(source))
    print(converted.describe())
    weights = converted.weights | window_positions(converted.weights)
    return {released.container: compact(weights)}


def model_like(config: dict, weights: dict[str, Tensor]) -> nn.Module:
    """Build the model of a config with a RoBERTa of the size of the converted weights.

    The language model is built from the shapes of its weights, so neither the hub nor a tokenizer
    is needed. The backbone is not initialized.

    Raises:
        CheckpointMismatchError: The weights do not contain a RoBERTa.
    """
    from r2vos_mm.registry import MODELS

    config = dict(config, backbone=dict(config['backbone'], init_cfg=None))
    config['text_encoder'] = dict(
        config['text_encoder'], language_model=_roberta_like(weights), tokenizer=object()
    )
    return MODELS.build(config)


def read_backbone(
    config: dict, source: Path, *, check: Callable[[nn.Module], None] | None = None
) -> dict:
    """Convert a checkpoint of a backbone, and print how each tensor was used.

    Args:
        config: Config of the segmentor with the backbone, which is not initialized.
        source: File to convert.
        check: See :func:`run_backbone`.

    Raises:
        CheckpointMismatchError: The weights do not fit the backbone, or the config has none.
    """
    import r2vos_mm.models  # noqa: F401  (registers the backbones)
    from r2vos_mm.models.backbones import fit_backbone
    from r2vos_mm.registry import MODELS
    from r2vos_mm.utils.state_dict import CheckpointMismatchError

    if 'backbone' not in config:
        raise CheckpointMismatchError('The model of the config has no backbone.')
    backbone = MODELS.build(dict(config['backbone'], init_cfg=None))
    if check is not None:
        check(backbone)
    report: FitReport = fit_backbone(backbone, source)
    print(report.describe())
    return dict(state_dict=compact(report.weights), meta=dict(converted_from=source.name))


def compact(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copy the tensors, because a view of a larger tensor would be saved with all of its data."""
    return {name: tensor.clone() for name, tensor in weights.items()}


def _roberta_like(weights: dict[str, Tensor]) -> nn.Module:
    from transformers import RobertaConfig, RobertaModel

    from r2vos_mm.converters.released import LANGUAGE_MODEL
    from r2vos_mm.utils.state_dict import CheckpointMismatchError

    shapes = {
        name.removeprefix(LANGUAGE_MODEL): tensor.shape
        for name, tensor in weights.items()
        if name.startswith(LANGUAGE_MODEL)
    }
    try:
        vocabulary, channels = shapes['embeddings.word_embeddings.weight']
        config = RobertaConfig(
            vocab_size=vocabulary,
            hidden_size=channels,
            intermediate_size=shapes['encoder.layer.0.intermediate.dense.weight'][0],
            num_hidden_layers=len({n.split('.')[2] for n in shapes if n.startswith('encoder.')}),
            num_attention_heads=channels // 64,  # as in every RoBERTa
            max_position_embeddings=shapes['embeddings.position_embeddings.weight'][0],
            type_vocab_size=shapes['embeddings.token_type_embeddings.weight'][0],
            layer_norm_eps=1e-5,
            pad_token_id=1,
            bos_token_id=0,
            eos_token_id=2,
        )
    except KeyError as error:
        raise CheckpointMismatchError(
            f'the weights do not contain a RoBERTa: {LANGUAGE_MODEL}{error.args[0]} is missing. '
            'Training checkpoints do not contain a frozen language model; add its weights with '
            'this prefix.'
        ) from error
    return RobertaModel(config, add_pooling_layer='pooler.dense.weight' in shapes)
