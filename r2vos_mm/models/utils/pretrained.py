"""Save a model to a folder and build it again, with the file layout of the Hugging Face hub.

``huggingface_hub.PyTorchModelHubMixin`` is not used: it stores the arguments of the constructor,
without the pipeline that prepares frames, and loads weights that only partly fit without an error.
"""

from __future__ import annotations

import hashlib
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from mmengine.config import Config
from torch import Tensor, nn

from r2vos_mm.registry import MODELS, check_types
from r2vos_mm.utils.cli import UsageError, as_usage_error
from r2vos_mm.utils.files import PathLike, atomic_path, read_json, write_atomically, write_json
from r2vos_mm.utils.json_config import restore_tuples, to_json
from r2vos_mm.utils.state_dict import (
    CheckpointMismatchError,
    check_weights,
    tensor_bytes,
    tensors_of,
)
from r2vos_mm.version import __version__

from .model_card import card_text

CONFIG, WEIGHTS, CARD, TOKENIZER = 'config.json', 'model.safetensors', 'README.md', 'tokenizer'
_KEY = 'pretrained'  # what this module adds to the config
# Settings of a run on one machine.
_NOT_SAVED = ('work_dir', 'load_from', 'resume', 'launcher', _KEY)

Model = TypeVar('Model', bound='PretrainedMixin')


class PretrainedMixin:
    """Add ``save_pretrained`` and ``from_pretrained`` to a segmentor.

    Attributes:
        cfg: config of the model, which :func:`r2vos_mm.apis.init_model` sets.
        card: facts for the model card, see :data:`.model_card.FIELDS`.
    """

    cfg: Config | None = None
    card: Mapping[str, Any] | None = None

    def save_pretrained(
        self, folder: PathLike, *, trained_only: bool = False, card: Mapping[str, Any] | None = None
    ) -> None:
        """Write ``model.safetensors``, ``config.json``, ``tokenizer/`` and a card ``README.md``.

        :meth:`from_pretrained` and ``init_model`` need nothing else. An existing card is kept.

        Args:
            folder: created if it does not exist.
            trained_only: omit frozen parts that come from a Python package, folder or hub, and the
                tokenizer of a language model that is omitted. Loading compares their hash.
            card: facts for the model card, added to :attr:`card`.

        Raises:
            UsageError: the model has no config, or a config or tokenizer that cannot be saved.
            ValueError: the card has unknown fields.
        """
        if self.cfg is None:
            raise UsageError('the model has no config: build it with init_model, or set model.cfg')
        folder, card = Path(folder), {**(self.card or {}), **(card or {})}
        everything = tensors_of(self)
        weights = self.state_dict() if trained_only else everything
        rest = {name: tensor for name, tensor in everything.items() if name not in weights}
        config, sources = _config_to_save(self, rest)
        content, tuples = to_json(config)
        content[_KEY] = dict(
            r2vos_mm=__version__, tuples=tuples, left_out=_digests(rest), card=to_json(card).content
        )
        has_tokenizer = config['model']['text_encoder'].get('tokenizer') == TOKENIZER
        readme = card_text(
            card,
            threshold=self.test_cfg.gate_threshold,
            parameters=sum(p.numel() for p in self.parameters()),
            left_out=sources,
            has_tokenizer=has_tokenizer,
        )
        folder.mkdir(parents=True, exist_ok=True)
        if has_tokenizer:
            _save_tokenizer(self.text_encoder.tokenizer, folder / TOKENIZER)
        _save_weights(weights, folder / WEIGHTS)
        write_json(folder / CONFIG, content)
        if not (folder / CARD).exists():
            write_atomically(readme, folder / CARD)

    @classmethod
    def from_pretrained(
        cls: type[Model], folder: PathLike, *, device: str | torch.device = 'cpu'
    ) -> Model:
        """Build the model in a folder of :meth:`save_pretrained`, in evaluation mode.

        No code of the folder is run: its config names registered types and its weights are numbers.

        Args:
            folder: the folder, or ``USER/NAME`` of a model on the Hugging Face hub.
            device: where to put the model.

        Raises:
            UsageError: the folder is not of :meth:`save_pretrained`, or its config names code.
            CheckpointMismatchError: weights of the folder or of a source do not fit.
            OSError, WeightsError: a source of omitted weights is missing.
        """
        folder = local_folder(folder)
        config = Config(restored_config(read_json(folder / CONFIG)))
        check_types(config.to_dict())
        _check_imports(config)
        return load_pretrained(config, folder).to(device)


def is_pretrained(folder: PathLike) -> bool:
    """Return whether ``save_pretrained`` wrote a folder."""
    return (Path(folder) / CONFIG).is_file() and (Path(folder) / WEIGHTS).is_file()


