"""The command line that tools share which run a model on some videos."""

import json
from pathlib import Path

import pytest

from r2vos_mm.apis.model_tools import model_of, model_parser, write_figures
from r2vos_mm.engine.launch import UsageError


def test_arguments() -> None:
    args = model_parser('What it does.').parse_args(
        ['config.py', 'model.pth', '--num-videos', '3', '--cfg-options', 'a.b=1']
    )
    assert (args.config, args.checkpoint, args.num_videos) == ('config.py', 'model.pth', 3)
    assert args.cfg_options == {'a.b': 1}
    assert (args.device, args.precision, args.out) == ('auto', None, None)


@pytest.mark.parametrize(
    ('options', 'message'),
    [(['--num-videos', '0'], '--num-videos is at least 1'), ([], 'no-such-config.py')],
)
def test_mistakes_are_named(options: list[str], message: str) -> None:
    args = model_parser('').parse_args(['no-such-config.py', 'no-such-model.pth', *options])
    with pytest.raises(UsageError, match=message):
        model_of(args)


def test_figures_make_their_folder(tmp_path: Path) -> None:
    path = tmp_path / 'new' / 'figures.json'
    write_figures(path, dict(J=1.5))
    assert json.loads(path.read_text()) == dict(J=1.5)
    write_figures(None, dict(J=1.5))
    assert list(tmp_path.iterdir()) == [path.parent]
