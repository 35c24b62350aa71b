"""Keep the scores of finished videos, so that a scoring that was stopped continues."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any
from zipfile import ZipInfo

from r2vos_mm.evaluation.mask_files import FileGroundTruth, GroundTruth, MaskFiles, VideoTask
from r2vos_mm.evaluation.metrics.pair_scores import ObjectScores, PairScores
from r2vos_mm.utils.data_issues import DataFileError, Problem
from r2vos_mm.utils.formats.ref_davis17 import NUM_EXPRESSION_SETS

from .mask_files import PROBLEMS, Outcome


class ScoringSpool:
    """A file with a line per finished video: a hash of what its scores depend on, and the scores.

    The file is ``<user's cache>/r2vos_mm/scoring/<hash>.jsonl``. Without a folder for it nothing is
    kept.

    Args:
        predictions, truth: what is scored; it names the file.
        options: everything else that scores depend on.
        part: which part is scored; parts that are scored at the same time have one file each.
    """

    def __init__(
        self, predictions: MaskFiles, truth: GroundTruth, options: Any, *, part: str = ''
    ) -> None:
        self.predictions, self.truth, self.options = predictions, truth, options
        cache = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache')
        source = truth if isinstance(truth, FileGroundTruth) else truth.files
        where = str(predictions.path.resolve()), str(source.path.resolve())
        where += (part,) if part else ()
        self.path = cache / 'r2vos_mm' / 'scoring' / f'{_digest(where)[:16]}.jsonl'
        self._found, self._keys = self._read(), {}

    def split(self, tasks: Iterable[VideoTask]) -> tuple[list[Outcome], list[VideoTask]]:
        """Return the outcomes of finished videos whose files are unchanged, and the other tasks."""
        done, left = [], []
        for task in tasks:
            key = self._keys[task.video] = self._key(task)
            if key in self._found:
                done.append(_outcome(self._found[key]))
            else:
                left.append(task)
        return done, left

    def add(self, outcome: Outcome) -> None:
        """Keep the outcome of a video that :meth:`split` did not find."""
        key = self._keys[outcome.video]
        line = json.dumps([key, asdict(outcome)], default=lambda value: value.item())
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open('a', encoding='utf-8') as file:
                file.write(f'{line}\n')

    def remove(self) -> None:
        """Remove the file: all videos are scored."""
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)

    def _read(self) -> dict[str, dict[str, Any]]:
        found = {}
        with contextlib.suppress(OSError, ValueError, TypeError):  # the last line can be cut off
            for line in self.path.read_text(encoding='utf-8').splitlines():
                key, scores = json.loads(line)
                found[key] = scores
        return found

    def _key(self, task: VideoTask) -> str:
        folders = {task.video, *(pair.folder for pair in task.pairs)}
        folders |= {f'anno_{k}/{task.video}' for k in range(NUM_EXPRESSION_SETS)}
        files = [_stamps(self.predictions, folder) for folder in sorted(folders)]
        if isinstance(self.truth, FileGroundTruth):
            files.append([_stamp(self.truth.path)])
        else:
            folders = self.truth.folders(task)
            files += [_stamps(self.truth.files, folder) for folder in folders]
        return _digest((self.options, task, files))


def _digest(value: Any) -> str:
    return hashlib.sha256(repr(value).encode('utf-8', 'replace')).hexdigest()


def _stamps(masks: MaskFiles, folder: str) -> list[Any]:
    """Return names, sizes and times of the masks in a folder."""
    try:
        names = masks.names(folder)
    except (ValueError, DataFileError):
        return []
    # A zip or JSON counts as a whole; the time of a folder does not count.
    found = [masks.root, *(_stamp(masks.path) if masks.path.is_file() else ())]
    for frame, file in names.items():
        if isinstance(file, ZipInfo):
            found += [frame, file.CRC, file.file_size]
        elif isinstance(file, Path):
            found += [frame, *_stamp(file)]
    return found


def _stamp(path: Path) -> tuple[int, ...]:
    found = path.stat() if path.exists() else None
    return (found.st_size, found.st_mtime_ns) if found else ()


def _outcome(content: dict[str, Any]) -> Outcome:
    return Outcome(
        pairs=[_scores(PairScores, item) for item in content['pairs']],
        objects=[_scores(ObjectScores, item) for item in content['objects']],
        **{name: [Problem(**item) for item in content[name]] for name in PROBLEMS},
        video=content['video'],
    )


def _scores(kind: type, item: dict[str, Any]) -> Any:
    fields = {k: tuple(v) if isinstance(v, list) else v for k, v in item.items()}
    if fields['before_gate'] is not None:
        fields['before_gate'] = _scores(kind, fields['before_gate'])
    return kind(**fields)
