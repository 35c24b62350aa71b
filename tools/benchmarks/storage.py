"""Measure how fast clips load from files, LMDB, zip, tar and S3, side by side.

``python tools/benchmarks/storage.py DATA_ROOT`` packs the files of a set in the layout of
Refer-YouTube-VOS into a temporary folder, and loads the same training clips (frames and masks, no
augmentation) from each storage in turn, so other load on the machine affects all. For S3, copy the
files to a folder and name it with ``--s3 s3://bucket/folder``; credentials and AWS_ENDPOINT_URL
come from the environment. Storages whose package is not installed are skipped.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from r2vos_mm.utils.cli import UsageError, check_outputs, parser_of, positive, short_errors
from r2vos_mm.utils.files import write_json

LOAD = [
    dict(
        type='TransformBroadcaster',
        transforms=[dict(type='LoadVideoFrame'), dict(type='LoadMasks')],
    ),
    dict(type='PackReferringInputs'),
]


@dataclass
class Speed:
    """What was measured of one storage.

    Attributes:
        opened_s: seconds to list the data set and to open the storage.
        clips_per_s: median over rounds, one process, by the clock on the wall.
        cpu_ms: CPU milliseconds of this process per clip, median over rounds.
    """

    opened_s: float
    clips_per_s: float = 0.0
    cpu_ms: float = 0.0
    rounds: list[tuple[float, float]] = field(default_factory=list)

    def finish(self) -> None:
        """Compute the medians."""
        self.clips_per_s = statistics.median(1 / wall for wall, _ in self.rounds)
        self.cpu_ms = statistics.median(1000 * cpu for _, cpu in self.rounds)


def storages(root: Path, folder: Path, s3: str | None) -> dict[str, tuple[str, Any]]:
    """Return {name: (data_root, backend_args)}; copies are written to ``folder``."""
    found: dict[str, tuple[str, Any]] = {'files': (str(root), None)}
    if importlib.util.find_spec('lmdb'):
        from r2vos_mm.data_prep.lmdb_files import write_lmdb

        write_lmdb(root, folder / 'set.lmdb', shown=False)
        found['lmdb'] = '', dict(backend='lmdb_files', db_path=str(folder / 'set.lmdb'))
    for kind in ('zip', 'tar'):
        path = shutil.make_archive(str(folder / 'set'), kind, root)
        found[kind] = '', dict(backend='archive', path=path)
    if s3 is not None:
        found['s3'] = s3, dict(backend='fsspec', protocol='s3')
    return found


def measure(
    places: dict[str, tuple[str, Any]], *, split: str, frames: int, clips: int, rounds: int
) -> dict[str, Speed]:
    """Load the same clips from each storage, in turn, ``rounds`` times.

    Raises:
        UsageError: two storages give different clips.
    """
    from r2vos_mm.registry import DATASETS

    sets, speeds, first = {}, {}, None
    config = dict(type='R2VOSDataset', split=split, clip_length=frames, pipeline=LOAD)
    for name, (data_root, backend_args) in places.items():
        own = dict(config, data_root=data_root, backend_args=backend_args)
        if not sets:
            DATASETS.build(own)  # imports
        start = time.perf_counter()
        sets[name] = DATASETS.build(own)
        speeds[name] = Speed(time.perf_counter() - start)
        inputs = sets[name][0]['inputs']
        first = inputs if first is None else first
        if not first.equal(inputs):
            raise UsageError(f'{name} and {next(iter(sets))} give different clips')
    for number in range(rounds):
        for name, dataset in sets.items():
            wall, cpu = time.perf_counter(), time.process_time()
            for index in range(clips):
                dataset[(number * clips + index) % len(dataset)]
            spent = time.perf_counter() - wall, time.process_time() - cpu
            speeds[name].rounds.append((spent[0] / clips, spent[1] / clips))
    for speed in speeds.values():
        speed.finish()
    return speeds


def table(speeds: dict[str, Speed], frames: int) -> str:
    """Return the numbers as lines of text."""
    lines = [f'{"":8}{"clips/s":>10}{"frames/s":>10}{"CPU ms/clip":>13}{"opened in s":>13}']
    for name, speed in speeds.items():
        rates = f'{speed.clips_per_s:>10.1f}{frames * speed.clips_per_s:>10.1f}'
        lines.append(f'{name:8}{rates}{speed.cpu_ms:>13.1f}{speed.opened_s:>13.2f}')
    return '\n'.join(lines)


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = parser_of(__doc__)
    parser.add_argument('data_root', type=Path, help='set in the layout of Refer-YouTube-VOS')
    parser.add_argument('--split', default='train', help='default: %(default)s')
    parser.add_argument('--s3', metavar='ADDRESS', help='the same files in an object store')
    count = positive(int)
    parser.add_argument('--frames', type=count, default=5, help='of a clip; default: %(default)s')
    parser.add_argument('--clips', type=count, default=40, help='per round; default: %(default)s')
    parser.add_argument('--rounds', type=count, default=5, help='default: %(default)s')
    parser.add_argument('--json', type=Path, help='write the numbers')
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the tool."""
    args = parse_args(arguments)
    with short_errors(args.debug), tempfile.TemporaryDirectory(prefix='r2vos_') as folder:
        check_outputs(args, 'json')
        if not args.data_root.is_dir():
            raise UsageError(f'{args.data_root} is not a folder')
        options = dict(split=args.split, frames=args.frames, clips=args.clips, rounds=args.rounds)
        speeds = measure(storages(args.data_root, Path(folder), args.s3), **options)
        print(table(speeds, args.frames))
        if args.json:
            write_json(args.json, {name: asdict(speed) for name, speed in speeds.items()})


if __name__ == '__main__':
    main()
