"""Measure clips per second of a training pipeline, and the memory of its workers.

``python tools/analysis_tools/benchmark_dataloader.py configs/r2vos_r50.py`` times the
``train_dataloader`` of a config in one worker, and a baseline that loads clips as in most methods
(:class:`UsualPipeline`). Both load the same items alternately, so other load on the machine affects
both. Times are CPU times. ``--frame-size 1280 720`` first writes the frames of ``--videos`` videos
at that size to a temporary folder.

``--memory`` measures the memory of 4 workers with a data set of the size of MeViS: an index of
1,662 synthetic videos with 23,051 expressions and masks of 6,770 objects, from which each worker
draws items.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from PIL import Image

from r2vos_mm.utils.cli import (
    UsageError,
    add_cfg_options,
    cfg_options,
    check_outputs,
    parser_of,
    short_errors,
)
from r2vos_mm.utils.files import write_json
from r2vos_mm.utils.processes import map_in_processes, one_opencv_thread

if TYPE_CHECKING:
    from mmengine.config import Config
    from torch import Tensor

    from r2vos_mm.datasets import BaseReferringDataset

SHORT_SIDES = (288, 320, 352, 392, 416, 448, 480, 512)
CROP_SHORT_SIDES = (400, 500, 600)
CROP_RANGE = (384, 600)
MAX_LONG_SIDE = 640
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# MeViS: Ding et al., ICCV 2023. Frames per video: its 443k masks by its 8,171 objects, rounded up.
MEVIS_VIDEOS, MEVIS_SENTENCES, MEVIS_OBJECTS, MEVIS_FRAMES = 1662, 23051, 6770, 60
MEVIS_CODE_BYTES = 400
_MIB = 1 << 20


class UsualPipeline:
    """Load a clip with one expression as most methods do.

    Frames are decoded, flipped and resized by Pillow at full size, with colour augmentation before
    the resize. Each mask is a float map of the size of the frame, and frames are normalized. The
    augmentation has the same distribution as in the base config of Refer-YouTube-VOS: flip with
    probability 1/2, colours, and either a resize to a short side of 288-512 (long side at most 640)
    or a resize to 400-600, a crop of 384-600 and that resize.
    """

    def __call__(self, results: dict) -> dict:
        """Return ``inputs`` (T, 3, H, W) float32 and ``data_samples`` with the first pair."""
        import torch
        from mmengine.structures import InstanceData

        from r2vos_mm.structures import ReferringDataSample

        obj_id = int(results['clip'][0].pairs[0].obj_id)
        frames = [Image.open(path).convert('RGB') for path in results['img_path']]
        masks = [np.asarray(Image.open(file.path)) == obj_id for file in results['target_masks']]
        masks = torch.stack([torch.from_numpy(mask.astype(np.float32)) for mask in masks])
        if random.random() < 0.5:
            frames = [frame.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for frame in frames]
            masks = masks.flip(-1)
        draws = _ColourDraws.draw()
        frames = [_change_colours(frame, draws) for frame in frames]
        if random.random() < 0.5:
            frames, masks = self._resize(frames, masks, random.choice(CROP_SHORT_SIDES), None)
            frames, masks = self._crop(frames, masks)
        frames, masks = self._resize(frames, masks, random.choice(SHORT_SIDES), MAX_LONG_SIDE)
        sample = ReferringDataSample()
        valid = masks.flatten(1).any(1)
        boxes = torch.stack([_box_of(mask) for mask in masks])
        sample.gt_pairs = InstanceData(masks=masks[None], boxes=boxes[None], valid=valid[None])
        return dict(
            inputs=torch.stack([_to_tensor(frame) for frame in frames]), data_samples=sample
        )

    @staticmethod
    def _resize(
        frames: list[Image.Image], masks: Tensor, short: int, long: int | None
    ) -> tuple[list[Image.Image], Tensor]:
        """Resize frames and masks (T, H, W) to a short side, with a limited long side."""
        from torch.nn.functional import interpolate

        width, height = frames[0].size
        ratio = short / min(width, height)
        if long is not None:
            ratio = min(ratio, long / max(width, height))
        size = (round(width * ratio), round(height * ratio))
        return (
            [frame.resize(size, Image.Resampling.BILINEAR) for frame in frames],
            interpolate(masks[:, None], size[::-1], mode='nearest')[:, 0],
        )

    @staticmethod
    def _crop(frames: list[Image.Image], masks: Tensor) -> tuple[list[Image.Image], Tensor]:
        """Crop the same random part of frames and masks."""
        width, height = frames[0].size
        w, h = (
            random.randint(min(CROP_RANGE[0], side), min(CROP_RANGE[1], side))
            for side in (width, height)
        )
        x, y = random.randint(0, width - w), random.randint(0, height - h)
        return (
            [frame.crop((x, y, x + w, y + h)) for frame in frames],
            masks[:, y : y + h, x : x + w],
        )


@dataclass(frozen=True)
class _ColourDraws:
    """Parameters of the colour augmentation; None disables one."""

    brightness: float | None
    contrast: float | None
    contrast_first: bool
    saturation: float | None
    hue: float | None

    @classmethod
    def draw(cls) -> _ColourDraws:
        def maybe(low: float, high: float) -> float | None:
            return random.uniform(low, high) if random.random() < 0.5 else None

        return cls(
            maybe(-32, 32), maybe(0.5, 1.5), random.random() < 0.5, maybe(0.5, 1.5), maybe(-18, 18)
        )


def _change_colours(frame: Image.Image, draws: _ColourDraws) -> Image.Image:
    """Change brightness, contrast, saturation and hue of one frame, in float arithmetic."""
    pixels = np.asarray(frame).astype(np.float32)
    if draws.brightness is not None:
        pixels += draws.brightness
    if draws.contrast is not None and draws.contrast_first:
        pixels *= draws.contrast
    pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV)
    if draws.saturation is not None:
        pixels[..., 1] = np.minimum(pixels[..., 1] * draws.saturation, 1)
    if draws.hue is not None:
        pixels[..., 0] = (pixels[..., 0] + draws.hue) % 360
    pixels = cv2.cvtColor(pixels, cv2.COLOR_HSV2RGB)
    if draws.contrast is not None and not draws.contrast_first:
        pixels *= draws.contrast
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _box_of(mask: Tensor) -> Tensor:
    """Return (x1, y1, x2, y2) around a mask (H, W), zeros if it is empty."""
    import torch

    rows, columns = mask.any(1).nonzero(), mask.any(0).nonzero()
    if not len(rows):
        return torch.zeros(4)
    return torch.stack([columns[0, 0], rows[0, 0], columns[-1, 0], rows[-1, 0]]).float()


def _to_tensor(frame: Image.Image) -> Tensor:
    """Return a normalized float32 tensor (3, H, W)."""
    import torch

    pixels = torch.from_numpy(np.array(frame)).permute(2, 0, 1).contiguous().float().div(255)
    return (pixels - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


@dataclass(frozen=True)
class Speed:
    """Clips per second of a worker on its own core.

    Attributes:
        clips_per_second: of the config's pipeline.
        usual_clips_per_second: of :class:`UsualPipeline`.
        ratio: the first divided by the second, median over the rounds.
        ratio_range: the smallest and largest ratio of a round.
        pairs_per_clip: expressions per clip; the usual pipeline has one.
    """

    clips_per_second: float
    usual_clips_per_second: float
    ratio: float
    ratio_range: tuple[float, float]
    pairs_per_clip: float


def measure_speed(loader: Config, *, items: int, rounds: int) -> Speed:
    """Time both pipelines alternately on the same random items.

    Args:
        loader: ``train_dataloader`` of a config.
        items: items per round.
        rounds: number of rounds.
    """
    from r2vos_mm.registry import DATASETS

    ours: BaseReferringDataset = DATASETS.build(loader.dataset)
    usual: BaseReferringDataset = DATASETS.build({**loader.dataset, 'pipeline': [UsualPipeline()]})
    rng = np.random.default_rng(0)
    times = np.zeros((rounds, 2))
    pairs = []
    with _one_thread():
        for dataset in (ours, usual):
            dataset[0]
        for row in times:
            for index in rng.choice(len(ours), items, replace=len(ours) < items).tolist():
                for column, dataset in enumerate((ours, usual)):
                    start = time.process_time()
                    item = dataset[index]
                    row[column] += time.process_time() - start
                    if dataset is ours:
                        pairs.append(len(item['data_samples'].gt_pairs))
    ratios = times[:, 1] / times[:, 0]
    clips = items / np.median(times, axis=0)
    return Speed(
        *clips.tolist(),
        float(np.median(ratios)),
        (float(ratios.min()), float(ratios.max())),
        statistics.mean(pairs),
    )


@contextmanager
def _one_thread() -> Iterator[None]:
    """Use one thread in PyTorch and OpenCV, as in a worker."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with one_opencv_thread():
            yield
    finally:
        torch.set_num_threads(threads)


