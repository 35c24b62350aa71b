"""Find config and weights of a model, in this package's format or as released, and build it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import init_default_scope

from r2vos_mm.converters import (
    ReleasedCheckpoint,
    load_converted,
    model_like,
    recognize,
    roberta_config,
)
from r2vos_mm.engine.calibration import read_calibration, use_calibration
from r2vos_mm.engine.config import read_config
from r2vos_mm.engine.model_index import CHECKPOINT_SUFFIXES, config_file, find_model
from r2vos_mm.engine.unread_settings import check_settings
from r2vos_mm.models.backbones import find_state
from r2vos_mm.models.segmentors import ReferringVideoSegmentor
from r2vos_mm.models.text_encoders import load_tokenizer
from r2vos_mm.models.utils import is_pretrained, load_pretrained, restored_config
from r2vos_mm.registry import MODELS
from r2vos_mm.utils.checkpoint import CheckpointReadError, load_checkpoint
from r2vos_mm.utils.cli import UsageError, as_usage_error, one_line
from r2vos_mm.utils.files import PathLike
from r2vos_mm.utils.logging import log, quiet
from r2vos_mm.utils.state_dict import (
    CheckpointMismatchError,
    check_weights,
    weights_of,
)


@quiet()
def init_model(
    config: PathLike | Config | None = None,
    checkpoint: PathLike | None = None,
    *,
    device: str | torch.device = 'auto',
    cfg_options: Mapping | None = None,
) -> ReferringVideoSegmentor:
    """Build a model for inference; its attribute ``cfg`` is its config.

    Released checkpoints of R2-VOS, ReferFormer and MTTR are recognized by the names of their
    tensors and converted in memory. Their language model comes from the file, so that only its
    tokenizer is loaded from ``model.text_encoder.tokenizer``, by default that of
    ``model.text_encoder.name_or_path``.

    A calibration of the verdict in the checkpoint (``r2vos calibrate``) precedes the settings of
    the config, and ``cfg_options`` precede both; what is used is logged.

    Args:
        config: config, its file, or a name or alias of a listed model (``r2vos_r50_released``);
            or a folder of ``save_pretrained`` without a checkpoint. None chooses the config of a
            released checkpoint.
        checkpoint: file or URL, read without running code from it; None leaves the weights
            random, with a warning. May be given alone, as the only argument.
        device: ``auto`` takes a GPU if there is one.
        cfg_options: settings that override the config, such as
            ``{'model.test_cfg.frames_per_pass': 8}``.

    Raises:
        UsageError: the config cannot be read, its model cannot be built, the checkpoint needs a
            config, or there is no such device.
        FileNotFoundError: config or checkpoint do not exist.
        CheckpointReadError: the file is damaged, no checkpoint, or needs unpickling.
        CheckpointMismatchError: the weights are those of another model.
        OSError: the language model or its tokenizer cannot be loaded.
    """
    if checkpoint is None and str(config).endswith(CHECKPOINT_SUFFIXES):
        config, checkpoint = None, config
    device = checked_device(device)
    if checkpoint is None and isinstance(config, (str, Path)) and is_pretrained(config):
        return _saved_model(Path(config), cfg_options).to(device)
    content = None if checkpoint is None else read_any(checkpoint)
    released = released_in(content)
    if config is None:
        config = _config_of(released, checkpoint)
    config, source = _ready_config(config, cfg_options), str(checkpoint)
    if released is not None:
        model = released_model(config, released, source=source)
    else:
        model = _own_model(config, content, cfg_options or {}, source=source)
    model.cfg, model.card = config, _card(config, checkpoint, released)
    return model.to(device).eval()


def _own_model(
    config: Config, content: Mapping[str, Any] | None, options: Mapping, *, source: str
) -> ReferringVideoSegmentor:
    """Build a model with the weights of a checkpoint of this package, or None for random ones."""
    take_language_model(config, content)
    calibration = read_calibration(content or {})
    if calibration is not None:
        use_calibration(config, calibration, options, source=source)
    with as_usage_error('model'):
        model = MODELS.build(config.model)
    if content is None:
        print_log('init_model got no checkpoint: the weights are random', level=30)
    else:
        check_weights(model, content, source=source, strict=True)
        model.load_state_dict(weights_of(content), strict=False)
    return model


def checked_device(device: str | torch.device) -> torch.device:
    """Return a device; ``'auto'`` takes a GPU if there is one.

    Raises:
        UsageError: there is no such device.
    """
    if device == 'auto':
        device = 'cuda' if torch.cuda.is_available() else 'cpu'
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f'device {str(device)!r} cannot be used: {one_line(error)}') from error
    return torch.device(device)


def read_any(checkpoint: PathLike) -> Mapping[str, Any]:
    """Read a checkpoint of this package or a released one.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointReadError: it is damaged, no checkpoint, or needs unpickling.
    """
    content = load_checkpoint(str(checkpoint))
    if not isinstance(content, Mapping):
        raise CheckpointReadError(
            f'{checkpoint} holds a {type(content).__name__}, a checkpoint '
            'holds a mapping with a state_dict'
        )
    return content


def released_in(content: Mapping[str, Any] | None) -> ReleasedCheckpoint | None:
    """Return the description of a checkpoint in its authors' own format, None for another one."""
    return recognize(find_state(content).weights)


def _saved_model(folder: Path, options: Mapping | None) -> ReferringVideoSegmentor:
    """Build the model of ``save_pretrained`` in a folder."""
    config = read_config(folder / 'config.json', options, needs=['model'])
    config = Config(restored_config(config.to_dict()))
    init_default_scope(config.get('default_scope', 'r2vos_mm'))
    check_settings(config, only=['model'])
    return load_pretrained(config, folder)


