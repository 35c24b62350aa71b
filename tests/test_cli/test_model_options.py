"""The command line that tools share which run a model on some videos."""

import pytest

from r2vos_mm.cli.model_options import build_model, model_parser
from r2vos_mm.utils.cli import UsageError, cfg_options


def test_arguments() -> None:
    args = model_parser('What it does.').parse_args(
        ['config.py', 'model.pth', '--num-videos', '3', '--cfg-options', 'a.b=1']
    )
    assert (args.config, args.checkpoint, args.num_videos) == ('config.py', 'model.pth', 3)
    assert cfg_options(args.cfg_options) == {'a.b': 1}
    assert (args.device, args.precision, args.out) == ('auto', 'auto', None)


@pytest.mark.parametrize(
    ('options', 'message'),
    [(['--num-videos', '0'], '--num-videos is at least 1'), ([], 'no-such-config.py')],
)
def test_mistakes_are_named(options: list[str], message: str) -> None:
    args = model_parser('').parse_args(['no-such-config.py', 'no-such-model.pth', *options])
    with pytest.raises(UsageError, match=message):
        build_model(args)
