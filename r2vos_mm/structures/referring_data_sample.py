"""Define the data sample of referring video segmentation: one clip and its expressions."""

from operator import attrgetter

from mmengine.structures import BaseDataElement, InstanceData


def _field(name: str, doc: str) -> property:
    """Define a field of the sample that holds an :obj:`InstanceData`."""

    def write(sample: BaseDataElement, value: InstanceData) -> None:
        sample.set_field(value, name, dtype=InstanceData)

    return property(attrgetter(name), write, lambda sample: delattr(sample, name), doc)


class ReferringDataSample(BaseDataElement):
    """One clip of T frames (a whole video in testing) and its P (clip, expression) pairs.

    Metainfo: ``video_id`` str, ``frame_ids`` and ``frame_paths`` lists of T str, ``img_shape``
    (H, W) of the network input before padding, ``ori_shape`` (H0, W0) of the files,
    ``scale_factor`` (w, h), ``flip`` bool, ``dataset`` str, and after the data preprocessor
    ``batch_input_shape`` and ``pad_shape`` (H', W').

    ``gt_pairs`` (:obj:`InstanceData` of length P):

    * ``texts``, ``pair_ids``, ``exp_ids``, ``obj_ids``, ``kinds``: lists of P str. ``kinds``
      is ``'positive'`` or the kind of the negative pair; unknown object ids are ``''``.
    * ``is_negative``: bool (P,).
    * ``masks``: bool (P, T, H, W), in testing (P, T, H0, W0); absent without ground truth.
    * ``boxes``: float32 (P, T, 4), (cx, cy, w, h) in [0, 1] of the unpadded frame, zeros where
      the object is not visible; ``valid``: bool (P, T), object visible. Both come with masks.

    Negative pairs have all-zero masks and boxes and are not valid in any frame. Some data sets add
    ``sentence_types`` for scoring: a list of P int, 0 referring, 1 reasoning, 2 no target (ReVOS),
    or ``text_types``: a list of P str, by which scores are also reported (Long-RVOS).

    ``gt_instances`` (:obj:`InstanceData` of length I), optional, for methods that learn from all
    annotated objects of a clip: ``masks`` bool (I, T, H, W), ``valid`` bool (I, T) and ``obj_ids``,
    a list of I str, by which pairs find the instance they refer to.

    ``gt_void`` and ``gt_foreground``, optional: bool (T, H, W), in testing (T, H0, W0), pixels that
    scoring ignores (255 in DAVIS), and pixels of any annotated object.

    ``pred_pairs`` (:obj:`InstanceData` of length P): ``masks`` and ``ungated_masks`` bool
    (P, T, H0, W0) after and before the verdict, ``scores`` float (P, T), ``boxes`` float
    (P, T, 4) xyxy in pixels of the files, ``consensus`` float (P,), the probability that the
    expression belongs to the video, and ``misalignment_logits`` float (P,). Optional, for mAP:
    ``candidate_masks`` bool (P, T, N, H0, W0), the masks of all N queries before the verdict, and
    ``candidate_scores`` float (P, T, N).

    Examples:
        >>> import torch
        >>> from mmengine.structures import InstanceData
        >>> from r2vos_mm.structures import ReferringDataSample
        >>> sample = ReferringDataSample(metainfo=dict(video_id='bear', frame_ids=['00000']))
        >>> sample.gt_pairs = InstanceData(
        ...     texts=['a brown bear', 'a red bus'],
        ...     masks=torch.zeros(2, 1, 4, 6, dtype=torch.bool),
        ...     is_negative=torch.tensor([False, True]))
        >>> len(sample.gt_pairs)
        2
        >>> sample.gt_pairs[~sample.gt_pairs.is_negative].texts
        ['a brown bear']
        >>> 'pred_pairs' in sample
        False
    """

    gt_pairs = _field('_gt_pairs', 'Pairs with their annotation, length P.')
    gt_instances = _field('_gt_instances', 'All annotated objects of the clip, length I.')
    pred_pairs = _field(
        '_pred_pairs', 'Pairs with their predictions, length P, in the order of ``gt_pairs``.'
    )
