"""Collect the pairs and targets of a batch from its data samples."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from r2vos_mm.structures import InstanceTargets, PairTargets, ReferringDataSample


@dataclass
class PairBatch:
    """The pairs of all clips of a batch, one after the other."""

    texts: list[str]  # P expressions
    to_clip: Tensor  # (P,) clip of each pair
    is_negative: Tensor  # (P,) bool, the expression does not belong to the clip

    @classmethod
    def collect(cls, samples: list[ReferringDataSample], device: torch.device) -> PairBatch:
        """Return the pairs of all samples, with tensors on ``device``."""
        counts = torch.tensor([len(s.gt_pairs) for s in samples], device=device)
        return cls(
            texts=[text for s in samples for text in s.gt_pairs.texts],
            to_clip=torch.arange(len(samples), device=device).repeat_interleave(counts),
            is_negative=torch.cat([s.gt_pairs.is_negative.to(device) for s in samples]),
        )


def padding_mask(
    inputs: Tensor, img_shapes: list[tuple[int, int]], num_frames: Tensor | None = None
) -> Tensor:
    """Return a bool mask (B, T, H, W), True in the padding of inputs (B, T, 3, H, W).

    ``num_frames`` () is the number of frames before those that pad the clips; None for T.
    """
    batch, frames, _, height, width = inputs.shape
    mask = torch.ones(batch, frames, height, width, dtype=torch.bool, device=inputs.device)
    for row, (h, w) in enumerate(img_shapes):
        mask[row, :, :h, :w] = False
    if num_frames is None:
        return mask
    return mask | (torch.arange(frames, device=inputs.device) >= num_frames)[:, None, None]


def annotated_frames(samples: list[ReferringDataSample]) -> Tensor | None:
    """Return positions (B, T') of the annotated frames in B clips; None if all are annotated.

    Raises:
        ValueError: clips have different numbers of annotated frames.
    """
    if not all('annotated_frames' in s for s in samples):
        return None
    frames = [_first_annotated(s) for s in samples]
    if len({len(x) for x in frames}) > 1:
        raise ValueError(
            f'clips of one batch have {[len(x) for x in frames]} annotated frames; they need '
            'equally many: use batch_size=1 or clips of one annotated frame'
        )
    return torch.stack(frames)


def _first_annotated(sample: ReferringDataSample) -> Tensor:
    """Return the annotated frames (T',); of frames that a short clip repeats, the first counts."""
    first: dict[str, int] = {}
    flags = zip(sample.frame_ids, sample.annotated_frames, strict=True)
    for index, (frame, is_annotated) in enumerate(flags):
        if is_annotated:
            first.setdefault(frame, index)
    return torch.tensor(list(first.values()))


def collect_targets(
    samples: list[ReferringDataSample], annotated: Tensor | None = None
) -> PairTargets:
    """Return the targets of all pairs in the order of the batch; negative pairs have empty ones.

    ``annotated`` (B, T') are the frames to keep; None for all.
    """
    pairs = [s.gt_pairs for s in samples]
    instances = None
    if all('gt_instances' in s for s in samples):
        instances = [target for s in samples for target in _instances(s)]
    targets = PairTargets(
        boxes=torch.cat([p.boxes for p in pairs]),
        masks=torch.cat([p.masks for p in pairs]),
        valid=torch.cat([p.valid for p in pairs]),
        instances=instances,
    )
    if annotated is None:
        return targets
    counts = torch.tensor([len(p) for p in pairs])
    return targets.at_frames(annotated.repeat_interleave(counts, dim=0))


def _instances(sample: ReferringDataSample) -> list[InstanceTargets]:
    """Return for each pair all instances of the clip, and which of them it refers to."""
    found, pairs = sample.gt_instances, sample.gt_pairs
    numbers = torch.arange(len(found.obj_ids), device=found.masks.device)
    referred = [
        -1 if negative else found.obj_ids.index(obj_id)
        for obj_id, negative in zip(pairs.obj_ids, pairs.is_negative.tolist(), strict=True)
    ]
    return [InstanceTargets(found.masks, found.valid, numbers == one) for one in referred]