def local_folder(folder: PathLike) -> Path:
    """Return a folder of ``save_pretrained``, after downloading it if it is a name on the hub.

    Raises:
        UsageError: there is no such folder, or it lacks files.
    """
    path = Path(folder)
    if not path.exists() and len(path.parts) == 2 and not path.is_absolute():
        from huggingface_hub import snapshot_download

        try:
            patterns = [CONFIG, WEIGHTS, f'{TOKENIZER}/*']
            path = Path(snapshot_download(str(folder), allow_patterns=patterns))
        except Exception as error:  # the hub's errors have no common base in all versions
            raise UsageError(
                f'{folder} is neither a folder nor a model on the hub that can be reached '
                f'({type(error).__name__}): download its files and give their folder'
            ) from error
    if not is_pretrained(path):
        raise UsageError(f'{folder} is not of save_pretrained: it lacks {CONFIG} or {WEIGHTS}')
    return path


def restored_config(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config in the content of ``config.json``, with its tuples.

    Raises:
        UsageError: it is not of ``save_pretrained``.
    """
    added = content.get(_KEY) if isinstance(content, Mapping) else None
    if not isinstance(added, Mapping) or not isinstance(content.get('model'), Mapping):
        raise UsageError(f'{CONFIG} is not of save_pretrained: it lacks model or {_KEY}')
    return restore_tuples(content, added.get('tuples', ()))


def load_pretrained(config: Config, folder: Path) -> nn.Module:
    """Build the model of a config of :func:`restored_config` and load the weights in ``folder``."""
    from safetensors.torch import load_file

    added, encoder = config.pop(_KEY), config.model.text_encoder
    if encoder.get('tokenizer') == TOKENIZER:
        encoder.tokenizer = str(folder / TOKENIZER)
    with as_usage_error('model'):
        model = MODELS.build(config.model)
    weights, source = load_file(folder / WEIGHTS), str(folder / WEIGHTS)
    check_weights(model, weights, source=source, strict=True)
    model.load_state_dict(weights, strict=False)
    rest = {name: tensor for name, tensor in tensors_of(model).items() if name not in weights}
    _check_digests(rest, added.get('left_out', {}), source)
    model.cfg, model.card = config, added.get('card')
    return model.eval()


def _config_to_save(
    model: PretrainedMixin, left_out: Mapping[str, Tensor]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the config without settings of a machine, and the sources of omitted parts."""
    config = {name: x for name, x in model.cfg.to_dict().items() if name not in _NOT_SAVED}
    parts, sources = config['model'], {}
    for name in ('backbone', 'text_encoder'):
        part = getattr(model, name)
        if not hasattr(part, 'without_source'):
            continue
        if any(key.startswith(f'{name}.') for key in left_out):
            sources[name] = part.source
        else:
            parts[name] = {**parts[name], **part.without_source(TOKENIZER)}
    threshold = model.test_cfg.gate_threshold
    parts['test_cfg'] = {**(parts.get('test_cfg') or {}), 'gate_threshold': threshold}
    return config, sources


def _save_weights(weights: Mapping[str, Tensor], path: Path) -> None:
    from safetensors.torch import save_file

    # Copies: safetensors refuses tensors that share memory.
    copies = {name: x.detach().cpu().contiguous().clone() for name, x in weights.items()}
    with atomic_path(path) as temporary:
        save_file(copies, temporary, metadata={'format': 'pt'})


def _save_tokenizer(tokenizer: object, folder: Path) -> None:
    if not hasattr(tokenizer, 'save_pretrained'):
        raise UsageError(
            f'the tokenizer, a {type(tokenizer).__name__}, cannot be saved: set '
            'model.text_encoder.tokenizer to one of transformers'
        )
    tokenizer.save_pretrained(str(folder))


def _digests(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Return the SHA-256 of names and values of the tensors of each part of the model."""
    digests: dict[str, Any] = defaultdict(hashlib.sha256)
    for name in sorted(tensors):
        digest = digests[name.partition('.')[0]]
        digest.update(name.encode())
        digest.update(tensor_bytes(tensors[name]))
    return {part: digest.hexdigest() for part, digest in digests.items()}


def _check_digests(rest: Mapping[str, Tensor], expected: Mapping[str, str], source: str) -> None:
    found = _digests(rest)
    changed = [part for part in {**expected, **found} if expected.get(part) != found.get(part)]
    if changed:
        raise CheckpointMismatchError(
            f'{source} omits weights of {", ".join(changed)}, and by their SHA-256, those of their '
            'source are not the ones that the model was saved with: install the version of the '
            'package that README.md beside it names'
        )


def _check_imports(config: Config) -> None:
    imports = (config.get('custom_imports') or {}).get('imports') or []
    for module in [imports] if isinstance(imports, str) else imports:
        if module.partition('.')[0] not in sys.modules:
            raise UsageError(f'{CONFIG} needs the module {module}: import it if you trust it')
