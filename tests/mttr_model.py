"""The released MTTR in the parts of this package, with the weights of the fixtures."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from fixture_recipe import ROBERTA, WordTokenizer, fill
from mmengine.config import Config
from torch import nn

from r2vos_mm.models.converters import from_mttr, load_converted, to_mttr
from r2vos_mm.models.converters.skeletons import tensors_of
from r2vos_mm.registry import MODELS

CONFIG = Path(__file__).parents[1] / 'configs/_base_/models/mttr_video_swin_t.py'


@cache
def mttr_model() -> nn.Module:
    """The preset with the fixtures' weights, in eval mode.

    The weights are made under their released names and go through the converter.
    """
    from transformers import RobertaConfig, RobertaModel

    config = Config.fromfile(CONFIG).model.to_dict()
    config['backbone']['init_cfg'] = None
    language = RobertaModel(RobertaConfig(**ROBERTA, attn_implementation='eager'))
    config['text_encoder'].update(language_model=language, tokenizer=WordTokenizer())
    model = MODELS.build(config)
    names = to_mttr(tensors_of(model)).weights
    weights = {name: fill(name, tuple(tensor.shape)) for name, tensor in names.items()}
    load_converted(model, from_mttr(weights).weights, source='the recipe')
    return model.eval()