def write_resized(source: Path, target: Path, *, size: tuple[int, int], videos: int) -> None:
    """Write the first videos of a data set in the layout of Refer-YouTube-VOS at another size.

    Args:
        source: root folder of the data set; the split is ``train``.
        target: folder to fill.
        size: (width, height).
        videos: number of videos.

    Raises:
        FileNotFoundError: The data set has no expressions file.
    """
    name = 'meta_expressions/train/meta_expressions.json'
    listed = json.loads((source / name).read_text(encoding='utf-8'))['videos']
    kept = {video: listed[video] for video in sorted(listed)[:videos]}
    write_json(target / name, dict(videos=kept))
    (target / 'train').mkdir()
    if (source / 'train/meta.json').is_file():
        shutil.copy(source / 'train/meta.json', target / 'train/meta.json')
    for video, entry in kept.items():
        for frame in entry['frames']:
            for part, method in (
                (f'JPEGImages/{video}/{frame}.jpg', Image.Resampling.BICUBIC),
                (f'Annotations/{video}/{frame}.png', Image.Resampling.NEAREST),
            ):
                path = target / 'train' / part
                path.parent.mkdir(parents=True, exist_ok=True)
                with Image.open(source / 'train' / part) as image:
                    image.resize(size, method).save(path, quality=95)


