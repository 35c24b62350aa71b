"""Convert checkpoint files: from released formats, back to them, and those of backbones.

Each function returns the content of the new file and a report that accounts for every tensor.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn

from r2vos_mm.models import text_encoders
from r2vos_mm.models.backbones import fit_backbone
from r2vos_mm.registry import MODELS
from r2vos_mm.utils.checkpoint import read_checkpoint
from r2vos_mm.utils.state_dict import CheckpointMismatchError, weights_of

from .language_model import LANGUAGE_MODEL, roberta_config
from .released import (
    R2VOS,
    ReleasedFormat,
    listing,
    load_converted,
    read_released_checkpoint,
    window_positions,
)


class ConvertedFile(NamedTuple):
    """Content of a checkpoint file, and a report, line by line, of how each tensor was used."""

    content: dict[str, Any]
    report: str


def read_released(
    released: ReleasedFormat, config: Mapping, source: Path, *, leave_out: str | None = None
) -> ConvertedFile:
    """Convert a released checkpoint to the format of this package.

    Args:
        released: format of the source.
        config: config of the segmentor that the weights belong to.
        source: the released file.
        leave_out: prefix of the names of weights to skip, for a checkpoint that initializes a run.

    Raises:
        CheckpointMismatchError: the weights do not fit the config completely, or ``leave_out``
            matches no weight.
    """
    converted = released.to_ours(read_released_checkpoint(source), source=str(source))
    weights, report = converted.weights, [converted.describe()]
    load_converted(model_like(config, weights), weights, source=str(source))
    if leave_out is not None:
        left = [name for name in weights if name.startswith(leave_out)]
        if not left:
            raise CheckpointMismatchError(
                f'no weight starts with {leave_out!r}, so --leave-out has no effect'
            )
        report.append(listing('skipped as requested', left))
        weights = {name: tensor for name, tensor in weights.items() if name not in left}
    content = _content(weights, source)
    content['meta']['language_model'] = roberta_config(converted.weights)
    return ConvertedFile(content, '\n'.join(report))


def restore_released(released: ReleasedFormat, config: Mapping, source: Path) -> ConvertedFile:
    """Convert a checkpoint of this package to a released format.

    A frozen language model is not part of training checkpoints; it is loaded from the source that
    the config names.

    Raises:
        CheckpointMismatchError: The weights do not fit the config completely.
        OSError: The language model cannot be loaded.
    """
    weights, report = weights_of(read_checkpoint(source)), []
    if f'{LANGUAGE_MODEL}embeddings.word_embeddings.weight' not in weights:
        name = config['text_encoder']['name_or_path']
        report.append(f'The checkpoint has no language model: loading {name}.')
        language = text_encoders.load_language_model(name).model.state_dict()
        weights = {LANGUAGE_MODEL + key: tensor for key, tensor in language.items()} | weights
    load_converted(model_like(config, weights), weights, source=str(source))
    converted = released.to_released(weights, source=str(source))
    report.append(converted.describe())
    weights = converted.weights | window_positions(converted.weights)
    return ConvertedFile({released.container: compact(weights)}, '\n'.join(report))


def initial_weights(config: Mapping, source: Path, *, language_model: bool = True) -> ConvertedFile:
    """Return the weights of a ReferFormer checkpoint that fit an R2-VOS, and list the others.

    Without ``language_model``, that of the file is skipped.

    Raises:
        CheckpointMismatchError: the file contains no weights of the model.
    """
    state = read_released_checkpoint(source)
    converted = R2VOS.to_ours(state, source=str(source), partial=True)
    model = model_like(config, converted.weights)
    fit = load_converted(model, converted.weights, source=str(source), partial=True)
    weights = fit.weights
    layers = len(model.text_encoder.language_model.encoder.layer)
    report = [
        converted.describe(),
        listing(
            'not used: another shape, or not in the config',
            [*fit.unexpected_keys, *fit.reshaped_keys],
        ),
        listing('of the config, but not in the file', [*fit.missing_keys, *fit.reshaped_keys]),
        f'The language model in the file is a RoBERTa with {layers} layers.',
    ]
    if language_model:
        report.append(
            'Set model.text_encoder.name_or_path to a model of this size (6 layers: '
            'distilroberta-base, 12: roberta-base), or use --without-language-model.'
        )
    else:
        report.append('It is skipped.')
        weights = {n: t for n, t in weights.items() if not n.startswith(LANGUAGE_MODEL)}
    return ConvertedFile(_content(weights, source), '\n'.join(report))


def read_backbone(
    config: Mapping, source: Path, *, check: Callable[[nn.Module], None] | None = None
) -> ConvertedFile:
    """Convert a checkpoint of a backbone to that of a segmentor's config.

    Raises:
        CheckpointMismatchError: the weights do not fit the backbone, the config has none, or
            ``check`` raises it for a backbone that is not supported.
    """
    if 'backbone' not in config:
        raise CheckpointMismatchError('The model of the config has no backbone.')
    backbone = MODELS.build(dict(config['backbone'], init_cfg=None))
    if check is not None:
        check(backbone)
    fit = fit_backbone(backbone, source)
    return ConvertedFile(_content(fit.weights, source), fit.describe())


def model_like(config: Mapping, weights: Mapping[str, Tensor]) -> nn.Module:
    """Build the model of a config with a RoBERTa of the size of the converted weights.

    The language model is built from the shapes of its weights, so neither the hub nor a tokenizer
    is needed. The backbone is not initialized.

    Raises:
        CheckpointMismatchError: The weights do not contain a RoBERTa.
    """
    language = text_encoders.build_language_model(roberta_config(weights))
    config = dict(config, backbone=dict(config['backbone'], init_cfg=None))
    config['text_encoder'] = dict(
        config['text_encoder'], language_model=language, tokenizer=object()
    )
    return MODELS.build(config)


def compact(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copy the tensors, because a view of a larger tensor would be saved with all of its data."""
    return {name: tensor.clone() for name, tensor in weights.items()}


def _content(weights: Mapping[str, Tensor], source: Path) -> dict[str, Any]:
    return dict(state_dict=compact(weights), meta=dict(converted_from=source.name))
