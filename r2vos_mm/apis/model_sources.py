"""Find config and weights of a model by what users call it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config
from mmengine.infer import BaseInferencer

from r2vos_mm.utils.cli import UsageError
from r2vos_mm.utils.files import PathLike

_SCOPE = 'r2vos_mm'


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
    for listed, root in _listed():
        if str(model).lower() in map(str.lower, _names(listed)):
            return ModelSource(root / listed['Config'], weights or _weights(listed, root))
    return ModelSource(model, weights)


def listed_names() -> list[str]:
    """Return names and aliases of the models in the model index."""
    return [name for listed, _ in _listed() for name in _names(listed)]


def _saved_model(folder: Path, weights: PathLike | None) -> ModelSource:
    raise UsageError(f'{folder} is a folder: give a name of R2VOSInferencer.list_models(), a file')


def _listed() -> Iterator[tuple[dict[str, Any], Path]]:
    """Yield the models of the model index with the folder that their paths start from."""
    root = BaseInferencer._get_repo_or_mim_dir(_SCOPE)
    return ((m, Path(root)) for m in BaseInferencer._get_models_from_metafile(root))


def _names(listed: dict[str, Any]) -> list[str]:
    return [listed['Name'], *listed.get('Alias', ())]


def _weights(listed: dict[str, Any], root: Path) -> str:
    weights = listed.get('Weights')
    if weights is None:
        raise UsageError(
            f'{listed["Name"]} is listed without weights: give weights=FILE, see docs/model_zoo.md'
        )
    return weights if '://' in weights else str(root / weights)
