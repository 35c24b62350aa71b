"""Save checkpoints that survive a kill and that are read without unpickling."""

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any
from unittest.mock import patch

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.runner import IterBasedTrainLoop, Runner
from mmengine.runner.base_loop import BaseLoop

from r2vos_mm.registry import HOOKS
from r2vos_mm.utils.checkpoint import (
    ATOMIC_BACKEND,
    pack_message_hub,
    safe_loaders,
    to_plain,
    unpack_message_hub,
)
from r2vos_mm.utils.cli import UsageError
from r2vos_mm.utils.files import write_atomically
from r2vos_mm.utils.state_dict import check_weights
from r2vos_mm.utils.storage.backends import admit_address
from r2vos_mm.utils.storage.paths import default_backend, is_address

from ..work_folder import POINTER, RESUMABLE
from .finite_loss_hook import check_weights_finite, unwrapped

_VALIDATED = 'last_validated_iter'  # of the message hub; a name in 'val' would be logged


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """MMEngine's ``CheckpointHook`` with these differences.

    * Checkpoints and the pointer ``last_checkpoint`` are written atomically, and an outdated
      checkpoint is removed after the new one is written: if the run is killed at any moment, a
      complete checkpoint remains.
    * Checkpoints hold tensors and plain containers only (see :mod:`r2vos_mm.utils.checkpoint`).
    * The name of the best checkpoint is safe in shells: ``J&F&R`` gives ``best_JFR_iter_1000.pth``.
    * Files and URLs that the run loads are read without unpickling.
    * Weights of another model are refused when testing and resuming; ``load_from`` in training
      reports weights that do not fit, and is refused if none does.
    * The precision of :class:`r2vos_mm.engine.AutocastOptimWrapper` is stored, and a resumed run
      keeps it.
    * A checkpoint from before a validation is saved again after it. A resumed run begins with the
      validation that was due and is not in its checkpoint.
    * Weights that are not finite are not saved: the run stops.
    * A work folder that was moved or copied keeps its own best checkpoint.
    * ``out_dir`` may be an address of an object store, by default of fsspec; ``--resume`` finds the
      checkpoints there. The pointer ``last_checkpoint`` stays in the work folder.

    Before saving, it calls the stage ``before_checkpoint(runner)`` of every hook **on every rank**,
    for hooks that gather something from all ranks.

    Args:
        save_best: Key or keys of the metrics whose best checkpoint is kept.
        strict_test: Whether testing needs every weight of model and checkpoint to fit.
        **kwargs: Arguments of ``mmengine.hooks.CheckpointHook``.
    """

    def __init__(
        self,
        *,
        save_best: str | Sequence[str] | None = None,
        strict_test: bool = True,
        **kwargs: Any,
    ) -> None:
        self._is_stored = is_address(kwargs.get('out_dir'))
        backend_args = {'backend': ATOMIC_BACKEND}
        if self._is_stored:
            backend_args = default_backend(kwargs['out_dir'])
        kwargs.setdefault('backend_args', backend_args)
        if isinstance(save_best, str):
            save_best = shell_safe(save_best)
        elif save_best is not None:
            save_best = [shell_safe(key) for key in save_best]
        super().__init__(save_best=save_best, **kwargs)
        self.strict_test = strict_test
        self._postponed: dict[str, Any] | None = None
        self._saved_step: int | None = None
        self._resumed = False

    def before_run(self, runner: Runner) -> None:
        """Let this run, and nothing else in the process, read checkpoints without unpickling."""
        super().before_run(runner)
        for name in ('load_checkpoint', '_init_model_weights'):
            stored = self.backend_args if self._is_stored else None
            setattr(runner, name, safe_loaders(stored)(getattr(runner, name)))

    def before_train(self, runner: Runner) -> None:
        """Find earlier checkpoints in the folder of this run."""
        if self._is_stored:
            admit_address(self.out_dir)
        super().before_train(runner)
        self._resumed = runner.iter > 0
        info = runner.message_hub.runtime_info
        for key in [key for key in info if key == 'last_ckpt' or key.startswith('best_ckpt')]:
            info[key] = os.path.join(self.out_dir, os.path.basename(info[key]))
        self.last_ckpt = info.get('last_ckpt')
        if self.save_best is not None:
            self.best_ckpt_path = info.get('best_ckpt')
            keys = self.key_indicators
            self.best_ckpt_path_dict = {key: info.get(f'best_ckpt_{key}') for key in keys}
        self._remove(info.get('outdated_ckpt'))

    def _remove(self, filename: str | None) -> None:
        """Remove a checkpoint of this run, on rank 0."""
        path = os.path.join(self.out_dir, filename or '')
        if filename and is_main_process() and self.file_backend.isfile(path):
            self.file_backend.remove(path)

    def before_train_epoch(self, runner: Runner) -> None:
        """Begin a resumed run with the validation that it was stopped in."""
        if self._resumed and _validation_is_due(runner):
            runner.logger.info('The checkpoint is from before the validation that follows it')
            runner.val_loop.run()
        self._resumed = False

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float]) -> None:
        """Save the best checkpoint, and the last one again, with this validation in its history.

        Keys have no characters that shells interpret.
        """
        metrics = {shell_safe(key): value for key, value in metrics.items()}
        if not isinstance(runner._train_loop, BaseLoop):
            super().after_val_epoch(runner, metrics)
            return
        check_weights_finite(runner, runner.iter)
        step = runner.epoch if self.by_epoch else runner.iter
        filename = self.filename_tmpl.format(step)
        is_saved = os.path.basename(self.last_ckpt or '') == filename
        # MMEngine removes the old best checkpoints before it writes the new ones.
        removed: list[str] = []
        self._postponed = {}
        with patch.object(self.file_backend, 'remove', removed.append):
            super().after_val_epoch(runner, metrics)
        is_postponed, self._postponed = bool(self._postponed), None
        for path in removed:
            if not path.endswith(filename):  # else it has just been written again
                self.file_backend.remove(path)
        runner.message_hub.update_info(_VALIDATED, runner.iter)
        if is_postponed or is_saved:
            meta = dict(epoch=runner.epoch, iter=runner.iter)
            self._save_checkpoint_with_step(runner, step, meta)

    def save_now(self, runner: Runner, iteration: int) -> str:
        """Save a checkpoint of a finished iteration unless there is one; call it on every rank.

        Returns:
            Path of the checkpoint.
        """
        if self._saved_step != iteration:
            meta = dict(epoch=runner.epoch, iter=iteration)
            self._save_checkpoint_with_step(runner, iteration, meta)
        return self.last_ckpt

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Note the precision; bring all entries but the weights into a plain form, in place."""
        precision = getattr(runner.optim_wrapper, 'precision', None)
        if precision is not None:
            checkpoint['meta']['precision'] = precision.name
        for key, value in checkpoint.items():
            if key == 'message_hub':
                checkpoint[key] = pack_message_hub(value)
            elif key != 'state_dict':
                checkpoint[key] = to_plain(value, key)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Check that the weights fit, undo the packing, keep the precision of a resumed run."""
        training = isinstance(runner._train_loop, BaseLoop)
        strict = runner._resume if training else self.strict_test
        if training and runner._resume:
            _check_resumable(checkpoint, runner._load_from)
        source = runner._load_from or 'to resume from'
        report = check_weights(unwrapped(runner.model), checkpoint, source=source, strict=strict)
        if not report.fits:
            runner.logger.warning(f'Checkpoint {source}: {report}')
        if _is_packed(checkpoint.get('message_hub')):
            checkpoint['message_hub'] = unpack_message_hub(checkpoint['message_hub'])
        saved = checkpoint.get('meta', {}).get('precision')
        if training and runner._resume and saved and hasattr(runner.optim_wrapper, 'precision'):
            runner.optim_wrapper.keep_precision(saved)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict[str, Any]) -> None:
        if self._postponed is not None:
            self._postponed.update(meta)
            return
        check_weights_finite(runner, meta['iter'])
        runner.call_hook('before_checkpoint')
        outdated = self._keep(runner, step)
        filename = self.filename_tmpl.format(step)
        self.last_ckpt = self.file_backend.join_path(self.out_dir, filename)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        runner.save_checkpoint(
            self.out_dir,
            filename,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )
        self._saved_step = step
        if not is_main_process():
            return
        pointer = os.path.join(runner.work_dir, POINTER)
        write_atomically(self.last_ckpt.encode(), pointer)
        self._remove(outdated)

    def _keep(self, runner: Runner, step: int) -> str | None:
        """Register the checkpoint of ``step``; return the name of the one to remove after it."""
        if self.max_keep_ckpts <= 0 or (self.keep_ckpt_ids and self.keep_ckpt_ids[-1] == step):
            return None
        outdated = None
        if len(self.keep_ckpt_ids) == self.max_keep_ckpts:
            outdated = self.filename_tmpl.format(self.keep_ckpt_ids.popleft())
        self.keep_ckpt_ids.append(step)
        runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))
        # A run that is killed before it removes the file removes it when it is resumed.
        runner.message_hub.update_info('outdated_ckpt', outdated)
        return outdated


