"""Command lines with broken files and junk in options end with one line, never a traceback."""

import argparse
import contextlib
import io
import os
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest
from fuzzing import CASES, OUTCOMES, Hang, fuzz, time_limit
from hypothesis import given, settings
from hypothesis import strategies as st
from scripts import SCRIPTS, TOOLS

# They make what they work on, so that junk in their options does not end them early.
WITHOUT_INPUT = {
    'analysis_tools/benchmark_dataloader.py',
    'analysis_tools/benchmark_mask_predictors.py',
    'benchmarks/scaling.py',
    'dataset_converters/make_refshapes.py',
}
FILES = {
    'empty.json': b'', 'empty.py': b'', 'empty.csv': b'', 'text.pth': b'hello\n',
    'list.json': b'[1, 2]', 'broken.json': b'{"videos": ', 'deep.json': b'[' * 100_000,
    'wrong.py': b'model = 3\n', 'broken.py': b'model = dict(\n', 'base.py': b"_base_ = 'gone.py'\n",
    'circle.py': b"_base_ = './circle.py'\n",
    'tag.yaml': b'a: !!python/object/apply:os.getcwd []\n',
    'noise.mp4': bytes(range(256)) * 8, 'noise.png': b'\x89PNG\r\n\x1a\n' + bytes(64),
    'latin.csv': 'video,obj_id,exp\na,1,caf\xe9\n'.encode('latin-1'),
    'noise.zip': b'PK\x03\x04' * 9,
}  # fmt: skip
JUNK = ['', '-1', '0', 'nan', 'inf', '1e400', 'x', 'a=b', '\ud800', '[/]', '9' * 30, 'nonsense',
        'gone/away', '../..', 'model.nothing=1', "a.b='["]  # fmt: skip


class Parsed(BaseException):
    """Carries the parser of a tool."""


def parser_of(name: str) -> argparse.ArgumentParser:
    """Return the parser that a tool builds."""

    def give(self: argparse.ArgumentParser, *_: object, **__: object) -> None:
        raise Parsed(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, 'parse_args', give)
        patch.setattr('sys.argv', [name])
        patch.syspath_prepend((TOOLS / name).parent)
        try:
            runpy.run_path(str(TOOLS / name), run_name='__main__')
        except Parsed as parsed:
            return parsed.args[0]
    raise AssertionError(f'{name} builds no parser')


def number_of(action: argparse.Action) -> int:
    return action.nargs if isinstance(action.nargs, int) else int(action.nargs != 0)


@st.composite
def arguments(draw: st.DrawFn, parser: argparse.ArgumentParser) -> list[str]:
    """Draw a command line: every positional a broken file or junk, some options with junk."""
    words = st.sampled_from([*FILES, '.', 'gone.json'] + JUNK)
    files = st.sampled_from([*FILES, '.', 'gone.json'])
    line, options = [], [a for a in parser._actions if a.option_strings]
    options = [a for a in options if a.dest not in ('help', 'debug')]
    for action in parser._actions:
        if not action.option_strings:
            choices = st.sampled_from(sorted(map(str, action.choices))) if action.choices else files
            line += [draw(choices) for _ in range(number_of(action))]
    optional = [a for a in options if not a.required]
    chosen = draw(st.lists(st.sampled_from(optional), max_size=3, unique_by=id)) if optional else []
    for action in [a for a in options if a.required] + chosen:
        choices = st.sampled_from(sorted(map(str, action.choices))) if action.choices else words
        line += [action.option_strings[0], *(draw(choices) for _ in range(number_of(action)))]
    return line


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the broken files, as the current one."""
    root = tmp_path_factory.mktemp('commands')
    for name, data in FILES.items():
        (root / name).write_bytes(data)
    with contextlib.chdir(root) if hasattr(contextlib, 'chdir') else _chdir(root):
        yield root


@contextlib.contextmanager
def _chdir(root: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(root)
    try:
        yield
    finally:
        os.chdir(before)


def run(name: str, line: list[str]) -> tuple[int, str]:
    """Return the exit status and what is printed on stderr."""
    out, status = io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('sys.argv', [name, *line])
        patch.syspath_prepend((TOOLS / name).parent)
        with contextlib.redirect_stderr(out), contextlib.redirect_stdout(io.StringIO()):
            try:
                with time_limit(90):  # imports take long on a busy machine
                    runpy.run_path(str(TOOLS / name), run_name='__main__')
            except SystemExit as end:
                status = end.code
    if isinstance(status, str):  # as sys.exit does
        return 1, f'{out.getvalue()}error: {status}\n'
    return status or 0, out.getvalue()


@pytest.mark.parametrize('name', [name for name in SCRIPTS if name not in WITHOUT_INPUT])
def test_tool(folder: Path, name: str) -> None:
    parser = parser_of(name)

    @settings(fuzz, max_examples=max(3, CASES // 8))  # there are many tools
    @given(line=arguments(parser))
    def check(line: list[str]) -> None:
        try:
            status, text = run(name, line)
        except Hang:
            raise AssertionError(f'{name} {line} does not end') from None
        OUTCOMES['commands'] += 1
        assert status in (0, 1, 2), (line, status, text)
        assert 'Traceback' not in text, (line, text)
        errors = [row for row in text.splitlines() if 'error: ' in row]
        assert status == 0 or len(errors) <= 1, (line, text)

    check()
