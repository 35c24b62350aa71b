"""Find what sentences name in a video, with the verdict whether it is there at all.

``python tools/demo.py clip.mp4 "a red ball" "the dog on the left" --out-dir out`` writes, under
``out/``:

    overlay.mp4                 the video with a cell a sentence
    masks/<n>_<sentence>/*.png  one mask a frame, 255 = object, empty where the verdict is no
    result.json                 verdicts, consensus, scores and boxes

VIDEO is a video file or a folder of images.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from mmengine.config import DictAction
from mmengine.utils import ProgressBar
from rich.console import Console
from rich.table import Table

from r2vos_mm.apis import FrameSource, VideoSegmentation, init_model, open_frames, segment_video
from r2vos_mm.apis.inference import PRECISIONS, checked_sentences
from r2vos_mm.datasets import DataFileError
from r2vos_mm.engine.launch import UsageError, existing_file, short_errors
from r2vos_mm.visualization import Style, video_grid, write_video

_ROOT = Path(__file__).resolve().parents[1]
_CONFIG = _ROOT / 'configs' / 'r2vos_tiny_refshapes.py'
_CHECKPOINT = _ROOT / 'configs' / 'checkpoints' / 'r2vos_tiny_refshapes.pth'
_DEFAULT_FPS = 6.0


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Command line of this tool."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('video', help='video file or folder of images')
    parser.add_argument('sentences', nargs='+', metavar='sentence', help='what to look for')
    parser.add_argument('--config', default=str(_CONFIG), help='(default: %(default)s)')
    parser.add_argument(
        '--checkpoint', help='(default: the one that comes with the default config)'
    )
    parser.add_argument('--out-dir', type=Path, help='(default: work_dirs/demo/<video>)')
    parser.add_argument(
        '--window',
        type=int,
        help='frames that go through the model together; fewer need less memory',
    )
    parser.add_argument('--device', default='auto', help='cpu, cuda, cuda:1 (default: %(default)s)')
    parser.add_argument('--precision', choices=PRECISIONS, help='(default: as the config tests)')
    parser.add_argument(
        '--fps',
        type=float,
        help=f"frames a second of the overlay (default: the video's, or {_DEFAULT_FPS:g})",
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        help='settings that override the config, as key=value',
    )
    args = parser.parse_args(arguments)
    if args.checkpoint is None and Path(args.config).resolve() != _CONFIG:
        parser.error('--config needs the --checkpoint that was trained with it')
    return args


def checked_input(args: argparse.Namespace) -> FrameSource:
    """The frames, after a look at video, sentences and window.

    Raises:
        UsageError, FileNotFoundError: one of them cannot be used.
    """
    if args.window is not None and args.window < 1:
        raise UsageError(f'--window is at least 1 frame, got {args.window}')
    try:
        checked_sentences(args.sentences)
        return open_frames(args.video)
    except (DataFileError, ValueError) as error:
        raise UsageError(str(error)) from error


def write_masks(result: VideoSegmentation, folder: Path) -> list[Path]:
    """One folder a sentence with one PNG a frame, 255 = object; gives the P folders."""
    folders = []
    for position, sentence in enumerate(result.sentences):
        target = folder / f'{position}_{slug(sentence)}'
        target.mkdir(parents=True, exist_ok=True)
        for name, mask in zip(result.frame_names, result.masks[position]):
            _, content = cv2.imencode('.png', mask.astype(np.uint8) * 255)
            (target / f'{name}.png').write_bytes(content.tobytes())
        folders.append(target)
    return folders


def slug(sentence: str) -> str:
    """A short file name for a sentence.

    >>> slug('the dog, left of the bus')
    'the_dog_left_of_the_bus'
    """
    return re.sub(r'\W+', '_', sentence).strip('_')[:48]


def as_record(result: VideoSegmentation, mask_folders: Sequence[str]) -> dict:
    """What ``result.json`` holds: everything but the masks, which it points to."""
    return dict(
        video=result.video,
        size=list(result.masks.shape[-2:]),
        frames=result.frame_names,
        gate_threshold=result.gate_threshold,
        sentences=[
            dict(
                sentence=sentence,
                found=bool(result.found[p]),
                consensus=_rounded(result.consensus[p]) if result.judged else None,
                score=_rounded(result.scores[p].mean()),
                scores=_rounded(result.scores[p]),
                boxes=_rounded(result.boxes[p], 2),
                masks=mask_folders[p],
            )
            for p, sentence in enumerate(result.sentences)
        ],
    )


def _rounded(values: np.ndarray | np.floating, digits: int = 4) -> float | list:
    return np.asarray(values, np.float64).round(digits).tolist()


def summary(result: VideoSegmentation) -> Table:
    """A row a sentence: verdict, consensus, mean score, share of frames with a mask."""
    table = Table('sentence', 'verdict', 'consensus', 'score', 'frames with mask')
    for p, sentence in enumerate(result.sentences):
        verdict = 'in the video' if result.found[p] else 'not in the video'
        frames = int(result.masks[p].any((-2, -1)).sum())
        table.add_row(
            sentence,
            verdict if result.judged else '-',
            f'{result.consensus[p]:.2f}' if result.judged else '-',
            f'{result.scores[p].mean():.2f}',
            f'{frames} of {len(result.frame_names)}',
        )
    return table


def progress_bar(num_frames: int) -> Callable[[int, int], None]:
    """A bar on the terminal, as the ``on_progress`` of :func:`segment_video`."""
    bar = ProgressBar(num_frames, file=sys.stderr)
    return lambda done, total: bar.update(done - bar.completed)


def write_all(
    result: VideoSegmentation, source: FrameSource, folder: Path, *, fps: float | None
) -> None:
    """Write overlay, masks and JSON into ``folder``."""
    masks = write_masks(result, folder / 'masks')
    record = as_record(result, [str(path.relative_to(folder)) for path in masks])
    (folder / 'result.json').write_text(json.dumps(record) + '\n')
    grid = video_grid(
        source, result.views(), title=result.video, frame_ids=result.frame_names, style=Style()
    )
    write_video(folder / 'overlay.mp4', grid, fps=fps or result.fps or _DEFAULT_FPS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Segment as the command line says."""
    args = parse_args(arguments)
    with short_errors():
        config = existing_file(args.config, what='Config')
        checkpoint = existing_file(args.checkpoint or str(_CHECKPOINT), what='Checkpoint')
        source = checked_input(args)
        model = init_model(config, checkpoint, device=args.device, cfg_options=args.cfg_options)
        try:
            result = segment_video(
                model,
                source,
                args.sentences,
                window=args.window,
                precision=args.precision,
                on_progress=progress_bar(len(source)),
            )
        except DataFileError as error:
            raise UsageError(str(error)) from error
        folder = args.out_dir or Path('work_dirs', 'demo', source.title)
        write_all(result, source, folder, fps=args.fps)
        console = Console(width=None if Console().is_terminal else 120)
        console.print()
        console.print(summary(result))
        print(f'{folder}: overlay.mp4, masks/, result.json')


if __name__ == '__main__':
    main()
