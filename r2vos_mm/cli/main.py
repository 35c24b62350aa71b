"""Find and run the sub-command that a command line of ``r2vos`` names."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from r2vos_mm.utils.cli import parser_of, short_errors
from r2vos_mm.version import __version__

from .command import Command, run_command

PROG = 'r2vos'
_SHELLS = ('bash', 'zsh', 'tcsh')
# Names of sub-commands, their modules in this folder, and what they do.
COMMANDS = {
    'predict': ('predict', 'segment what expressions describe in a video'),
    'serve': ('serve', 'open a web page to segment videos in a browser'),
    'stream': ('stream', 'segment a camera, network stream, pipe or video window by window'),
    'train': ('train', 'train a model'),
    'test': ('test', 'test a checkpoint'),
    'score': ('score', 'score masks on disk, or compare two methods'),
    'compare': ('compare', 'compare tested runs in an HTML report'),
    'gate': ('gate', 'gate the masks of any method by the verdict of a checkpoint'),
    'score submission': ('submission', 'check a submission before uploading it'),
    'export': ('export', 'export a model for torch.export or ONNX runtimes'),
    'models': ('models', 'list models with their results'),
    'check': ('check', 'show versions, precision, kernels and video readers'),
    'calibrate': ('calibrate', 'fit the temperature and threshold of a verdict'),
    'data prepare': ('data.prepare', 'unpack the official downloads of a data set'),
    'data check': ('data.check', 'check whether a data set is complete'),
    'data refshapes': ('data.refshapes', 'generate the synthetic data set RefShapes'),
    'data frames': ('data.frames', 'write the frames of video files'),
    'data meta': ('data.meta', 'write the annotations of your own videos from a table'),
    'data images': ('data.images', 'write referring expressions for annotated images'),
    'data lmdb': ('data.lmdb', 'pack the files of a data set into one LMDB database'),
    'data pairs': ('data.pairs', 'generate negative pairs to measure robustness'),
    'data veval': ('data.veval', 'convert between pairs files and SA-Co/VEval'),
    'data r2-davis': ('data.r2_davis', 'build R2-DAVIS, a benchmark of robustness'),
    'convert r2vos': ('convert.r2vos', 'convert checkpoints of the public R2-VOS code'),
    'convert referformer': ('convert.referformer', 'convert those of the public ReferFormer code'),
    'convert mttr': ('convert.mttr', 'convert those of the public MTTR code'),
    'convert initial': ('convert.initial', 'convert a ReferFormer to initial weights for R2-VOS'),
    'convert backbone': ('convert.backbone', 'convert an ImageNet checkpoint of a backbone'),
    'convert video-swin': ('convert.video_swin', 'convert a Kinetics checkpoint of a Video Swin'),
    'convert publish': ('convert.publish', 'reduce a training checkpoint for publication'),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``r2vos`` and return its exit status.

    Args:
        arguments: command line; by default that of the process.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    name = command_in(words)
    if name is None:
        with short_errors():
            return _explain(words)
    rest = words[len(name.split()) :]
    return run_command(module_of(name), rest, prog=f'{PROG} {name}')


def command_in(words: Sequence[str]) -> str | None:
    """Return the longest name of a sub-command that a command line begins with."""
    names = (' '.join(words[:count]) for count in (2, 1))
    return next((name for name in names if name in COMMANDS), None)


def module_of(name: str) -> Command:
    """Import the module of a sub-command."""
    return importlib.import_module(f'.{COMMANDS[name][0]}', __package__)


def _explain(words: Sequence[str]) -> int:
    """List the sub-commands for ``--help``; otherwise report that none of them is named."""
    group = next((f'{word} ' for word in words[:1] if _names(f'{word} ')), '')
    names = _names(group)
    width = max(map(len, names))
    lines = [f'  {name:{width}}  {COMMANDS[group + name][1]}' for name in names]
    parser = parser_of('\n'.join([f'Commands of {PROG} {group}'.rstrip() + ':', *lines]))
    parser.prog = f'{PROG} {group}'.rstrip()
    parser.epilog = f'{parser.prog} COMMAND --help explains a command.'
    parser.add_argument('--version', action='version', version=f'{PROG} {__version__}')
    if not group:
        parser.add_argument(
            '--print-completion',
            action=_PrintCompletion,
            choices=_SHELLS,
            help='print a script that lets a shell complete commands and options',
        )
    parser.add_argument('command', metavar='COMMAND', choices=list(names))
    parser.parse_args(words[bool(group) :])
    return 2


def _names(group: str) -> list[str]:
    return [name.removeprefix(group) for name in COMMANDS if name.startswith(group)]


class _PrintCompletion(argparse.Action):
    """Print the completion script of a shell, and exit."""

    def __call__(self, parser: argparse.ArgumentParser, *values: object) -> None:
        from .completion import completion_script

        commands = {name: module_of(name) for name in COMMANDS}
        print(completion_script(commands, prog=PROG, shell=str(values[1])))
        parser.exit()
