"""Write the predictions of a test to a file, and read their masks back."""

import pickle
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mmengine.evaluator import DumpResults

from r2vos_mm.utils.files import check_regular, write_atomically
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
        """Write the file atomically: if the disk is full, the old file stays."""
        write_atomically(pickle.dumps(results), self.out_file_path)
        log(f'Predictions were written to {self.out_file_path}')
        return {}


class _MaskUnpickler(pickle.Unpickler):
    """Build plain data, with None instead of tensors; refuse everything else."""

    _TENSORS = {('torch._utils', '_rebuild_tensor_v2'), ('torch.storage', '_load_from_bytes')}

    def find_class(self, module: str, name: str) -> Callable:
        if (module, name) == ('collections', 'OrderedDict'):
            return OrderedDict
        if (module, name) not in self._TENSORS:
            raise pickle.UnpicklingError(f'it asks for {module}.{name}')
        return lambda *_: None


def read_predictions(path: Path) -> list[dict[str, Any]]:
    """Return the mappings that :class:`DumpPredictions` wrote, with None instead of tensors.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: it does not hold predictions; nothing in it was run.
    """
    check_regular(path)
    try:
        with path.open('rb') as file:
            videos = _MaskUnpickler(file).load()
        needed = {'video_id', 'frame_ids', 'sentences', 'masks'}
        is_known = isinstance(videos, list) and all(video.keys() >= needed for video in videos)
    except Exception as error:  # a broken pickle can raise anything
        raise ValueError(f'{path} holds no predictions ({error}); nothing in it was run') from error
    if not is_known:
        raise ValueError(f'{path} holds no predictions: r2vos test --out NAME.pkl writes them')
    return videos
