"""What SafeCheckpointHook writes, keeps and refuses."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import Runner

from r2vos_mm.engine.hooks.checkpoint_hook import SafeCheckpointHook, shell_safe
from r2vos_mm.utils.checkpoint import read_checkpoint
from r2vos_mm.utils.cli import UsageError
from r2vos_mm.utils.state_dict import CheckpointMismatchError


@pytest.fixture
def trained(make_runner: Callable[..., Runner], tmp_path: Path) -> Path:
    """Folder of a finished run."""
    make_runner('trained').train()
    return tmp_path / 'trained'


def test_files(trained: Path) -> None:
    names = {path.name for path in trained.iterdir() if path.is_file()}
    kept = {name for name in names if name.startswith('iter_')}
    assert len(kept) == 2
    assert 'iter_12.pth' in kept
    best = [name for name in names if name.startswith('best_')]
    assert len(best) == 1
    assert best[0].startswith('best_JFR_iter_')
    assert not any(name.endswith('.tmp') for name in names)
    assert (trained / 'last_checkpoint').read_text() == str(trained / 'iter_12.pth')


def test_checkpoint_is_plain(trained: Path) -> None:
    checkpoint = torch.load(trained / 'iter_12.pth', weights_only=True)
    loss = checkpoint['message_hub']['log_scalars']['train/loss']
    assert loss['values'].shape == (12,)
    assert 'ToyModel' in checkpoint['meta']['cfg']
    assert checkpoint['meta']['iter'] == 12


def test_best_checkpoint_has_no_optimizer(trained: Path) -> None:
    best = next(trained.glob('best_*.pth'))
    assert not {'optimizer', 'random_states'} & read_checkpoint(best).keys()


def test_history_is_resumed(make_runner: Callable[..., Runner], trained: Path) -> None:
    runner = make_runner(
        'more', resume=True, load_from=str(trained / 'iter_12.pth'), **{'train_cfg.max_iters': 14}
    )
    runner.train()
    history = runner.message_hub.log_scalars['train/loss']
    assert isinstance(history, HistoryBuffer)
    assert len(history.data[0]) == 14


def test_kill_while_writing_leaves_the_old_file(
    make_runner: Callable[..., Runner], trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interruption before the last step of writing shows nothing of the new checkpoint."""
    before = {path.name: path.read_bytes() for path in trained.glob('*.pth')}

    def interrupted(source: object, target: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr('os.replace', interrupted)
    runner = make_runner('trained', resume=True, **{'train_cfg.max_iters': 15})
    with pytest.raises(KeyboardInterrupt):
        runner.train()
    assert {path.name: path.read_bytes() for path in trained.glob('*.pth')} == before
    assert (trained / 'last_checkpoint').read_text() == str(trained / 'iter_12.pth')


class Killed(BaseException):
    """Ends a run as a kill does."""


def kill(*args: object, **kwargs: object) -> None:
    raise Killed


@pytest.mark.parametrize('stage', ['before_val_iter', 'after_val_epoch'])
def test_a_validation_that_was_cut_off_is_repeated(
    make_runner: Callable[..., Runner],
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
) -> None:
    changes = {'train_cfg.val_interval': 12}
    runner = make_runner('cut', **changes)
    with monkeypatch.context() as patch:
        patch.setattr(f'mmengine.hooks.CheckpointHook.{stage}', kill)
        with pytest.raises(Killed):
            runner.train()
    folder = tmp_path / 'cut'
    assert (folder / 'iter_12.pth').is_file()
    assert not list(folder.glob('best_*'))
    make_runner('cut', resume=True, **changes).train()
    assert len(list(folder.glob('best_*'))) == 1
    runner = make_runner('cut', resume=True, **changes)
    monkeypatch.setattr(type(runner.val_loop), 'run', kill)
    runner.train()  # it is not repeated again


def test_the_old_best_is_kept_until_the_new_one_is_written(
    make_runner: Callable[..., Runner], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = make_runner()
    save = runner.save_checkpoint

    def full(folder: str, filename: str, *args: object, **kwargs: object) -> None:
        if list(Path(folder).glob('best_*')) and filename.startswith('best_'):
            raise Killed
        save(folder, filename, *args, **kwargs)

    monkeypatch.setattr(runner, 'save_checkpoint', full)
    with pytest.raises(Killed):
        runner.train()
    assert [path.name for path in (tmp_path / 'run').glob('best_*')] == ['best_JFR_iter_4.pth']


def test_a_copied_folder_leaves_the_original_alone(
    make_runner: Callable[..., Runner], tmp_path: Path
) -> None:
    """The checkpoint knows the path of the best one, which a better one replaces."""
    make_runner().train()
    original = {path.name for path in (tmp_path / 'run').glob('*.pth')}
    shutil.copytree(tmp_path / 'run', tmp_path / 'copy')
    checkpoint = str(tmp_path / 'copy' / 'iter_12.pth')
    changes = {'train_cfg.max_iters': 40, 'train_cfg.val_interval': 14}
    make_runner('copy', resume=True, load_from=checkpoint, **changes).train()
    assert {path.name for path in (tmp_path / 'run').glob('*.pth')} == original
    best = [path.name for path in (tmp_path / 'copy').glob('best_*')]
    assert len(best) == 1
    assert best[0] not in original


@pytest.mark.parametrize('lost', ['optimizer', 'message_hub'])
def test_weights_alone_are_not_resumed(
    make_runner: Callable[..., Runner], trained: Path, lost: str
) -> None:
    path = trained / 'iter_12.pth'
    checkpoint = read_checkpoint(path)
    del checkpoint[lost]
    torch.save(checkpoint, path)
    runner = make_runner('more', resume=True, load_from=str(path))
    with pytest.raises(UsageError, match=f'it has no {lost}: .*--cfg-options load_from='):
        runner.train()


def test_resuming_runs_no_config_of_the_checkpoint(
    make_runner: Callable[..., Runner], trained: Path, tmp_path: Path
) -> None:
    """MMEngine runs ``meta['config']``, which old versions wrote."""
    path = trained / 'iter_12.pth'
    checkpoint = read_checkpoint(path)
    checkpoint['meta']['config'] = f'import os\nos.mkdir({str(tmp_path / "harm")!r})'
    torch.save(checkpoint, path)
    make_runner('more', resume=True, load_from=str(path)).train()
    assert not (tmp_path / 'harm').exists()


@pytest.mark.parametrize('resume', [True, False])
def test_weights_of_another_model_are_refused(
    make_runner: Callable[..., Runner], trained: Path, resume: bool
) -> None:
    path = str(trained / 'iter_12.pth')
    runner = make_runner('other', load_from=path, resume=resume, **{'model.width': 5})
    with pytest.raises(CheckpointMismatchError, match=r'3 of another shape: layers.0.weight') as e:
        runner.train() if resume else runner.test()
    assert path in str(e.value)


def test_load_from_reports_and_goes_on(
    make_runner: Callable[..., Runner], trained: Path, tmp_path: Path
) -> None:
    path = str(trained / 'iter_12.pth')
    make_runner('tuned', load_from=path, **{'model.width': 5}).train()
    log = next((tmp_path / 'tuned').glob('*/*.log')).read_text()
    assert '1 weights fit; 3 of another shape' in log


def test_load_from_with_nothing_in_common_is_refused(
    make_runner: Callable[..., Runner], tmp_path: Path
) -> None:
    path = tmp_path / 'foreign.pth'
    torch.save({'state_dict': {'backbone.weight': torch.zeros(1)}}, path)
    with pytest.raises(CheckpointMismatchError, match='backbone.weight'):
        make_runner('tuned', load_from=str(path)).train()


def test_untrained_runner_tests_what_was_trained(
    make_runner: Callable[..., Runner], trained: Path
) -> None:
    best = next(trained.glob('best_*.pth'))
    score = read_checkpoint(best)['message_hub']['runtime_info']['best_score']
    assert make_runner('tested', load_from=str(best)).test()['J&F&R'] == pytest.approx(score)


def test_shell_safe() -> None:
    assert shell_safe('J&F&R') == 'JFR'
    assert shell_safe('refshapes/J&F') == 'refshapes/JF'
    assert shell_safe('R_frac') == 'R_frac'


def test_save_best_accepts_several_keys() -> None:
    hook = SafeCheckpointHook(save_best=['J&F', 'R'], rule='greater')
    assert hook.key_indicators == ['JF', 'R']
