"""Find configs and weights by the names and aliases in the metafiles of the package."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

import r2vos_mm
from r2vos_mm.utils.cli import UsageError, did_you_mean, existing_file

CHECKPOINT_SUFFIXES = ('.pth', '.pt', '.tar', '.bin')
_PREFIX = 'r2vos_mm::'
_INDEX = 'model-index.yml'


class DefaultModel(NamedTuple):
    """A model that commands use if none is named.

    Attributes:
        name: name or alias of a listed model with weights.
        note: what it does not know, shown when it is used on something else.
    """

    name: str
    note: str


DEFAULT_MODEL = DefaultModel(
    'r2vos_real',
    'the default model is small and has seen few photographs and videos: expect mistakes '
    '(docs/real_video.md); --model and --weights choose another',
)
SHAPES_MODEL = DefaultModel(
    'r2vos_tiny',
    'this checkpoint only knows the drawn shapes of RefShapes (such as "the small red ring")',
)
_REFSHAPES_FILE = 'refshapes.json'  # in the root folder of the data set


def default_model(video: str | Path | None) -> DefaultModel:
    """Return the model for drawn shapes if a video is of RefShapes, else that for real video."""
    return SHAPES_MODEL if video is not None and is_of_refshapes(video) else DEFAULT_MODEL


def is_of_refshapes(video: str | Path) -> bool:
    """Return whether a video lies in a RefShapes data set, or is the sample of it."""
    path = Path(video).resolve()
    sample = (content_root() / 'configs' / 'samples' / 'refshapes.mp4').resolve()
    # The root is above the folder of a video; a file of this name beside one describes a sample.
    return path == sample or any((f / _REFSHAPES_FILE).is_file() for f in path.parents[1:5])


@dataclass(frozen=True)
class ListedModel:
    """A model of a metafile.

    Attributes:
        name: name of its config without ``.py``.
        config: the config file.
        method: R2-VOS, ReferFormer or MTTR.
        aliases: other names.
        weights: path or address of weights in the format of this package; None if there are none.
        released: address of the checkpoint of its authors; None if there is none.
        training_data: names of data sets.
        metrics: published ones are marked as such in their names.
        dataset: on which the metrics were measured.
    """

    name: str
    config: Path
    method: str
    aliases: tuple[str, ...] = ()
    weights: str | None = None
    released: str | None = None
    training_data: str = ''
    metrics: Mapping[str, float] = field(default_factory=dict)
    dataset: str = ''


def content_root() -> Path:
    """Return the folder of ``configs``, ``tools`` and ``model-index.yml``.

    That is the root of a clone, or ``.mim`` in an installed package.

    Raises:
        UsageError: the package was copied without them.
    """
    package = Path(r2vos_mm.__file__).parent
    for folder in (package.parent, package / '.mim'):
        if (folder / _INDEX).is_file():
            return folder
    raise UsageError(f'{package} has no configs beside it: install the package again')


@cache
def listed_models() -> tuple[ListedModel, ...]:
    """Return all models of the metafiles."""
    root = content_root()
    return tuple(
        _listed(model, root)
        for file in _read_yaml(root / _INDEX)['Import']
        for model in _read_yaml(root / file)['Models']
    )


def listed_names() -> list[str]:
    """Return names and aliases of all listed models."""
    return [name for model in listed_models() for name in (model.name, *model.aliases)]


def find_model(name: str) -> ListedModel | None:
    """Return the model of a name or alias, in small or capital letters; None if it is not listed.

    >>> find_model('r2vos_r50_released').name
    'r2vos-released_r50_8xb1-6e_ref-ytvos'
    """
    wanted = name.lower()
    for model in listed_models():
        if wanted in (model.name.lower(), *map(str.lower, model.aliases)):
            return model
    return None


def shipped_weights(config: str | Path) -> str | None:
    """Return the listed weights of the model that has this config, None if there are none."""
    path, configs = Path(config).resolve(), content_root() / 'configs'
    for model in listed_models():
        files = [model.config, *(configs / f'{alias}.py' for alias in model.aliases)]
        if model.weights is not None and path in [file.resolve() for file in files]:
            return model.weights
    return None


def config_file(config: str | Path) -> Path:
    """Return the file of a config that is given by path, name, alias or ``r2vos_mm::PATH``.

    A name is that of a listed model, or of a file directly in the folder of configs.

    Raises:
        UsageError: there is none; the message suggests similar names.
    """
    path, text = Path(config), str(config)
    if path.is_file():
        return path
    if text.startswith(_PREFIX):
        path = content_root() / 'configs' / text.removeprefix(_PREFIX)
        if path.is_file():
            return path
    model = find_model(text)
    if model is not None:
        return model.config
    short = content_root() / 'configs' / f'{text}.py'
    if short.is_file():
        return short
    if len(path.parts) == 1 and not path.suffix and not path.exists():
        hint = did_you_mean(text, listed_names(), count=3, cutoff=0.6)
        raise UsageError(f'Config {config} is neither a file nor a listed model{hint}')
    return Path(existing_file(path, what='Config'))


def _listed(model: Mapping[str, Any], root: Path) -> ListedModel:
    [result] = model['Results']
    weights, aliases = model.get('Weights'), model.get('Alias', [])
    if weights is not None and '://' not in weights:
        weights = str(root / weights)
    return ListedModel(
        name=model['Name'],
        config=root / model['Config'],
        method=model['In Collection'],
        aliases=(aliases,) if isinstance(aliases, str) else tuple(aliases),
        weights=weights,
        released=model.get('Converted From', {}).get('Weights'),
        training_data=model['Metadata']['Training Data'],
        metrics=dict(result['Metrics']),
        dataset=result['Dataset'],
    )


def _read_yaml(path: Path) -> Any:
    loader = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)
    return yaml.load(path.read_text(encoding='utf-8'), loader)
