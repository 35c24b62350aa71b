"""The one model class: what it composes is the config's business."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import repeat

import torch
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy
from mmdet.structures.mask import mask2bbox
from mmengine.model import BaseModel
from mmengine.structures import InstanceData
from torch import Tensor

from r2vos_mm.registry import MODELS, TASK_UTILS
from r2vos_mm.structures import (
    ClipFeatures,
    CycleOutput,
    GroundedFeatures,
    InstanceTargets,
    PairTargets,
    ReferringDataSample,
    SlotPredictions,
    TextFeatures,
)

_UPSAMPLED_FRAMES = 16
# Fields of predictions whose second axis is time.
_PER_FRAME = (
    'masks',
    'ungated_masks',
    'scores',
    'boxes',
    'candidate_masks',
    'candidate_scores',
    'grounding_attention',
    'early_features',
)


@dataclass
class PredictConfig:
    """How predictions are read out.

    Attributes:
        window: frames that go through the model together; None takes the whole video. Memory of
            the model grows with it and not with the video's length.
        pairs_per_pass: sentences that go through the text-mixed part together.
        mask_threshold: probability above which a pixel is foreground.
        gate_threshold: consensus below which the masks are emptied; 0 keeps them all.
        figures: also return the maps of the paper's Figure A.
        mask_reader: config of the part that makes masks at the size of the files.
        candidates: also return the masks and scores of all slots, which mAP needs.
    """

    window: int | None = None
    pairs_per_pass: int = 8
    mask_threshold: float = 0.5
    gate_threshold: float = 0.5
    figures: bool = False
    mask_reader: dict = field(default_factory=lambda: dict(type='BilinearMaskReader'))
    candidates: bool = False

    def __post_init__(self) -> None:
        if (self.window is not None and self.window < 1) or self.pairs_per_pass < 1:
            raise ValueError(
                'test_cfg: window (or None) and pairs_per_pass must be at least 1, got '
                f'{self.window} and {self.pairs_per_pass}'
            )
        for name in ('mask_threshold', 'gate_threshold'):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f'test_cfg.{name} is a probability, got {getattr(self, name)}')
        self.read_masks = TASK_UTILS.build(self.mask_reader)


@MODELS.register_module()
class ReferringVideoSegmentor(BaseModel):
    """Referring video object segmentation with a verdict on whether the object is there.

    Vision that knows no text runs once per clip; what mixes text in runs per pair. Where only some
    frames of a clip are annotated (``annotated_frames`` of the samples), the backbone sees all of
    them and these alone go on from there, as in MTTR and ReferFormer on A2D-Sentences.

    Args:
        backbone: (B*T, 3, H, W), or (B, T, 3, H, W) if it ``takes_clips``, to maps of strides 4-32.
        text_encoder: sentences to :class:`TextFeatures`.
        neck: maps and text to memory, f_early and mask features.
        mask_head: instance slots, their losses and masks.
        cycle_head: reconstruction of the sentence and the verdict; None for models without one,
            whose consensus is 1.
        data_preprocessor: see :class:`ReferringDataPreprocessor`.
        test_cfg: fields of :class:`PredictConfig`.
    """

    def __init__(
        self,
        backbone: dict,
        text_encoder: dict,
        neck: dict,
        mask_head: dict,
        cycle_head: dict | None = None,
        data_preprocessor: dict | None = None,
        test_cfg: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        # Built here: the base class looks for it in MMEngine's registry only.
        if data_preprocessor is not None:
            data_preprocessor = MODELS.build(data_preprocessor)
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        self.backbone = MODELS.build(backbone)
        self.text_encoder = MODELS.build(text_encoder)
        self.neck = MODELS.build(neck)
        self.mask_head = MODELS.build(mask_head)
        self.cycle_head = MODELS.build(cycle_head) if cycle_head else None
        self.test_cfg = PredictConfig(**(test_cfg or {}))

    def forward(
        self, inputs: Tensor, data_samples: list[ReferringDataSample], mode: str = 'tensor'
    ) -> dict | list | tuple:
        """MMEngine's entry.

        Args:
            inputs: (B, T, 3, H, W) normalised, padded bottom and right.
            data_samples: B samples with their pairs.
            mode: ``loss`` -> dict of losses; ``predict`` -> samples with ``pred_pairs``;
                ``tensor`` -> (:class:`SlotPredictions`, :class:`CycleOutput` or None) of all pairs.
        """
        if mode == 'loss':
            return self.loss(inputs, data_samples)
        if mode == 'predict':
            return self.predict(inputs, data_samples)
        if mode == 'tensor':
            pairs = _Pairs.collect(data_samples, inputs.device)
            clips = self.extract_clips(inputs, [s.img_shape for s in data_samples])
            return self._read_pairs(clips, self.text_encoder(pairs.sentences), pairs.to_clip)[:2]
        raise ValueError(f'mode={mode!r} is unknown; choose loss, predict or tensor')

    def extract_clips(
        self, inputs: Tensor, img_shapes: list[tuple[int, int]], *, annotated: Tensor | None = None
    ) -> ClipFeatures:
        """Everything that needs no sentence, once per clip.

        Args:
            inputs: (B, T, 3, H, W).
            img_shapes: B sizes (H, W) before padding.
            annotated: (B, T') the frames that go on from the backbone; None for all.
        """
        takes_clips = getattr(self.backbone, 'takes_clips', False)
        maps = self.backbone(inputs if takes_clips else inputs.flatten(0, 1))
        padding = padding_mask(inputs, img_shapes)
        if annotated is not None:
            rows = torch.arange(len(inputs), device=inputs.device)[:, None]
            chosen = (rows * inputs.shape[1] + annotated.to(rows)).flatten()
            maps = [x[chosen] for x in maps]
            padding = padding[:, : annotated.shape[1]]  # that of every frame of a clip
        return self.neck.project(list(maps), padding)

    def loss(self, inputs: Tensor, data_samples: list[ReferringDataSample]) -> dict[str, Tensor]:
        """Losses: the mask head sees positive pairs, the cycle head all."""
        pairs = _Pairs.collect(data_samples, inputs.device)
        annotated = _annotated_frames(data_samples)
        clips = self.extract_clips(inputs, [s.img_shape for s in data_samples], annotated=annotated)
        text = self.text_encoder(pairs.sentences)
        grounded = self.neck.ground(clips, text, pairs.to_clip)
        losses, reconstructed = {}, None
        if self.cycle_head is not None:
            cycle = self._cycle(grounded, text)
            losses.update(
                self.cycle_head.loss(cycle, text.sentence, pairs.is_negative, pairs.sentences)
            )
            reconstructed = cycle.reconstructed
        losses.update(
            self._mask_losses(
                clips,
                grounded,
                text.sentence,
                reconstructed,
                pairs,
                _targets(data_samples, annotated),
            )
        )
        return losses

    def _mask_losses(
        self,
        clips: ClipFeatures,
        grounded: GroundedFeatures,
        sentence: Tensor,
        reconstructed: Tensor | None,
        pairs: _Pairs,
        targets: PairTargets,
    ) -> dict[str, Tensor]:
        """Losses of the positive pairs; without one, zeros that reach every parameter."""
        any_positive = bool(pairs.positive.any())
        # Distributed training needs each parameter in each step: if need be, negatives stand in.
        chosen = pairs.positive if any_positive else pairs.is_negative
        seen = grounded.select(chosen)
        predictions = self.mask_head(
            seen.memory,
            self.neck.mask_features(clips, seen),
            sentence[chosen],
            None if reconstructed is None else reconstructed[chosen],
        )
        losses = self.mask_head.loss(predictions, targets.select(chosen))
        return losses if any_positive else {name: 0 * value for name, value in losses.items()}

    @torch.no_grad()
    def predict(
        self, inputs: Tensor, data_samples: list[ReferringDataSample]
    ) -> list[ReferringDataSample]:
        """Fill ``pred_pairs`` of every sample; all its sentences share its backbone features."""
        for clip, sample in zip(inputs, data_samples, strict=True):
            height, width = sample.img_shape
            video, chosen = clip[..., :height, :width], _annotated_frames([sample])
            frames = torch.arange(len(video)) if chosen is None else chosen[0]
            windows = split_windows(len(video), self.test_cfg.window)
            wanted = [frames[(w.start <= frames) & (frames < w.stop)] - w.start for w in windows]
            pairs = self.segment(
                (video[w] for w, some in zip(windows, wanted) if len(some)),
                sample.gt_pairs.sentences,
                sample.ori_shape,
                annotated=None if chosen is None else [some for some in wanted if len(some)],
            )
            sample.pred_pairs = pairs if chosen is None else _spread(pairs, frames, len(video))
        return data_samples

    @torch.no_grad()
    def segment(
        self,
        windows: Iterable[Tensor],
        sentences: list[str],
        ori_shape: tuple[int, int],
        *,
        annotated: Iterable[Tensor] | None = None,
    ) -> InstanceData:
        """Segment one video that comes window by window, such as from a decoder.

        Backbone features live for one window only; what grows with the video are the slots' masks
        at the stride of the mask features, on the CPU, and the result.

        Args:
            windows: consecutive (T_i, 3, H, W) normalised frames without padding, T in all.
            sentences: P sentences.
            ori_shape: (H0, W0) of the masks.
            annotated: for each window the (T'_i,) frames that go on from the backbone, of which the
                result is then; None for all.

        Returns:
            P rows as :func:`choose_slots` gives them.
        """
        text = self.text_encoder(sentences)
        read = []
        for frames, some in zip(windows, annotated or repeat(None)):
            clips = self.extract_clips(
                frames[None],
                [tuple(frames.shape[-2:])],
                annotated=None if some is None else some[None],
            )
            read.append(self._read_window(clips, text))
        slots = _join([w.slots for w in read], dim=1)
        logits = torch.stack([w.logits for w in read]).mean(0)
        pairs = choose_slots(
            slots, logits, ori_shape, config=self.test_cfg, input_size=tuple(frames.shape[-2:])
        )
        if self.test_cfg.figures:
            pairs.grounding_attention = torch.cat([w.attention for w in read], dim=1)
            pairs.early_features = torch.cat([w.early for w in read], dim=1)
        return pairs

    def _read_window(self, clips: ClipFeatures, text: TextFeatures) -> _Window:
        """One window, all sentences, a few at a time; results go to the CPU."""
        parts = []
        for index in torch.arange(len(text.sentence)).split(self.test_cfg.pairs_per_pass):
            index = index.to(text.sentence.device)
            chosen = text.select(index)
            slots, cycle, grounded = self._read_pairs(clips, chosen, torch.zeros_like(index))
            logits = slots.scores.new_full((len(index),), float('-inf'))
            if cycle is not None:
                logits = cycle.misalignment_logit.float()
            part = _Window(
                SlotPredictions(
                    slots.scores.cpu(),
                    None if slots.boxes is None else slots.boxes.cpu(),
                    slots.masks.cpu(),
                ),
                logits.cpu(),
            )
            if self.test_cfg.figures:
                part.attention = self.neck.attention_map(grounded, chosen).float().cpu()
                part.early = grounded.early.float().norm(dim=2).cpu()
            parts.append(part)
        return _Window.join(parts)

    def _read_pairs(
        self, clips: ClipFeatures, text: TextFeatures, to_clip: Tensor
    ) -> tuple[SlotPredictions, CycleOutput | None, GroundedFeatures]:
        """Last decoder layer, cycle and grounded features of P pairs."""
        grounded = self.neck.ground(clips, text, to_clip)
        cycle = self._cycle(grounded, text) if self.cycle_head is not None else None
        slots = self.mask_head.last_layer(
            grounded.memory,
            self.neck.mask_features(clips, grounded),
            text.sentence,
            cycle.reconstructed if cycle is not None else None,
        )
        return slots, cycle, grounded

    def _cycle(self, grounded: GroundedFeatures, text: TextFeatures) -> CycleOutput:
        return self.cycle_head(grounded.early, grounded.padding, grounded.position, text.sentence)


def padding_mask(inputs: Tensor, img_shapes: list[tuple[int, int]]) -> Tensor:
    """(B, T, H, W) bool, True in the padding of (B, T, 3, H, W) inputs."""
    batch, frames, _, height, width = inputs.shape
    mask = torch.ones(batch, frames, height, width, dtype=torch.bool, device=inputs.device)
    for row, (h, w) in enumerate(img_shapes):
        mask[row, :, :h, :w] = False
    return mask


def split_windows(num_frames: int, window: int | None) -> list[slice]:
    """Cut T frames into near-equal consecutive windows of at most ``window`` frames."""
    if window is None or window >= num_frames:
        return [slice(0, num_frames)]
    count = -(-num_frames // window)
    bounds = [num_frames * k // count for k in range(count + 1)]
    return [slice(a, b) for a, b in zip(bounds[:-1], bounds[1:], strict=True)]


def choose_slots(
    slots: SlotPredictions,
    misalignment_logits: Tensor,
    ori_shape: tuple[int, int],
    *,
    config: PredictConfig,
    input_size: tuple[int, int] | None = None,
) -> InstanceData:
    """One slot per pair for the whole video, its masks at original size, and the gate.

    Args:
        slots: predictions of P pairs over all T frames.
        misalignment_logits: (P,) mean over windows.
        ori_shape: (H0, W0).
        config: thresholds, and the part that reads masks.
        input_size: (H, W) of the frames that the model saw; ``ori_shape`` if they were not resized.

    Returns:
        P rows: ``masks`` (T, H0, W0) bool after the gate, ``ungated_masks`` before it, ``scores``
        (T,), ``boxes`` (T, 4) xyxy in pixels (around the masks where slots have no boxes),
        ``consensus``, ``misalignment_logits``; if asked for, ``candidate_masks`` (T, N, H0, W0)
        and ``candidate_scores`` (T, N).
    """
    scores = slots.scores.sigmoid()
    best = scores.mean(1).argmax(-1)
    rows = torch.arange(len(best))
    masks = _read_masks(slots.masks[rows, :, best], ori_shape, input_size or ori_shape, config)
    consensus = 1 - misalignment_logits.sigmoid()
    kept = consensus >= config.gate_threshold
    height, width = ori_shape
    if slots.boxes is None:
        boxes = torch.stack([mask2bbox(frames) for frames in masks])
    else:
        boxes = bbox_cxcywh_to_xyxy(slots.boxes[rows, :, best])
        boxes = boxes * boxes.new_tensor([width, height, width, height])
    candidates = {}
    if config.candidates:
        every = slots.masks.transpose(1, 2).flatten(0, 1)  # slots of all pairs
        read = _read_masks(every, ori_shape, input_size or ori_shape, config)
        candidates = dict(
            candidate_masks=read.unflatten(0, (len(best), -1)).transpose(1, 2),
            candidate_scores=scores,
        )
    return InstanceData(
        **candidates,
        masks=masks if kept.all() else masks & kept[:, None, None, None],
        ungated_masks=masks,
        scores=scores[rows, :, best],
        boxes=boxes,
        consensus=consensus,
        misalignment_logits=misalignment_logits,
    )


def _read_masks(
    logits: Tensor, size: tuple[int, int], input_size: tuple[int, int], config: PredictConfig
) -> Tensor:
    """(P, T, h, w) logits to (P, T, H0, W0) bool, few frames at a time: float maps are large."""
    threshold = float(torch.tensor(config.mask_threshold).logit())
    masks = torch.empty(*logits.shape[:2], *size, dtype=torch.bool, device=logits.device)
    for start in range(0, logits.shape[1], _UPSAMPLED_FRAMES):
        frames = slice(start, start + _UPSAMPLED_FRAMES)
        for mask, logit in zip(masks, logits, strict=True):
            mask[frames] = config.read_masks(
                logit[frames], threshold, input_size=input_size, file_size=size
            )
    return masks


@dataclass
class _Pairs:
    """The pairs of a batch, flat: sentences, (P,) clip of each, (P,) is_negative."""

    sentences: list[str]
    to_clip: Tensor
    is_negative: Tensor

    @property
    def positive(self) -> Tensor:
        return ~self.is_negative

    @classmethod
    def collect(cls, samples: list[ReferringDataSample], device: torch.device) -> _Pairs:
        counts = torch.tensor([len(s.gt_pairs) for s in samples], device=device)
        return cls(
            sentences=[text for s in samples for text in s.gt_pairs.sentences],
            to_clip=torch.arange(len(samples), device=device).repeat_interleave(counts),
            is_negative=torch.cat([s.gt_pairs.is_negative.to(device) for s in samples]),
        )


@dataclass
class _Window:
    """Predictions of one window: slots, (P,) misalignment logits, maps of Figure A."""

    slots: SlotPredictions
    logits: Tensor
    attention: Tensor | None = None
    early: Tensor | None = None

    @classmethod
    def join(cls, parts: list[_Window]) -> _Window:
        """The pairs of all ``parts`` in order."""
        maps = {}
        if parts[0].attention is not None:
            maps = dict(
                attention=torch.cat([p.attention for p in parts]),
                early=torch.cat([p.early for p in parts]),
            )
        return cls(
            _join([p.slots for p in parts], dim=0), torch.cat([p.logits for p in parts]), **maps
        )


def _join(parts: list[SlotPredictions], *, dim: int) -> SlotPredictions:
    return SlotPredictions(
        torch.cat([p.scores for p in parts], dim=dim),
        None if parts[0].boxes is None else torch.cat([p.boxes for p in parts], dim=dim),
        torch.cat([p.masks for p in parts], dim=dim),
    )


def _annotated_frames(samples: list[ReferringDataSample]) -> Tensor | None:
    """(B, T') annotated frames of B clips, None where all are.

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
    """(T',) annotated frames, of repeated ones the first: short clips repeat frames."""
    first: dict[str, int] = {}
    for index, (frame, known) in enumerate(
        zip(sample.frame_ids, sample.annotated_frames, strict=True)
    ):
        if known:
            first.setdefault(frame, index)
    return torch.tensor(list(first.values()))


def _spread(pairs: InstanceData, frames: Tensor, length: int) -> InstanceData:
    """Predictions of some frames as those of all ``length``, empty and of score 0 elsewhere."""
    for name in _PER_FRAME:
        if name in pairs:
            some = pairs[name]
            whole = some.new_zeros(len(some), length, *some.shape[2:])
            whole[:, frames] = some
            pairs[name] = whole
    return pairs


def _targets(samples: list[ReferringDataSample], annotated: Tensor | None = None) -> PairTargets:
    """Targets of all pairs, in the order of the batch; those of negative pairs are empty.

    Args:
        samples: B samples.
        annotated: (B, T') frames that are kept; None for all.
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
    """For each pair of a clip all its instances, and which of them the sentence names."""
    found, pairs = sample.gt_instances, sample.gt_pairs
    return [
        InstanceTargets(found.masks, found.valid, -1 if negative else found.obj_ids.index(obj_id))
        for obj_id, negative in zip(pairs.obj_ids, pairs.is_negative.tolist(), strict=True)
    ]
