"""A released checkpoint of a small model, in a file as the training script writes it."""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from fixture_recipe import fill
from mmengine.config import Config
from torch import Tensor
from toy_models import CONFIGS, build_toy_segmentor

from r2vos_mm.models.converters import ReleasedConversion, to_released
from r2vos_mm.models.converters.skeletons import tensors_of


def small_config(folder: Path, name: str = 'released/r2vos_r50.py') -> Path:
    """A config with few layers and a narrow backbone, in a file; the released preset by default."""
    config = Config.fromfile(CONFIGS / name)
    config.merge_from_dict(
        {
            'model.backbone.depth': 18,
            'model.backbone.base_channels': 4,
            'model.backbone.init_cfg': None,
            'model.neck.in_channels': [4, 8, 16, 32],
            'model.neck.input_proj.in_channels': [8, 16, 32],
            'model.neck.encoder.num_layers': 1,
            'model.mask_head.decoder.num_layers': 2,
        }
    )
    file = folder / 'small.py'
    Config(dict(model=config.model)).dump(file)
    return file


def released_weights(
    config: Path,
    *,
    language_channels: int = 64,
    restore: Callable[[dict[str, Tensor]], ReleasedConversion] = to_released,
) -> dict[str, Tensor]:
    """What the released code would hold for that config, by the names that ``restore`` gives."""
    from transformers import RobertaConfig, RobertaModel

    language = RobertaModel(
        RobertaConfig(
            vocab_size=20,
            hidden_size=language_channels,
            num_hidden_layers=1,
            num_attention_heads=1,
            intermediate_size=8,
            max_position_embeddings=12,
            type_vocab_size=1,
            pad_token_id=1,
        )
    )
    model = build_toy_segmentor(
        Config.fromfile(config).model, language_model=language, tokenizer=object()
    )
    weights = restore(tensors_of(model)).weights
    return {name: fill(name, tuple(tensor.shape)) for name, tensor in weights.items()}


def write_released(weights: dict[str, Tensor], path: Path) -> Path:
    """Write the weights as the released training script does, its arguments beside them."""
    language = dict(weights)
    language['text_encoder.embeddings.position_ids'] = torch.arange(12)[None]
    torch.save(
        dict(
            model=language,
            optimizer=dict(state={}),
            epoch=3,
            args=argparse.Namespace(backbone='resnet50', lr=1e-4),
        ),
        path,
    )
    return path
