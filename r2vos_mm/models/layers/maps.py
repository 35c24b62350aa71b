"""Convert maps of clips to tokens and back, and their padding."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def to_tokens(maps: Tensor) -> Tensor:
    """Flatten maps (P, T, C, h, w) to tokens (P, T*h*w, C)."""
    return maps.transpose(1, 2).flatten(2).transpose(1, 2)


def to_maps(tokens: Tensor, shape: torch.Size) -> Tensor:
    """Convert tokens (P, T*h*w, C) back to maps of the given shape (P, T, C, h, w)."""
    frames, _, height, width = shape[1:]
    return tokens.transpose(1, 2).unflatten(2, (frames, height, width)).transpose(1, 2)


def per_frame(module: nn.Module, maps: Tensor) -> Tensor:
    """Apply a module for single images to every frame of (P, T, C, h, w)."""
    return module(maps.flatten(0, 1)).unflatten(0, maps.shape[:2])


def frame_tokens(maps: Tensor) -> Tensor:
    """Flatten each frame of maps (P, T, C, h, w) to tokens (P, T, h*w, C)."""
    return maps.flatten(3).transpose(2, 3)


def resize_padding(padding: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize a bool mask (B, T, H, W) to (B, T, h, w) by nearest neighbour."""
    return F.interpolate(padding.float(), size=tuple(size), mode='nearest').bool()


def flatten_padding(padding: Tensor | None, start: int, end: int = -1) -> Tensor | None:
    """Flatten axes of a padding mask; None, which stands for no padding, stays None."""
    return None if padding is None else padding.flatten(start, end)
