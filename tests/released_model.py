"""The released ResNet-50 R2-VOS in the parts of this package, with the weights of the fixtures."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from fixture_recipe import ROBERTA, WordTokenizer, fill
from mmengine.config import Config
from torch import nn

from r2vos_mm.models.converters import from_released, load_converted, to_released
from r2vos_mm.models.converters.skeletons import tensors_of
from r2vos_mm.registry import MODELS

CONFIG = Path(__file__).parents[1] / 'configs/_base_/models/r2vos_released.py'


@cache
def released_model(*, batch_padding: bool = False) -> nn.Module:
    """The released preset with the fixtures' weights, in eval mode.

    The weights are made under their released names and go through the converter.

    Args:
        batch_padding: let captions of one batch see each other's padding in the pooling of words,
            as the released code does with several captions in a batch (its own training has one).
            The features of padding are then those the language model gives it.
    """
    from transformers import RobertaConfig, RobertaModel

    config = Config.fromfile(CONFIG).model.to_dict()
    config['backbone']['init_cfg'] = None
    if batch_padding:
        config['neck']['grounding']['dynamic_filter']['word_pooling'] = dict(
            type='BatchWordPooling'
        )
        config['text_encoder']['frozen'] = False
    language = RobertaModel(RobertaConfig(**ROBERTA, attn_implementation='eager'))
    config['text_encoder'].update(
        language_model=language.requires_grad_(False), tokenizer=WordTokenizer()
    )
    model = MODELS.build(config)
    names = to_released(tensors_of(model)).weights
    weights = {name: fill(name, tuple(tensor.shape)) for name, tensor in names.items()}
    load_converted(model, from_released(weights).weights, source='the recipe')
    return model.eval()
