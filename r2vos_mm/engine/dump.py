"""Write the predictions of a test to a file."""

import pickle
from collections.abc import Sequence
from typing import Any

from mmengine.evaluator import DumpResults

from r2vos_mm.utils.files import write_atomically
from r2vos_mm.utils.logging import log
from r2vos_mm.utils.masks_io import encode_rle

_MASK_FIELDS = ('masks', 'ungated_masks')


class DumpPredictions(DumpResults):
    """Write predictions to a ``.pkl`` file, one mapping per video, masks as COCO run-length codes.

    A mapping holds ``video_id``, ``frame_ids``, ``sentences`` and the fields of ``pred_pairs``;
    masks (P, T, H0, W0) become P lists of T codes. The masks of all queries, which mAP needs, are
    not written.
    """

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Add the predictions for one batch."""
        encoded = []
        for sample in data_samples:
            pairs = dict(sample['pred_pairs'])
            pairs.pop('candidate_masks', None)
            for name in set(_MASK_FIELDS) & pairs.keys():
                masks = pairs[name].cpu().numpy()
                pairs[name] = [[encode_rle(frame) for frame in pair] for pair in masks]
            names = {key: sample.get(key) for key in ('video_id', 'frame_ids')}
            encoded.append({**names, 'sentences': sample['gt_pairs']['texts'], **pairs})
        super().process(data_batch, encoded)

    def compute_metrics(self, results: list) -> dict:
        """Write the file atomically: a full disk leaves the one that was there."""
        write_atomically(pickle.dumps(results), self.out_file_path)
        log(f'Predictions were written to {self.out_file_path}')
        return {}
