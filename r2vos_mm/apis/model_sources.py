"""Find config and weights of a model by what users call it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from mmengine.config import Config

from r2vos_mm.engine.model_index import find_model, listed_models
from r2vos_mm.models.utils import is_pretrained
from r2vos_mm.utils.cli import UsageError
from r2vos_mm.utils.files import PathLike


class ModelSource(NamedTuple):
    """What :func:`init_model` takes."""

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
        return _saved_model(Path(model), weights)
    listed = find_model(str(model))
    if listed is None:
        return ModelSource(model, weights)
    if weights is None and listed.weights is None:
        raise UsageError(
            f'{listed.name} is listed without weights: give weights=FILE, see docs/model_zoo.md'
        )
    return ModelSource(listed.config, weights or listed.weights)


def listed_names() -> list[str]:
    """Return names and aliases of the models in the model index."""
    return [name for listed in listed_models() for name in (listed.name, *listed.aliases)]


def _saved_model(folder: Path, weights: PathLike | None) -> ModelSource:
    if not is_pretrained(folder):
        raise UsageError(
            f'{folder} is a folder, but not of save_pretrained: give a config, a checkpoint or a '
            'name of R2VOSInferencer.list_models()'
        )
    if weights is not None:
        raise UsageError(f'{folder} has weights of its own: leave weights={weights} out')
    return ModelSource(folder, None)
