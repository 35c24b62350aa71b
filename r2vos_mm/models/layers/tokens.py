"""Maps of clips as sequences of tokens, and back."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def to_tokens(maps: Tensor) -> Tensor:
    """(P, T, C, h, w) -> (P, T*h*w, C)."""
    return maps.transpose(1, 2).flatten(2).transpose(1, 2)


def to_maps(tokens: Tensor, shape: torch.Size) -> Tensor:
    """(P, T*h*w, C) -> (P, T, C, h, w), the given shape."""
    frames, _, height, width = shape[1:]
    return tokens.transpose(1, 2).unflatten(2, (frames, height, width)).transpose(1, 2)


def per_frame(module: nn.Module, maps: Tensor) -> Tensor:
    """A module of single images on (P, T, C, h, w)."""
    return module(maps.flatten(0, 1)).unflatten(0, maps.shape[:2])
