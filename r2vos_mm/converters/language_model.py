"""Infer the configuration of a RoBERTa from the shapes of its weights."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from r2vos_mm.utils.state_dict import CheckpointMismatchError

LANGUAGE_MODEL = 'text_encoder.language_model.'
"""Prefix of the language model's weights."""


def roberta_config(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the configuration for transformers of the RoBERTa in a segmentor's weights.

    ``TransformerTextEncoder(language_model=...)`` takes it. Values that the shapes do not determine
    are those of all published RoBERTas, such as heads of 64 channels.

    Raises:
        CheckpointMismatchError: the weights do not contain a RoBERTa.
    """
    shapes = {
        name.removeprefix(LANGUAGE_MODEL): tuple(tensor.shape)
        for name, tensor in weights.items()
        if name.startswith(LANGUAGE_MODEL)
    }
    try:
        vocabulary, channels = shapes['embeddings.word_embeddings.weight']
        return dict(
            model_type='roberta',
            vocab_size=vocabulary,
            hidden_size=channels,
            intermediate_size=shapes['encoder.layer.0.intermediate.dense.weight'][0],
            num_hidden_layers=len({n.split('.')[2] for n in shapes if n.startswith('encoder.')}),
            num_attention_heads=channels // 64,
            max_position_embeddings=shapes['embeddings.position_embeddings.weight'][0],
            type_vocab_size=shapes['embeddings.token_type_embeddings.weight'][0],
            layer_norm_eps=1e-5,
            pad_token_id=1,
            bos_token_id=0,
            eos_token_id=2,
            add_pooling_layer='pooler.dense.weight' in shapes,
        )
    except KeyError as error:
        raise CheckpointMismatchError(
            f'the weights do not contain a RoBERTa: {LANGUAGE_MODEL}{error.args[0]} is missing. '
            'Training checkpoints do not contain a frozen language model; add its weights with '
            'this prefix.'
        ) from error
