"""Gather rows from all processes, for losses over the relations between them."""

import torch
from mmengine.dist import all_gather, get_rank, get_world_size
from torch import Tensor


def gather_rows(rows: Tensor) -> Tensor:
    """Concatenate the rows of all processes, so that each can compute the same loss.

    If every process computes the same scalar L from the result and calls backward, distributed
    data parallel training, which averages gradients over the W processes, gives the gradient of L
    as one process with all rows would: each process differentiates its own rows only, and their
    gradient is multiplied by W here, without communication that could interleave with DDP's.

    Every process must call it the same number of times; numbers of rows may differ and may be 0.

    Args:
        rows: (P, ...) of this process; type and other axes are the same everywhere.

    Returns:
        (sum of P, ...) in order of rank; ``rows`` itself without distributed training.
    """
    world = get_world_size()
    if world == 1:
        return rows
    sizes = [int(size) for size in all_gather(torch.tensor([len(rows)], device=rows.device))]
    padding = rows.new_zeros(max(sizes) - len(rows), *rows.shape[1:])
    padded = torch.cat((rows.detach(), padding))
    parts = [part[:size] for part, size in zip(all_gather(padded), sizes)]
    if rows.requires_grad:
        parts[get_rank()] = own = rows.view_as(rows)
        own.register_hook(lambda gradient: gradient * world)
    return torch.cat(parts)