def _validation_is_due(runner: Runner) -> bool:
    """Return whether the run was stopped before the validation of the checkpoint it resumes."""
    loop = runner.train_loop
    if runner.val_loop is None or runner.message_hub.runtime_info.get(_VALIDATED) == runner.iter:
        return False
    by_iterations = isinstance(loop, IterBasedTrainLoop)
    now, end = (loop.iter, loop.max_iters) if by_iterations else (loop.epoch, loop.max_epochs)
    loop._decide_current_val_interval()
    return now >= loop.val_begin and (now % loop.val_interval == 0 or now == end)


def _check_resumable(checkpoint: dict[str, Any], source: str) -> None:
    """Refuse to resume from weights alone, and drop text that MMEngine would run as a config."""
    missing = [key for key in RESUMABLE if key not in checkpoint]
    if missing:
        raise UsageError(
            f'{source} cannot be resumed, it has no {", ".join(missing)}: to start from its '
            f'weights, use --cfg-options load_from={source}'
        )
    checkpoint['meta'].pop('config', None)


def shell_safe(key: str) -> str:
    """Return ``key`` without characters that shells interpret; MMEngine itself replaces ``/``."""
    return re.sub(r'[^\w./-]', '', key)


def _is_packed(message_hub: Mapping[str, Any] | None) -> bool:
    return message_hub is not None and all(
        isinstance(history, Mapping) for history in message_hub['log_scalars'].values()
    )
