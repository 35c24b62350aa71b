"""Toy language models, segmentors and samples that tests of models share."""

import hashlib
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.structures import InstanceData
from torch import Tensor, nn

from r2vos_mm.registry import MODELS
from r2vos_mm.structures import ReferringDataSample, TextFeatures

CONFIGS = Path(__file__).parents[1] / 'configs'


class WordTokenizer:
    """Words hashed into a small vocabulary: <s>=0, <pad>=1, </s>=2."""

    def __call__(self, sentences: list[str], padding: bool, return_tensors: str) -> dict:
        rows = [
            [
                0,
                *(
                    3 + int(hashlib.md5(word.encode()).hexdigest(), 16) % 97
                    for word in sentence.split()
                ),
                2,
            ]
            for sentence in sentences
        ]
        longest = max(map(len, rows))
        return dict(
            input_ids=torch.tensor([row + [1] * (longest - len(row)) for row in rows]),
            attention_mask=torch.tensor(
                [[1] * len(row) + [0] * (longest - len(row)) for row in rows]
            ),
        )


def toy_language_model(*, seed: int = 0) -> nn.Module:
    """A RoBERTa of one layer with 16 channels; same seed, same weights."""
    from transformers import RobertaConfig, RobertaModel

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return RobertaModel(
            RobertaConfig(
                vocab_size=100,
                hidden_size=16,
                num_hidden_layers=1,
                num_attention_heads=2,
                intermediate_size=32,
                max_position_embeddings=40,
                type_vocab_size=1,
                pad_token_id=1,
                bos_token_id=0,
                eos_token_id=2,
            )
        )


def build_toy_segmentor(
    config: dict, *, language_model: nn.Module | None = None, tokenizer: object | None = None
) -> nn.Module:
    """Build the model of ``config`` with a ready language model, a toy one by default."""
    config = Config(dict(model=config)).model.to_dict()
    config['text_encoder'].update(
        language_model=language_model or toy_language_model(),
        tokenizer=tokenizer or WordTokenizer(),
    )
    return MODELS.build(config)


def tiny_segmentor(*, seed: int = 0, **changes: object) -> nn.Module:
    """The tiny config's model with a toy language model, initialised, in train mode.

    Args:
        changes: changes to the model's config, keys with dots written as ``a__b``.
    """
    config = Config.fromfile(CONFIGS / '_base_/models/r2vos_tiny.py')
    config.merge_from_dict(
        {f'model.{key.replace("__", ".")}': value for key, value in changes.items()}
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = build_toy_segmentor(config.model)
        model.init_weights()
    return model


def clip(seed: int, *shape: int) -> Tensor:
    """uint8 frames of the given shape."""
    return torch.randint(
        0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed)
    )


def sample(
    sentences: list[str],
    negatives: list[bool],
    *,
    frames: int = 2,
    size: tuple[int, int] = (64, 64),
    present: bool = True,
) -> ReferringDataSample:
    """A clip's pairs; the objects are boxes that the pair's index places, absent if told so."""
    height, width = size
    count = len(sentences)
    masks = torch.zeros(count, frames, height, width, dtype=torch.bool)
    boxes = torch.zeros(count, frames, 4)
    valid = torch.zeros(count, frames, dtype=torch.bool)
    for row, negative in enumerate(negatives):
        if present and not negative:
            left, top = 4 + 8 * row, 8
            masks[row, :, top : top + 16, left : left + 16] = True
            boxes[row] = torch.tensor(
                [(left + 8) / width, (top + 8) / height, 16 / width, 16 / height]
            )
            valid[row] = True
    result = ReferringDataSample(
        metainfo=dict(
            video_id='toy',
            frame_ids=[f'{t:05d}' for t in range(frames)],
            img_shape=size,
            ori_shape=size,
            dataset='toy',
        )
    )
    result.gt_pairs = InstanceData(
        sentences=list(sentences),
        masks=masks,
        boxes=boxes,
        valid=valid,
        is_negative=torch.tensor(negatives),
        obj_ids=['' if negative else str(row + 1) for row, negative in enumerate(negatives)],
        kinds=['other_video' if negative else 'positive' for negative in negatives],
    )
    seen = [row for row, negative in enumerate(negatives) if not negative]
    result.gt_instances = InstanceData(
        obj_ids=[str(row + 1) for row in seen], masks=masks[seen], valid=valid[seen]
    )
    return result


def random_text(*lengths: int, channels: int, seed: int = 0) -> TextFeatures:
    """Random features of sentences with the given numbers of words."""
    generator = torch.Generator().manual_seed(seed)
    longest = max(lengths)
    padding = torch.arange(longest)[None] >= torch.tensor(lengths)[:, None]
    return TextFeatures(
        words=torch.randn(len(lengths), longest, channels, generator=generator),
        sentence=torch.randn(len(lengths), channels, generator=generator),
        padding=padding,
    )
