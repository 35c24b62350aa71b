"""Save checkpoints that survive a kill and that are read without unpickling."""

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop

from r2vos_mm.compat.checkpoint import (
    ATOMIC_BACKEND,
    pack_message_hub,
    safe_loaders,
    to_plain,
    unpack_message_hub,
)
from r2vos_mm.registry import HOOKS
from r2vos_mm.utils.files import write_atomically
from r2vos_mm.utils.state_dict import check_weights


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """MMEngine's ``CheckpointHook`` with these differences.

    * Checkpoints and the pointer ``last_checkpoint`` are written atomically, and an outdated
      checkpoint is removed after the new one is written: if the run is killed at any moment, a
      complete checkpoint remains.
    * Checkpoints hold tensors and plain containers only (see :mod:`r2vos_mm.compat.checkpoint`).
    * The name of the best checkpoint is safe in shells: ``J&F&R`` gives ``best_JFR_iter_1000.pth``.
    * Files and URLs that the run loads are read without unpickling.
    * Weights of another model are refused when testing and resuming; ``load_from`` in training
      reports weights that do not fit, and is refused if none does.
    * The precision of :class:`r2vos_mm.engine.AutocastOptimWrapper` is stored, and a resumed run
      keeps it.

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
        kwargs.setdefault('backend_args', {'backend': ATOMIC_BACKEND})
        if isinstance(save_best, str):
            save_best = shell_safe(save_best)
        elif save_best is not None:
            save_best = [shell_safe(key) for key in save_best]
        super().__init__(save_best=save_best, **kwargs)
        self.strict_test = strict_test

    def before_run(self, runner: Runner) -> None:
        """Let this run, and nothing else in the process, read checkpoints without unpickling."""
        super().before_run(runner)
        for name in ('load_checkpoint', '_init_model_weights'):
            setattr(runner, name, safe_loaders()(getattr(runner, name)))

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float]) -> None:
        """Save the best checkpoint, under keys without characters that shells interpret."""
        super().after_val_epoch(runner, {shell_safe(key): value for key, value in metrics.items()})

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
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        training = isinstance(runner._train_loop, BaseLoop)
        strict = runner._resume if training else self.strict_test
        source = runner._load_from or 'to resume from'
        report = check_weights(model, checkpoint, source=source, strict=strict)
        if not report.fits:
            runner.logger.warning(f'Checkpoint {source}: {report}')
        if _is_packed(checkpoint.get('message_hub')):
            checkpoint['message_hub'] = unpack_message_hub(checkpoint['message_hub'])
        saved = checkpoint.get('meta', {}).get('precision')
        if training and runner._resume and saved and hasattr(runner.optim_wrapper, 'precision'):
            runner.optim_wrapper.keep_precision(saved)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict[str, Any]) -> None:
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
        if not is_main_process():
            return
        pointer = os.path.join(runner.work_dir, 'last_checkpoint')
        write_atomically(self.last_ckpt.encode(), pointer)
        if outdated is not None and self.file_backend.isfile(outdated):
            self.file_backend.remove(outdated)

    def _keep(self, runner: Runner, step: int) -> str | None:
        """Register the checkpoint of ``step``; return the path of the one to remove."""
        if self.max_keep_ckpts <= 0 or (self.keep_ckpt_ids and self.keep_ckpt_ids[-1] == step):
            return None
        outdated = None
        if len(self.keep_ckpt_ids) == self.max_keep_ckpts:
            filename = self.filename_tmpl.format(self.keep_ckpt_ids.popleft())
            outdated = self.file_backend.join_path(self.out_dir, filename)
        self.keep_ckpt_ids.append(step)
        runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))
        return outdated


def shell_safe(key: str) -> str:
    """Return ``key`` without characters that shells interpret; MMEngine itself replaces ``/``."""
    return re.sub(r'[^\w./-]', '', key)


def _is_packed(message_hub: Mapping[str, Any] | None) -> bool:
    return message_hub is not None and all(
        isinstance(history, Mapping) for history in message_hub['log_scalars'].values()
    )
