"""Let trainings and tests start from released checkpoints as they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from r2vos_mm.converters import roberta_config
from r2vos_mm.engine import build_runner
from r2vos_mm.utils.logging import log
from r2vos_mm.utils.weights import ADDRESSES

from .model_loading import read_any, released_in, released_model, take_language_model


class ReleasedWeightsHook(Hook):
    """Convert a released checkpoint when it is loaded; describe its language model in new ones.

    Args:
        language_model: configuration of the language model, which new checkpoints hold.
    """

    priority = 'VERY_HIGH'  # before the weights are compared with the model

    def __init__(self, language_model: Mapping[str, Any]) -> None:
        self.language_model = dict(language_model)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Convert released weights in place; others stay as they are."""
        content = converted(checkpoint)
        if content is not checkpoint:
            checkpoint.clear()
            checkpoint.update(content)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Describe the language model, of which checkpoints hold the weights."""
        checkpoint['meta']['language_model'] = self.language_model


def build_released_runner(cfg: Config, *, training: bool) -> Runner:
    """Build the Runner of a config whose ``load_from`` may be, or come from, a released checkpoint.

    The text encoder in ``cfg`` gets the language model of such a file, and the backbone does not
    load other pre-trained weights. Nothing changes for other checkpoints.

    Args:
        cfg: the config; changed in place.
        training: whether the run trains.

    Raises:
        UsageError: see :func:`r2vos_mm.engine.build_runner`.
        CheckpointMismatchError: released weights are those of another model; the message
            names its config.
        OSError: the tokenizer cannot be loaded.
    """
    _prepare(cfg, str(cfg.get('load_from') or ''))
    runner = build_runner(cfg, training=training)
    language_model = cfg.model.get('text_encoder', {}).get('language_model')
    if language_model:
        runner.register_hook(ReleasedWeightsHook(language_model))
    return runner


def _prepare(cfg: Config, source: str) -> None:
    if not (source.startswith(ADDRESSES) or Path(source).is_file()):
        return  # build_runner names what is missing
    content = read_any(source)
    released = released_in(content)
    if released is None:
        take_language_model(cfg, content)
        return
    released_model(cfg, released, source=source)
    cfg.model.backbone.init_cfg = None
    log(f'{source} is {released}; it is converted while it is loaded')


def converted(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a checkpoint of this package holds for a released one; others unchanged."""
    released = released_in(content)
    if released is None:
        return content
    weights = released.released.to_ours(dict(released.state)).weights
    return dict(state_dict=weights, meta=dict(language_model=roberta_config(weights)))
