"""A scoring that was stopped continues with the videos that are left; its files are the same."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mask_sets
import pytest
from mask_sets import HALF, save
from scripts import TOOLS, load_script

from r2vos_mm.apis.scoring import mask_files as scoring

evaluate_masks = load_script('analysis_tools/evaluate_masks.py')


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    return tmp_path / 'cache' / 'r2vos_mm' / 'scoring'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    mask_sets.write_truth(tmp_path)
    mask_sets.write_predictions(tmp_path / 'predictions')
    return tmp_path


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the videos that are scored, as they are scored."""
    names: list[str] = []
    score = scoring._score_video

    def noted(task: scoring.VideoTask, **options: object) -> scoring.Outcome:
        names.append(task.video)
        return score(task, **options)

    monkeypatch.setattr(scoring, '_score_video', noted)
    return names


def command(root: Path, name: str, *options: str) -> list[str]:
    return [
        str(root / 'predictions'), str(root / 'Annotations'), '--processes', '1',
        '--expressions', str(root / 'meta_expressions.json'), *options,
        '--csv', str(root / f'{name}.csv'), '--json', str(root / f'{name}.json')]  # fmt: skip


def files(root: Path, name: str) -> tuple[bytes, bytes]:
    return (root / f'{name}.csv').read_bytes(), (root / f'{name}.json').read_bytes()


def stop_at(video: str, line: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the tool; it is stopped when it begins to score a video."""
    score = scoring._score_video

    def stopped(task: scoring.VideoTask, **options: object) -> scoring.Outcome:
        if task.video == video:
            raise KeyboardInterrupt
        return score(task, **options)

    with monkeypatch.context() as patch:
        patch.setattr(scoring, '_score_video', stopped)
        with pytest.raises(SystemExit) as end:
            evaluate_masks.main(line)
    assert end.value.code == 130


def test_only_the_rest_is_scored(
    root: Path,
    cache: Path,
    scored: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    evaluate_masks.main(command(root, 'unbroken'))
    assert scored == ['a', 'b']
    assert not list(cache.glob('*'))
    stop_at('b', command(root, 'first'), monkeypatch)
    assert len(list(cache.glob('*'))) == 1
    scored.clear()
    evaluate_masks.main(command(root, 'second'))
    assert scored == ['b']
    assert '1 of 2 videos were scored before this was stopped' in capsys.readouterr().out
    assert files(root, 'second') == files(root, 'unbroken')
    assert not list(cache.glob('*'))


def _other_prediction(root: Path) -> tuple[str, ...]:
    save(root / 'predictions' / 'a' / '0' / '00005.png', 255 * (1 - HALF))
    return ()


def _other_annotation(root: Path) -> tuple[str, ...]:
    save(root / 'Annotations' / 'a' / '00005.png', HALF)
    return ()


def _other_expression(root: Path) -> tuple[str, ...]:
    path = root / 'meta_expressions.json'
    path.write_text(path.read_text().replace('"right"', '"other"'))
    return ()


@pytest.mark.parametrize(
    'change',
    [_other_prediction, _other_annotation, _other_expression, lambda root: ('--threshold', '9')],
)
def test_what_has_changed_is_scored_again(
    root: Path,
    cache: Path,
    scored: list[str],
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Path], tuple[str, ...]],
) -> None:
    stop_at('b', command(root, 'first'), monkeypatch)
    options = change(root)
    scored.clear()
    evaluate_masks.main(command(root, 'second', *options))
    assert scored == ['a', 'b']
    evaluate_masks.main(command(root, 'unbroken', *options))
    assert files(root, 'second') == files(root, 'unbroken')


KILLED = """
import os, signal, sys
from r2vos_mm.apis.scoring.spool import ScoringSpool
sys.path.append({tools!r})
import evaluate_masks
add, added = ScoringSpool.add, []
def add_three(spool, outcome):
    add(spool, outcome)
    added.append(outcome)
    if len(added) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
ScoringSpool.add = add_three
evaluate_masks.main(sys.argv[1:])
"""


@pytest.mark.usefixtures('cache')
def test_killed(root: Path) -> None:
    """A process that is killed leaves a spool that the next one continues."""
    for number in range(6):
        for folder in ('Annotations', 'predictions'):
            shutil.copytree(root / folder / 'b', root / folder / f'c{number}')
    text = (root / 'meta_expressions.json').read_text()
    entry = text[text.index('"b": ') + 5 : text.rindex('}}')]
    more = ''.join(f', "c{number}": {entry}' for number in range(6))
    (root / 'meta_expressions.json').write_text(text[: text.rindex('}}')] + more + '}}')
    tools = TOOLS / 'analysis_tools'
    environment = {**os.environ, 'PYTHONPATH': str(TOOLS.parent)}
    killed = [sys.executable, '-c', KILLED.format(tools=str(tools)), *command(root, 'first')]
    process = subprocess.run(killed, env=environment, stdout=subprocess.DEVNULL)
    assert process.returncode == -signal.SIGKILL
    line = [sys.executable, str(tools / 'evaluate_masks.py')]
    again = [*line, *command(root, 'second')]
    result = subprocess.run(again, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert '3 of 8 videos were scored before this was stopped' in result.stdout
    evaluate_masks.main(command(root, 'unbroken'))
    assert files(root, 'second') == files(root, 'unbroken')
