"""Models to which converted weights are compared, and into which they are loaded."""

from __future__ import annotations

from torch import Tensor, nn

from r2vos_mm.models.backbones.checkpoints import CheckpointError
from r2vos_mm.registry import MODELS

_LANGUAGE = 'text_encoder.language_model.'
_HEAD_CHANNELS = 64  # of every RoBERTa


def model_like(config: dict, weights: dict[str, Tensor]) -> nn.Module:
    """The model of a config around a RoBERTa of the size found in the weights.

    The language model is built from its shapes, so that neither the hub nor a tokenizer is asked.
    The backbone's own initialisation is left out.

    Args:
        config: config of the segmentor.
        weights: converted weights.

    Raises:
        CheckpointError: there is no RoBERTa among the weights.
    """
    config = dict(config, backbone=dict(config['backbone'], init_cfg=None))
    config['text_encoder'] = dict(
        config['text_encoder'], language_model=_roberta_like(weights), tokenizer=object()
    )
    return MODELS.build(config)


def load_converted(
    model: nn.Module, weights: dict[str, Tensor], *, source: str, partial: bool = False
) -> tuple[list[str], list[str]]:
    """Load converted weights, every tensor accounted for.

    Args:
        model: of the config that belongs to the weights.
        weights: by the names of this package.
        source: what to call their origin in messages.
        partial: weights without a place in the model, or whose shape differs, are left out, and
            the model may have others: for initialisation by a relative's checkpoint.

    Returns:
        Names of the weights left out and of the model's tensors that got none.

    Raises:
        CheckpointError: shapes or names differ; nothing is loaded then.
    """
    wanted = tensors_of(model)
    misshaped = {
        name: f'{name} has shape {tuple(tensor.shape)}, the model needs {tuple(wanted[name].shape)}'
        for name, tensor in weights.items()
        if name in wanted and tensor.shape != wanted[name].shape
    }
    misshaped |= {
        name: f'{name} holds {tensor.dtype}, the model needs {wanted[name].dtype}'
        for name, tensor in weights.items()
        if name in wanted and tensor.is_floating_point() != wanted[name].is_floating_point()
    }
    unused = [name for name in weights if name not in wanted]
    missing = [
        name for name in wanted if name not in weights and not name.endswith('num_batches_tracked')
    ]
    problems = [
        *misshaped.values(),
        *(f'{name} has no place in the model' for name in unused),
        *(f'{name} is missing' for name in missing),
    ]
    fitting = {
        name: tensor for name, tensor in weights.items() if name in wanted and name not in misshaped
    }
    if problems and not partial or not fitting:
        more = f', and {len(problems) - 3} more' if len(problems) > 3 else ''
        raise CheckpointError(
            f'{source} does not fit the config in {len(problems)} places: '
            f'{"; ".join(problems[:3])}{more}. Use the config of the same backbone and preset.'
        )
    model.load_state_dict(fitting, strict=False)
    return [*unused, *misshaped], [*missing, *misshaped]


def tensors_of(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and saved buffers by name, those of a frozen language model too.

    A state dict lacks the latter where they can be had elsewhere.
    """
    saved = dict(model.named_parameters())
    for prefix, module in model.named_modules():
        for name, buffer in module.named_buffers(prefix, recurse=False):
            if name.rpartition('.')[2] not in module._non_persistent_buffers_set:
                saved[name] = buffer
    return saved


def _roberta_like(weights: dict[str, Tensor]) -> nn.Module:
    from transformers import RobertaConfig, RobertaModel

    shapes = {
        name.removeprefix(_LANGUAGE): tensor.shape
        for name, tensor in weights.items()
        if name.startswith(_LANGUAGE)
    }
    try:
        vocabulary, channels = shapes['embeddings.word_embeddings.weight']
        positions = shapes['embeddings.position_embeddings.weight'][0]
        kinds = shapes['embeddings.token_type_embeddings.weight'][0]
        hidden = shapes['encoder.layer.0.intermediate.dense.weight'][0]
    except KeyError as error:
        raise CheckpointError(
            f'the weights hold no RoBERTa: {_LANGUAGE}{error.args[0]} is missing. Checkpoints of '
            'training leave out a frozen language model that can be had elsewhere; add its '
            'weights under that prefix.'
        ) from error
    layers = {name.split('.')[2] for name in shapes if name.startswith('encoder.layer.')}
    config = RobertaConfig(
        vocab_size=vocabulary,
        hidden_size=channels,
        intermediate_size=hidden,
        num_hidden_layers=len(layers),
        num_attention_heads=channels // _HEAD_CHANNELS,
        max_position_embeddings=positions,
        type_vocab_size=kinds,
        layer_norm_eps=1e-5,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
    )
    return RobertaModel(config, add_pooling_layer='pooler.dense.weight' in shapes)