@dataclass(frozen=True)
class Memory:
    """Memory of a process in MiB.

    Attributes:
        private: memory of this process alone (USS).
        share: ``private`` and its part of the memory that several processes share (PSS). The sum
            over all processes is the memory that they need together.
    """

    private: float
    share: float

    @classmethod
    def of_this_process(cls) -> Memory:
        """Read the memory of this process (Linux only).

        Raises:
            UsageError: the system is not Linux.
        """
        path = Path('/proc/self/smaps_rollup')
        if not path.is_file():
            raise UsageError(f'{path} does not exist: --memory requires Linux')
        rows = {
            words[0]: int(words[1])
            for words in map(str.split, path.read_text().splitlines())
            if words[-1] == 'kB'
        }
        private = sum(size for name, size in rows.items() if name.startswith('Private_'))
        return cls(private / 1024, rows['Pss:'] / 1024)


@dataclass(frozen=True)
class WorkerMemory:
    """Memory of workers.

    Attributes:
        read_mib: growth of the first process by reading the data set.
        first: of each worker before it has drawn an item.
        last: of each worker after it has drawn its items.
        total_share: of all workers and the first process at the end, MiB.
    """

    read_mib: float
    first: tuple[Memory, ...]
    last: tuple[Memory, ...]
    total_share: float


def measure_memory(*, workers: int, items: int, videos: int = MEVIS_VIDEOS) -> WorkerMemory:
    """Read a synthetic data set of the size of MeViS and draw ``items`` in each forked worker."""
    from r2vos_mm.registry import DATASETS

    with tempfile.TemporaryDirectory() as folder:
        write_made_up_mevis(Path(folder), videos=videos)
        before = Memory.of_this_process()
        dataset = DATASETS.build(
            dict(
                type='MeViSDataset',
                data_root=folder,
                split='train',
                positives_per_clip=3,
                negatives=dict(type='TrainNegatives', per_clip=3, shares=dict(other_video=1.0)),
                pipeline=[_only_the_index],
            )
        )
    after = Memory.of_this_process()
    barrier = multiprocessing.get_context('fork').Barrier(workers)
    draw = partial(_draw, dataset=dataset, barrier=barrier, items=items)
    pairs, total = [], 0.0
    for pair in map_in_processes(draw, range(workers), workers=workers, name='worker {}'.format):
        pairs.append(pair)
        # While the workers still live: afterwards, shared memory is private.
        total = Memory.of_this_process().share + sum(last.share for _, last in pairs)
    return WorkerMemory(
        after.private - before.private,
        tuple(first for first, _ in pairs),
        tuple(last for _, last in pairs),
        total,
    )


def _draw(
    seed: int, *, dataset: BaseReferringDataset, barrier: Any, items: int
) -> tuple[Memory, Memory]:
    """Draw random items in a worker; return its memory before and after."""
    barrier.wait()
    first = Memory.of_this_process()
    for index in np.random.default_rng(seed).integers(len(dataset), size=items).tolist():
        dataset[index]
    barrier.wait()
    last = Memory.of_this_process()
    # Workers end after all are measured, because shared memory becomes private when others end.
    barrier.wait()
    return first, last


def _only_the_index(results: dict) -> dict:
    """Read no files, only the index of frames, expressions and masks."""
    import torch
    from mmengine.structures import InstanceData

    from r2vos_mm.structures import ReferringDataSample

    count = len(results['clip'][0].pairs)
    sample = ReferringDataSample()
    sample.gt_pairs = InstanceData(valid=torch.ones(count, len(results['clip'])))
    return dict(inputs=(), data_samples=sample)


