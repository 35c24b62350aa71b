"""Keep the predictions of finished videos of a test, so that a stopped test continues."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import barrier, broadcast_object_list, get_dist_info, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement, InstanceData
from torch.utils.data import DataLoader

from r2vos_mm.registry import HOOKS
from r2vos_mm.structures import ReferringDataSample
from r2vos_mm.utils.checkpoint import read_checkpoint, save_plain
from r2vos_mm.utils.files import file_sha256, read_json, remove_own_folder, write_json
from r2vos_mm.utils.logging import log, warn
from r2vos_mm.utils.masks_io import decode_rle, encode_rle

# Settings that do not change predictions.
_WITHOUT_EFFECT = ('work_dir', 'launcher', 'load_from', 'resume', 'log_level', 'env_cfg')
_IDENTITY = 'identity.json'
_FORM = 2  # of the files; those of another form are ignored
_FILES = (_IDENTITY, '[0-9]*-*.pth')


@HOOKS.register_module()
class SpoolHook(Hook):
    """Spool each finished video of a test, and begin the next test with the spooled ones.

    A file per video in ``<work folder>/test_spool`` holds its data sample with the predictions,
    masks as run-length codes. The next test with the same weights and config gives them to the
    evaluator and the other hooks as if the model had just predicted them, and runs the model on the
    rest only. A video whose pairs or files have changed is predicted again; with other weights or
    another config, all videos are, which is logged. A complete test removes its spool.

    The number of processes may differ from that of the interrupted test. The data set needs
    ``fingerprint(index)``; others are tested without a spool.
    """

    priority = 'VERY_LOW'  # a video is spooled when all other hooks are done with it

    def __init__(self) -> None:
        self._spool: _Spool | None = None
        self._indices: Iterator[int] = iter(())

    def before_test_epoch(self, runner: Runner) -> None:
        """Pass spooled samples to the evaluator and hooks; leave the other videos to the loop."""
        self._spool = None
        loader = runner.test_dataloader
        if not hasattr(loader.dataset, 'fingerprint') or loader.batch_size is None:
            return
        identity = [_identity(runner) if is_main_process() else None]
        broadcast_object_list(identity)
        spool = _Spool(Path(runner.work_dir, 'test_spool'), loader.dataset, identity[0])
        if is_main_process():
            spool.prepare()
        barrier()
        rank, world_size = get_dist_info()
        done = spool.done()
        barrier()
        own = sorted(done)[rank::world_size]
        remaining = [index for index in range(len(loader.dataset)) if index not in done]
        if done and is_main_process():
            log(f'Continuing a test: {len(done)} of {len(loader.dataset)} videos are done')
        for number, index in enumerate(own):
            sample = spool.read(done[index])
            runner.test_evaluator.process(data_samples=[sample], data_batch=None)
            runner.call_hook('after_test_iter', batch_idx=number, data_batch=None, outputs=[sample])
        self._spool, self._indices = spool, iter(remaining[rank::world_size])
        runner.test_loop.dataloader = _RemainingLoader(
            loader, remaining[rank::world_size], done=len(own)
        )

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Sequence[ReferringDataSample] | None = None,
    ) -> None:
        """Spool the samples of a batch."""
        if self._spool is None:
            return
        for sample in outputs or ():
            self._spool.write(next(self._indices), sample)

    def after_test(self, runner: Runner) -> None:
        """Remove the spool: the test is complete."""
        if self._spool is not None and is_main_process():
            self._spool.remove()
        self._spool = None


class _RemainingLoader(DataLoader):
    """Loads some items of a loader's data set; its length counts the others, too."""

    def __init__(self, loader: DataLoader, indices: Sequence[int], *, done: int) -> None:
        super().__init__(
            loader.dataset,
            batch_size=loader.batch_size,
            sampler=indices,
            num_workers=loader.num_workers,
            collate_fn=loader.collate_fn,
            pin_memory=loader.pin_memory,
            worker_init_fn=loader.worker_init_fn,
            prefetch_factor=loader.prefetch_factor,
            persistent_workers=loader.persistent_workers,
        )
        self._done = done

    def __len__(self) -> int:
        return self._done + super().__len__()


