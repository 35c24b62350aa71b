"""Check at build time that the parts of a model fit each other."""

import torch
from torch import nn

_FRAME = 64  # pixels along the side of the frame that shows the channels


def check_channels(backbone: nn.Module, neck: nn.Module) -> None:
    """Compare the channels of the backbone's maps with the neck's ``in_channels``.

    Raises:
        ValueError: they differ; the message names both.
    """
    wanted = getattr(neck, 'in_channels', None)
    given = None if wanted is None else out_channels(backbone)
    if given is not None and given != list(wanted):
        raise ValueError(
            f'{type(backbone).__name__} gives maps of {given} channels, but '
            f'model.neck.in_channels={list(wanted)}: set model.neck.in_channels={given}'
        )


def out_channels(backbone: nn.Module) -> list[int] | None:
    """Return the channels of the backbone's maps, finest first; None if they cannot be found."""
    declared = getattr(backbone, 'out_channels', None)
    if isinstance(declared, (list, tuple)):
        return list(declared)
    modes = {module: module.training for module in backbone.modules()}
    frame = torch.zeros(1, 3, _FRAME, _FRAME)
    try:
        backbone.eval()
        with torch.no_grad():
            maps = backbone(frame[None] if getattr(backbone, 'takes_clips', False) else frame)
    except (RuntimeError, ValueError, TypeError):
        return None
    finally:
        for module, mode in modes.items():
            module.training = mode
    return [x.shape[1] for x in maps]


def check_word_maps(model: nn.Module) -> None:
    """Check that a model has the word maps that its parts need, and a backbone that classifies.

    Raises:
        ValueError: one of them is missing; the message names the remedy.
    """
    if model.word_maps is not None:
        encoder = model.word_maps.sentence_encoder or model.text_encoder
        if not encoder.frozen:
            raise ValueError(
                'model.word_maps needs a frozen sentence encoder, because it encodes the names of '
                'the classes once: set frozen=True or word_maps.sentence_encoder'
            )
        if not hasattr(model.backbone, 'class_logits'):
            raise ValueError(
                f'model.word_maps needs a backbone that classifies, such as EfficientNetLite; '
                f'{type(model.backbone).__name__} has no class_logits: set word_maps=None'
            )
        return
    users = {
        'neck.word_input': getattr(model.neck, 'word_input', None) is not None,
        'cycle_head.sees_words or prior_weight': getattr(model.cycle_head, 'needs_words', False),
        "test_cfg.verdict='words'": model.test_cfg.verdict == 'words',
    }
    wanting = [name for name, needs in users.items() if needs]
    if wanting:
        raise ValueError(
            f"model.{wanting[0]} needs word maps: set model.word_maps=dict(type='WordMaps') and a "
            'backbone that classifies, such as EfficientNetLite'
        )


def check_negatives(model: nn.Module) -> None:
    """Check that ``negatives_train`` is known and that the mask head has the losses for it.

    Raises:
        ValueError: one of both fails; the message lists the choices.
    """
    if model.negatives_train not in ('verdict', 'scores', 'masks'):
        raise ValueError(
            f'model.negatives_train={model.negatives_train!r} must be verdict, scores or masks'
        )
    if model.negatives_train != 'verdict' and not hasattr(model.mask_head, 'loss_of_negatives'):
        raise ValueError(
            f'model.negatives_train={model.negatives_train!r}: {type(model.mask_head).__name__} '
            "does not learn from negative pairs; choose 'verdict'"
        )