def write_made_up_mevis(root: Path, *, videos: int) -> None:
    """Write the annotation files of a training split with as many entries per video as MeViS.

    All videos share the same empty frame files, and the mask codes have the usual length but no
    content.
    """
    frames = [f'{i:05d}' for i in range(MEVIS_FRAMES)]
    images = root / 'train/JPEGImages'
    images.mkdir(parents=True)
    (root / 'frames').mkdir()
    for frame in frames:
        (root / 'frames' / f'{frame}.jpg').touch()
    objects = max(1, round(MEVIS_OBJECTS / MEVIS_VIDEOS))
    entries, masks = {}, {}
    for video in range(videos):
        name = f'{video:012x}'
        (images / name).symlink_to(root / 'frames')
        annotations = [video * objects + i for i in range(objects)]
        entries[name] = dict(
            vid_id=video,
            frames=frames,
            expressions={
                str(i): dict(
                    exp=f'thing {video} that moves to the left for the time {i}',
                    obj_id=[i % objects],
                    anno_id=[annotations[i % objects]],
                )
                for i in range(round(MEVIS_SENTENCES / MEVIS_VIDEOS))
            },
        )
        for anno_id in annotations:
            masks[str(anno_id)] = [
                dict(size=[1080, 1920], counts=f'{anno_id:06d}{frame}'.ljust(MEVIS_CODE_BYTES, 'a'))
                for frame in frames
            ]
    (root / 'train/meta_expressions.json').write_text(json.dumps(dict(videos=entries)))
    (root / 'train/mask_dict.json').write_text(json.dumps(masks))


def speed_table(speed: Speed, name: str) -> str:
    """Format the speed as text."""
    low, high = speed.ratio_range
    return (
        f'{name}: {speed.clips_per_second:.1f} clips per second and worker, '
        f'{speed.pairs_per_clip:.1f} sentences a clip\n'
        f'usual way: {speed.usual_clips_per_second:.1f} clips per second and worker, '
        f'1 sentence a clip\n'
        f'{speed.ratio:.2f} times as many clips ({low:.2f} to {high:.2f} over the rounds)'
    )


def memory_table(memory: WorkerMemory) -> str:
    """Format the memory as text, one row per worker."""
    lines = [
        f'reading the index: {memory.read_mib:.0f} MiB',
        'worker  private at start  private at end  share at end  (MiB)',
    ]
    lines += [
        f'{i:>6}{first.private:>18.0f}{last.private:>16.0f}{last.share:>14.0f}'
        for i, (first, last) in enumerate(zip(memory.first, memory.last))
    ]
    return '\n'.join([*lines, f'all processes together: {memory.total_share:.0f} MiB'])


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = parser_of(__doc__)
    parser.add_argument('config', nargs='?', help='config file; not required with --memory')
    parser.add_argument(
        '--items',
        type=int,
        help='items per round, or per worker with --memory (default: 20, with --memory 2000)',
    )
    parser.add_argument('--rounds', type=int, default=5, help='default: %(default)s')
    parser.add_argument(
        '--frame-size',
        type=int,
        nargs=2,
        metavar=('WIDTH', 'HEIGHT'),
        help='time copies of the frames at this size',
    )
    parser.add_argument(
        '--videos',
        type=int,
        default=10,
        help='videos to copy with --frame-size (default: %(default)s)',
    )
    parser.add_argument('--memory', action='store_true', help='measure the memory of workers')
    parser.add_argument(
        '--workers', type=int, default=4, help='workers of --memory (default: %(default)s)'
    )
    parser.add_argument('--out', type=Path, help='also write the results to this JSON file')
    add_cfg_options(parser)
    return parser.parse_args(arguments)


def _speed_of(args: argparse.Namespace) -> Speed:
    """Time the config of the command line."""
    from r2vos_mm.engine import read_config

    if args.config is None:
        raise UsageError('specify a config, or use --memory')
    options = cfg_options(args.cfg_options)
    loader = read_config(args.config, options, needs=['train_dataloader']).train_dataloader
    with tempfile.TemporaryDirectory() as folder:
        if args.frame_size:
            write_resized(
                Path(loader.dataset.data_root),
                Path(folder),
                size=tuple(args.frame_size),
                videos=args.videos,
            )
            loader.dataset.update(data_root=folder, video_subset=None)
        return measure_speed(loader, items=args.items or 20, rounds=args.rounds)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    args = parse_args(arguments)
    with short_errors(args.debug):
        if min(args.items or 1, args.rounds, args.videos, args.workers) < 1:
            raise UsageError('--items, --rounds, --videos and --workers must be at least 1')
        check_outputs(args, 'out')

        from mmengine.registry import init_default_scope

        init_default_scope('r2vos_mm')
        if args.memory:
            result = measure_memory(workers=args.workers, items=args.items or 2000)
            print(memory_table(result))
        else:
            result = _speed_of(args)
            print(speed_table(result, Path(args.config).stem))
        if args.out:
            write_json(args.out, asdict(result))


if __name__ == '__main__':
    main()
