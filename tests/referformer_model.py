"""The released ReferFormer in the parts of this package, with the weights of the fixtures."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from fixture_recipe import ROBERTA, WordTokenizer, fill
from mmengine.config import Config
from torch import nn

from r2vos_mm.models.converters import from_referformer, load_converted, to_referformer
from r2vos_mm.models.converters.skeletons import tensors_of
from r2vos_mm.registry import MODELS

CONFIGS = Path(__file__).parents[1] / 'configs/referformer'
# Names of backbones in the fixtures, and of the configs here.
BACKBONES = dict(
    resnet50='r50',
    resnet101='r101',
    swin_t_p4w7='swin2d_t',
    swin_l_p4w7='swin2d_l',
    video_swin_t_p4w7='swin_t',
    video_swin_s_p4w7='swin_s',
    video_swin_b_p4w7='swin_b',
)


@cache
def referformer_model(backbone: str = 'resnet50', *, trains_text: bool = False) -> nn.Module:
    """A preset with the fixtures' weights, in eval mode.

    The weights are made under their released names and go through the converter; integer buffers
    keep what the model gives them.

    Args:
        backbone: a key of ``BACKBONES``.
        trains_text: whether the language model has gradients.
    """
    from transformers import RobertaConfig, RobertaModel

    config = Config.fromfile(CONFIGS / f'referformer_{BACKBONES[backbone]}.py').model.to_dict()
    config['backbone']['init_cfg'] = None
    language = RobertaModel(RobertaConfig(**ROBERTA, attn_implementation='eager'))
    config['text_encoder'].update(
        language_model=language, tokenizer=WordTokenizer(), frozen=not trains_text
    )
    model = MODELS.build(config)
    weights = {
        name: fill(name, tuple(tensor.shape)) if tensor.is_floating_point() else tensor
        for name, tensor in to_referformer(tensors_of(model)).weights.items()
    }
    load_converted(model, from_referformer(weights).weights, source='the recipe')
    model.eval()  # MMDetection's Swin returns nothing here
    return model
