"""Lines of a training's first iterations and of evaluations."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from clocks import clock_like
from mmengine.runner import Runner

from r2vos_mm.engine.hooks import progress_logger_hook

LOGGER = {'default_hooks.logger.interval': 8}


def logged(folder: Path, kind: str) -> list[int]:
    """Iterations of which the log of a run has a line, such as ``Iter(train) [ 1/12]``."""
    log = next(folder.glob('*/*.log')).read_text()
    return [int(number) for number in re.findall(rf'Iter\({kind}\) \[ *(\d+)/\d+\] .*eta', log)]


def test_first_and_tenth_iteration_are_logged(
    make_runner: Callable[..., Runner], tmp_path: Path
) -> None:
    make_runner(**LOGGER).train()
    assert logged(tmp_path / 'run', 'train') == [1, 5, 8, 10]  # 5: the end of the data
    runner = make_runner('more', load_from=str(tmp_path / 'run' / 'iter_9.pth'), resume=True)
    runner.train()
    assert logged(tmp_path / 'more', 'train')[0] == 10


@pytest.mark.parametrize(('seconds_per_batch', 'expected'), [(4, [1, 4, 7, 10]), (1, [1])])
def test_evaluations_log_every_ten_seconds(
    make_runner: Callable[..., Runner],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    seconds_per_batch: int,
    expected: list[int],
) -> None:
    now = [100.0]

    def tick() -> float:
        now[0] += seconds_per_batch
        return now[0]

    monkeypatch.setattr(progress_logger_hook, 'time', clock_like(monotonic=tick))
    loader = {'test_dataloader.batch_size': 1, 'test_dataloader.dataset.size': 10}
    make_runner(**LOGGER, **loader).test()
    assert logged(tmp_path / 'run', 'test') == expected
