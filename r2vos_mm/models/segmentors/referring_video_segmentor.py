"""Define the segmentor, the one model class that configs put together for every method."""

from typing import Literal

import torch
from mmengine.model import BaseModel
from torch import Tensor

from r2vos_mm.registry import MODELS
from r2vos_mm.structures import (
    CycleOutput,
    Features,
    GroundedFeatures,
    QueryPredictions,
    ReferringDataSample,
    TextFeatures,
)

from ..utils import (
    PairBatch,
    PredictConfig,
    PretrainedMixin,
    annotated_frames,
    check_channels,
    check_negatives,
    check_word_maps,
    collect_targets,
    padding_mask,
)
from .video_prediction import VideoPredictionMixin


@MODELS.register_module()
class ReferringVideoSegmentor(VideoPredictionMixin, PretrainedMixin, BaseModel):
    """Referring video object segmentation with a verdict on whether the object is present.

    The text-independent part runs once per clip, the text-dependent part once per pair. Where only
    some frames of a clip are annotated (``annotated_frames`` of the samples), the backbone sees
    all frames and the neck only the annotated ones, as in MTTR and ReferFormer on A2D-Sentences.

    Args:
        backbone: (B*T, 3, H, W), or (B, T, 3, H, W) if it ``takes_clips``, to maps of strides 4-32.
        text_encoder: expressions to :class:`TextFeatures`.
        neck: maps and text to memory, f_early and mask features.
        mask_head: instance queries, their losses and masks.
        cycle_head: reconstruction of the sentence embedding and verdict; None for consensus 1.
        word_maps: evidence from the classes of a backbone that classifies, see :class:`WordMaps`;
            the neck sees it with ``neck.word_input``, the verdict with ``cycle_head.sees_words``
            or ``cycle_head.prior_weight``, or alone with ``test_cfg.verdict='words'``.
        negatives_train: parts that negative pairs train: only the ``'verdict'`` (paper), also the
            ``'scores'`` (all queries are background), or also the ``'masks'`` (they are empty).
            With ``'verdict'`` and few training data, masks hardly depend on the text.
        data_preprocessor: see :class:`ReferringDataPreprocessor`.
        test_cfg: fields of :class:`PredictConfig`.

    Raises:
        ValueError: the backbone's channels are not the neck's ``in_channels``, a part needs
            ``word_maps`` that the model lacks, or the mask head cannot learn from negative pairs.
    """

    def __init__(
        self,
        *,
        backbone: dict,
        text_encoder: dict,
        neck: dict,
        mask_head: dict,
        cycle_head: dict | None = None,
        word_maps: dict | None = None,
        negatives_train: Literal['verdict', 'scores', 'masks'] = 'verdict',
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
        check_channels(self.backbone, self.neck)
        self.mask_head = MODELS.build(mask_head)
        self.cycle_head = MODELS.build(cycle_head) if cycle_head else None
        self.negatives_train = negatives_train
        self.word_maps = MODELS.build(word_maps) if word_maps else None
        self.test_cfg = PredictConfig.from_config(test_cfg)
        check_word_maps(self)
        check_negatives(self)

    def forward(
        self, inputs: Tensor, data_samples: list[ReferringDataSample], mode: str = 'tensor'
    ) -> dict | list | tuple:
        """Run the model in one of MMEngine's modes.

        Args:
            inputs: (B, T, 3, H, W) normalized, padded bottom and right.
            data_samples: B samples with their pairs.
            mode: ``loss`` -> dict of losses; ``predict`` -> samples with ``pred_pairs``;
                ``tensor`` -> :class:`QueryPredictions`, :class:`CycleOutput` or None.

        Raises:
            ValueError: the mode is unknown.
        """
        if mode == 'tensor':
            pairs = PairBatch.collect(data_samples, inputs.device)
            clips = self.extract_clips(inputs, [s.img_shape for s in data_samples])
            return self._predict_pairs(clips, self.encode_text(pairs.texts), pairs.to_clip)[:2]
        if mode not in ('loss', 'predict'):
            raise ValueError(f'mode={mode!r} is unknown; choose loss, predict or tensor')
        return getattr(self, mode)(inputs, data_samples)

    def extract_clips(
        self,
        inputs: Tensor,
        img_shapes: list[tuple[int, int]],
        *,
        annotated: Tensor | None = None,
        num_frames: Tensor | None = None,
    ) -> Features:
        """Compute everything that does not depend on the text, once per clip.

        Args:
            inputs: (B, T, 3, H, W).
            img_shapes: their B sizes (H, W) before padding.
            annotated: (B, T') frames that the neck sees; None for all.
            num_frames: () frames before those that pad all clips to T; None for T.
        """
        if getattr(self.backbone, 'takes_clips', False):
            options = {} if num_frames is None else dict(num_frames=num_frames)
            maps = self.backbone(inputs, **options)
        else:
            maps = self.backbone(inputs.flatten(0, 1))
        padding = padding_mask(inputs, img_shapes, num_frames)
        if annotated is not None:
            rows = torch.arange(len(inputs), device=inputs.device)[:, None]
            chosen = (rows * inputs.shape[1] + annotated.to(rows)).flatten()
            maps = [x[chosen] for x in maps]
            num_frames = None
            # the same for every annotated frame of a clip
            padding = padding[:, :1].expand(-1, annotated.shape[1], -1, -1)
        has_padding = num_frames is not None
        has_padding |= any(tuple(shape) != inputs.shape[-2:] for shape in img_shapes)
        clips = self.neck.project(list(maps), padding, has_padding=has_padding)
        if self.word_maps is not None:
            clips.classes = self.word_maps.classify(self.backbone, maps, padding)
        return clips

    def encode_text(self, sentences: list[str]) -> TextFeatures:
        """Encode P expressions, and weigh the classes of the word maps by them."""
        text = self.text_encoder(sentences)
        if self.word_maps is not None:
            names = self.backbone.class_names
            text.class_weights = self.word_maps.class_weights(sentences, names, self.text_encoder)
        return text

    def loss(self, inputs: Tensor, data_samples: list[ReferringDataSample]) -> dict[str, Tensor]:
        """Compute the losses of the cycle head and the mask head, see ``negatives_train``."""
        pairs = PairBatch.collect(data_samples, inputs.device)
        annotated = annotated_frames(data_samples)
        clips = self.extract_clips(inputs, [s.img_shape for s in data_samples], annotated=annotated)
        text = self.encode_text(pairs.texts)
        grounded = self._ground(clips, text, pairs.to_clip)
        positive, learns = ~pairs.is_negative, self.negatives_train != 'verdict'
        # Distributed training needs each parameter in each step: without positive pairs, negative
        # ones replace them, and their losses are multiplied by 0.
        scale = 1.0 if positive.any() else 0.0
        positive = positive if scale else pairs.is_negative
        cycle, losses = self._cycle(grounded), {}
        if cycle is not None:
            losses = self.cycle_head.loss(cycle, text.sentence, pairs.is_negative, pairs.texts)
        decoded = torch.ones_like(positive) if learns else positive
        cycle = None if cycle is None else cycle.select(decoded)
        predictions = self._decode(clips, grounded.select(decoded), cycle)
        targets = collect_targets(data_samples, annotated).select(positive)
        of_positives = [layer.select(positive[decoded]) for layer in predictions]
        for name, value in self.mask_head.loss(of_positives, targets).items():
            losses[name] = scale * value
        if learns:
            of_negatives = [layer.select(pairs.is_negative) for layer in predictions]
            masks = self.negatives_train == 'masks'
            for name, value in self.mask_head.loss_of_negatives(of_negatives, masks=masks).items():
                losses[name] = losses[name] + value
        return losses

    def _predict_pairs(
        self, clips: Features, text: TextFeatures, to_clip: Tensor
    ) -> tuple[QueryPredictions, CycleOutput | None, GroundedFeatures]:
        """Return the last decoder layer, the cycle and the grounded features of P pairs."""
        grounded = self._ground(clips, text, to_clip)
        cycle = self._cycle(grounded)
        return self._decode(clips, grounded, cycle, last_only=True)[-1], cycle, grounded

    def _ground(self, clips: Features, text: TextFeatures, to_clip: Tensor) -> GroundedFeatures:
        if self.word_maps is None:
            return self.neck.ground(clips, text, to_clip)
        evidence = self.word_maps(clips.classes, text.class_weights, to_clip)
        return self.neck.ground(clips, text, to_clip, evidence)

    def _cycle(self, grounded: GroundedFeatures) -> CycleOutput | None:
        if self.cycle_head is None:
            return None
        inputs = [grounded.early, grounded.padding, grounded.position, grounded.text.sentence]
        if grounded.evidence is not None:
            inputs.append(grounded.evidence.presence)
        return self.cycle_head(*inputs)

    def _decode(
        self,
        clips: Features,
        grounded: GroundedFeatures,
        cycle: CycleOutput | None,
        **options: bool,
    ) -> list[QueryPredictions]:
        """Run the mask head on the memory, the mask features, e and e'."""
        features = self.neck.mask_features(clips, grounded)
        reconstructed = None if cycle is None else cycle.reconstructed
        inputs = grounded.memory, features, grounded.text.sentence, reconstructed
        return self.mask_head(*inputs, **options)