class _Spool:
    """The predictions of finished videos, one file each.

    A file is named by its index and a hash of the video's fingerprint and the test's identity: two
    simultaneous tests in one work folder do not read each other's predictions.
    """

    def __init__(self, folder: Path, dataset: Any, identity: Mapping[str, str]) -> None:
        self.folder, self.dataset, self.identity = folder, dataset, identity

    def prepare(self) -> None:
        """Keep the samples of an earlier test with the same identity; remove those of another."""
        path, identity = self.folder / _IDENTITY, self.identity
        if self.folder.is_dir():
            before = read_json(path) if path.is_file() else {}
            changed = [name for name in identity if before.get(name) != identity[name]]
            if changed and before:
                reason = ' and '.join(changed)
                warn(f'An unfinished test is not continued: {reason} differ. It starts again')
            if changed:
                remove_own_folder(self.folder, *_FILES)
        write_json(path, dict(identity))

    def done(self) -> dict[int, Path]:
        """Return the files of finished videos whose data are unchanged, by index."""
        found = {}
        for path in self.folder.glob('[0-9]*.pth'):
            index = int(path.stem.partition('-')[0])
            if index < len(self.dataset) and self._path(index) == path:
                found[index] = path
        return found

    def read(self, path: Path) -> ReferringDataSample:
        """Return a spooled sample."""
        content = read_checkpoint(path)
        fields = {name: _decoded(value, path) for name, value in content['element'].items()}
        return ReferringDataSample(metainfo=content['metainfo'], **fields)

    def write(self, index: int, sample: ReferringDataSample) -> None:
        """Spool a sample."""
        metainfo = dict(sample.metainfo_items())
        save_plain(dict(metainfo=metainfo, **_encoded(sample)), self._path(index))

    def remove(self) -> None:
        """Remove all files."""
        with contextlib.suppress(OSError):
            remove_own_folder(self.folder, *_FILES)

    def _path(self, index: int) -> Path:
        named = _FORM, sorted(self.identity.items()), self.dataset.fingerprint(index)
        return self.folder / f'{index}-{hashlib.sha256(repr(named).encode()).hexdigest()[:16]}.pth'


def _identity(runner: Runner) -> dict[str, str]:
    """Return hashes of what the predictions of a test depend on besides the data."""
    kept = {k: v for k, v in runner.cfg.to_dict().items() if k not in _WITHOUT_EFFECT}
    text = json.dumps(kept, sort_keys=True, default=repr)
    weights = runner._load_from
    is_file = weights and Path(weights).is_file()
    return {
        'the weights': file_sha256(weights) if is_file else str(weights),
        'the settings': hashlib.sha256(text.encode()).hexdigest(),
    }


def _encoded(value: Any) -> Any:
    """Return fields of elements, and masks (..., H, W) as codes; other values as they are."""
    if isinstance(value, BaseDataElement):
        return {'element': {name: _encoded(item) for name, item in value.items()}}
    if not isinstance(value, torch.Tensor):
        return value
    value = value.detach().cpu()
    if value.dtype != torch.bool or value.ndim < 3:
        return value
    frames = value.reshape(-1, *value.shape[-2:]).numpy()
    return {'shape': list(value.shape), 'codes': [encode_rle(frame)['counts'] for frame in frames]}


def _decoded(value: Any, path: Path) -> Any:
    if not isinstance(value, dict):
        return value
    if 'element' in value:
        return InstanceData(**{key: _decoded(item, path) for key, item in value['element'].items()})
    *lead, height, width = value['shape']
    masks = torch.zeros((len(value['codes']), height, width), dtype=torch.bool)
    for number, counts in enumerate(value['codes']):
        code = {'size': [height, width], 'counts': counts}
        masks[number] = torch.from_numpy(decode_rle(code, str(path)))
    return masks.reshape(*lead, height, width)