def _card(
    config: Config, checkpoint: PathLike | None, released: ReleasedCheckpoint | None
) -> dict[str, Any]:
    """Return what is known for the model card; metrics only of the checkpoint that has them."""
    name = Path(config.filename).stem if config.filename else ''
    listed = find_model(name)
    card = dict(name=name, method=listed.method if listed else '')
    if listed is None or checkpoint is None:
        return card
    if released is not None:
        notes = (
            f'Converted from the checkpoint {Path(checkpoint).name} of the authors of '
            f'{released.released.method}, to whom it belongs. The file does not name its training '
            'data.'
        )
        return {**card, 'notes': notes}
    if listed.weights == str(checkpoint):
        metrics = {f'{name}, {listed.dataset}': value for name, value in listed.metrics.items()}
        return {**card, 'data': listed.training_data, 'metrics': metrics, 'license': 'apache-2.0'}
    return card


def _config_of(released: ReleasedCheckpoint | None, checkpoint: PathLike | None) -> str:
    """Return the alias of the config of a released checkpoint."""
    if checkpoint is None:
        raise UsageError('init_model got neither a config nor a checkpoint')
    if released is None:
        raise UsageError(
            f'{checkpoint} is not a released checkpoint of R2-VOS, ReferFormer or MTTR: name the '
            'config that it was trained with'
        )
    if find_model(released.alias) is None:
        raise UsageError(f'{checkpoint} is {released}: name its config')
    log(f'{checkpoint} is {released}: the config is {released.alias}')
    return released.alias


def _ready_config(config: PathLike | Config, options: Mapping | None) -> Config:
    if isinstance(config, Config):
        config = config.copy()
        config.merge_from_dict(dict(options or {}))
    else:
        try:
            config = config_file(config)
        except UsageError as error:
            raise FileNotFoundError(str(error)) from error
        config = read_config(config, options, needs=['model'])
    init_default_scope(config.get('default_scope', 'r2vos_mm'))
    check_settings(config, only=['model'])
    return config


def released_model(
    config: Config, released: ReleasedCheckpoint, *, source: str
) -> ReferringVideoSegmentor:
    """Build the model of a config with the converted weights of a released checkpoint.

    The text encoder in ``config`` gets the language model of the file.

    Raises:
        UsageError: the model cannot be built.
        CheckpointMismatchError: the weights are those of another model; the message names
            its config.
        OSError: the tokenizer cannot be loaded.
    """
    weights = released.released.to_ours(dict(released.state), source=source).weights
    with as_usage_error('model'):
        model = model_like(config.model, weights)
    load_converted(model, weights, source=source, advice=_advice(config, released))
    encoder = config.model.text_encoder
    encoder.language_model = roberta_config(weights)
    name = encoder.get('tokenizer') or encoder.name_or_path
    language_model = model.text_encoder.language_model
    model.text_encoder.tokenizer = _exact_tokenizer(name, language_model.config)
    return model


def _advice(config: Config, released: ReleasedCheckpoint) -> str:
    model = find_model(released.alias)
    if model is None:
        return f'The file is {released}: use a config of these sizes.'
    if config.filename and Path(config.filename).resolve() == model.config.resolve():
        return f'The file is {released}, but not as published.'
    return f'The file is {released}: use the config {model.config.name} ({released.alias}).'


def _exact_tokenizer(name: str, config: Any) -> object:
    """Load a tokenizer that has exactly the tokens of a language model.

    Raises:
        CheckpointMismatchError: it has others.
        OSError: it cannot be loaded.
    """
    tokenizer = load_tokenizer(name, config)
    if len(tokenizer) != config.vocab_size:
        raise CheckpointMismatchError(
            f'the tokenizer of {name!r} has {len(tokenizer)} tokens, the language model in the '
            f'checkpoint {config.vocab_size}: set model.text_encoder.tokenizer to the tokenizer '
            'of roberta-base'
        )
    return tokenizer


def take_language_model(config: Config, content: Mapping[str, Any] | None) -> None:
    """Let the text encoder be built as a converted checkpoint describes its language model."""
    found = ((content or {}).get('meta') or {}).get('language_model')
    encoder = config.model.get('text_encoder')
    if found and encoder is not None and not encoder.get('language_model'):
        encoder.language_model = found


class ModelSource(NamedTuple):
    """The first arguments of :func:`init_model`."""

    config: PathLike | Config
    weights: PathLike | None


def resolve_model(model: PathLike | Config, weights: PathLike | None = None) -> ModelSource:
    """Return config and weights of a model.

    Args:
        model: name or alias of the model index, config or its file, or folder of
            ``save_pretrained``.
        weights: file or address; None takes those of the model index or of the folder, or none.

    Raises:
        UsageError: a listed model has no weights, or a folder is not of ``save_pretrained``.
    """
    if isinstance(model, Config) or Path(model).is_file():
        return ModelSource(model, weights)
    if Path(model).is_dir():
        return _saved_source(Path(model), weights)
    listed = find_model(str(model))
    if listed is None:
        return ModelSource(model, weights)
    if weights is None and listed.weights is None:
        raise UsageError(
            f'{listed.name} is listed without weights: give weights=FILE, see docs/model_zoo.md'
        )
    return ModelSource(listed.config, weights or listed.weights)


def _saved_source(folder: Path, weights: PathLike | None) -> ModelSource:
    if not is_pretrained(folder):
        raise UsageError(
            f'{folder} is a folder, but not of save_pretrained: give a config, a checkpoint or a '
            'name of R2VOSInferencer.list_models()'
        )
    if weights is not None:
        raise UsageError(f'{folder} has its own weights: remove weights={weights}')
    return ModelSource(folder, None)
