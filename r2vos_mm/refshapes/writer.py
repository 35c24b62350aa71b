"""Write RefShapes to disk in the layout of Refer-YouTube-VOS.

``<root>/<split>/{JPEGImages,Annotations}/<video>/``, ``<root>/<split>/meta.json``,
``<root>/meta_expressions/<split>/meta_expressions.json``, ``<root>/pairs/<split>.json``,
``<root>/worlds/<split>.json`` (the content of each video, for tests and analysis) and
``<root>/refshapes.json`` (parameters and counts; ``complete`` is set last).
"""

import hashlib
import itertools
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from rich.progress import track

from r2vos_mm.utils.files import read_json, write_json
from r2vos_mm.utils.masks_io import write_label_png
from r2vos_mm.utils.pairs_file import FORMAT as PAIRS_FORMAT
from r2vos_mm.utils.pairs_file import pairs_sha256
from r2vos_mm.utils.processes import map_in_processes

from .facts import Facts
from .grammar import Sentence
from .negatives import NEGATIVE_KINDS, draw_negatives
from .scene import Scene, SceneParams, build_scene

FORMAT = 'refshapes/1'
VERSION = '1.0'
FRAME_STEP = 5
JPEG_QUALITY = 95
MARK = 'refshapes.json'


@dataclass(frozen=True)
class RefShapesSummary:
    """Result of :func:`make_refshapes`; ``created`` is False if the data set existed already."""

    root: Path
    created: bool
    counts: dict[str, dict[str, Any]]


class _Record(NamedTuple):
    """What the main process needs of a video: everything but its pixels."""

    video: str
    world: dict[str, Any]
    expressions: tuple[tuple[int, Sentence], ...]
    facts: Facts


def _frame_names(length: int) -> list[str]:
    """Return every fifth number, as in Refer-YouTube-VOS."""
    return [f'{FRAME_STEP * frame:05d}' for frame in range(length)]


def _video_ids(seed: int, split: str, count: int) -> list[str]:
    """Return different ids of 10 hex digits; a longer list starts with the shorter one."""
    ids: dict[str, None] = {}
    for index in range(count):
        texts = (f'refshapes|{seed}|{split}|{index}|{salt}' for salt in itertools.count())
        names = (hashlib.sha256(text.encode()).hexdigest()[:10] for text in texts)
        ids[next(name for name in names if name not in ids)] = None
    return list(ids)


def _write_pixels(scene: Scene, folder: Path, video: str) -> None:
    images = folder / 'JPEGImages' / video
    images.mkdir(parents=True)
    for name, frame, ids in zip(_frame_names(scene.world.length), scene.frames, scene.ids):
        # Full chroma resolution: at small sizes subsampling would smear the colours.
        Image.fromarray(frame).save(images / f'{name}.jpg', quality=JPEG_QUALITY, subsampling=0)
        write_label_png(ids, folder / 'Annotations' / video / f'{name}.png')


def _world_entry(scene: Scene) -> dict[str, Any]:
    """Return a video's entry in ``worlds``: lengths in pixels, one value per frame."""
    seen = scene.observation
    objects = {
        str(index + 1): item.attributes
        | dict(recipe=item.motion, radius=round(item.radius, 3), depth=item.depth)
        | dict(centres=np.round(item.path, 3).tolist(), visible=seen.visible[index].tolist())
        | dict(inside=np.round(seen.inside[index], 4).tolist())
        for index, item in enumerate(scene.world.objects)
    }
    overlap = {
        f'{i + 1}-{j + 1}': np.round(seen.overlap[i, j], 4).tolist()
        for i, j in itertools.combinations(range(len(objects)), 2)
        if seen.overlap[i, j].any()
    }
    expressions = {
        str(number): dict(obj_id=str(index + 1), kind=sentence.kind, exp=sentence.text())
        for number, (index, sentence) in enumerate(scene.expressions)
    }
    return dict(objects=objects, overlap=overlap, expressions=expressions)


def _make_video(
    job: tuple[int, str], *, params: SceneParams, seed: int, split: str, folder: Path
) -> _Record:
    """Build and write one video (runs in a worker)."""
    index, video = job
    scene = build_scene(params, seed=seed, split=split, index=index)
    _write_pixels(scene, folder, video)
    return _Record(video, _world_entry(scene), scene.expressions, scene.facts)


def _meta(record: _Record, names: list[str]) -> dict[str, Any]:
    """Return a video's entry in ``meta.json``; frames run from the first appearance to the end."""
    objects = {}
    for number, item in record.world['objects'].items():
        first = next(i for i, area in enumerate(item['visible']) if area)
        objects[number] = dict(category=item['shape'], frames=names[first:])
    return dict(objects=objects)


def _meta_expressions(record: _Record, names: list[str]) -> dict[str, Any]:
    listed = record.world['expressions'].items()
    expressions = {i: dict(exp=item['exp'], obj_id=item['obj_id']) for i, item in listed}
    return dict(expressions=expressions, frames=names)


def _pairs_of(
    record: _Record, facts: Mapping[str, Facts], seed: int, count: int
) -> Iterator[dict[str, Any]]:
    """Yield positive and negative pairs of a video's expressions; ranks run over all kinds."""
    video = record.video
    for number, (index, sentence) in enumerate(record.expressions):
        rows = [('p', 'positive', video, sentence.text(), 1, 0)]
        negatives = draw_negatives(sentence, f'{seed}|{video}|{number}', video, facts, count)
        rows += [(f'n{rank}', *negative, 0, rank) for rank, negative in enumerate(negatives)]
        for name, kind, shown, text, label, rank in rows:
            yield {
                'pair_id': f'{video}/{number}/{name}',
                'video': shown,
                'exp_video': video,
                'exp_id': str(number),
                'exp': text,
                'obj_id': str(index + 1),
                'category': record.world['objects'][str(index + 1)]['shape'],
                'label': label,
                'kind': kind,
                'rank': rank,
            }


def _count_pairs(pairs: list[dict[str, Any]], videos: int, wanted: int) -> dict[str, Any]:
    """Count pairs per kind, and those missing from ``wanted`` negatives per expression and kind."""
    kinds = Counter(pair['kind'] for pair in pairs)
    positive = kinds['positive']
    found = {kind: kinds[kind] for kind in NEGATIVE_KINDS}
    short = {kind: positive * wanted - count for kind, count in found.items()}
    negative = sum(found.values())
    return dict(positive=positive, negative=negative, kinds=found, short=short, videos=videos)


def _write_split(
    root: Path, split: str, records: list[_Record], params: Mapping[str, Any]
) -> dict[str, Any]:
    """Write all JSON files of a split; return its counts."""
    seed, wanted, length = (params[key] for key in ('seed', 'negatives_per_kind', 'length'))
    names = _frame_names(length)
    write = partial(write_json, indent=None)
    write(root / split / 'meta.json', dict(videos={r.video: _meta(r, names) for r in records}))
    path = root / 'meta_expressions' / split / 'meta_expressions.json'
    write(path, dict(videos={r.video: _meta_expressions(r, names) for r in records}))
    worlds = {record.video: record.world for record in records}
    head = dict(format=FORMAT, size=params['size'], length=length)
    write(root / 'worlds' / f'{split}.json', head | dict(videos=worlds))

    facts = {record.video: record.facts for record in records}
    pairs = [pair for record in records for pair in _pairs_of(record, facts, seed, wanted)]
    counts = _count_pairs(pairs, len(records), wanted)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    head = dict(format=PAIRS_FORMAT, name=f'refshapes-{split}-s{seed}-n{wanted}')
    head |= dict(params=dict(seed=seed, n_neg=wanted, generator=VERSION))
    head |= dict(source=dict(dataset='refshapes', split=split, expressions_sha256=sha256))
    content = head | dict(counts=counts, pairs_sha256=pairs_sha256(pairs), pairs=pairs)
    write(root / 'pairs' / f'{split}.json', content)

    kinds = Counter(sentence.kind for record in records for _, sentence in record.expressions)
    return {
        'videos': len(records),
        'objects': sum(len(world['objects']) for world in worlds.values()),
        'expressions': counts['positive'],
        'expression_kinds': dict(sorted(kinds.items())),
        'negatives': counts['kinds'],
        'short': counts['short'],
    }


def _clear(root: Path, splits: Mapping[str, int]) -> None:
    """Remove an earlier RefShapes set: only files that its own parameters name."""
    for split in splits:
        for path in (root / split, root / 'meta_expressions' / split):
            shutil.rmtree(path, ignore_errors=True)
        for folder in ('pairs', 'worlds'):
            (root / folder / f'{split}.json').unlink(missing_ok=True)
    (root / MARK).unlink(missing_ok=True)


def _finished_counts(root: Path, wanted: dict[str, Any], overwrite: bool) -> dict[str, Any] | None:
    """Return the counts of a finished set with the same parameters, None to generate it.

    Raises:
        FileExistsError: there is something else.
    """
    state = read_json(root / MARK) if (root / MARK).exists() else None
    known = state['params']['splits'] if state else {}
    for split in wanted['params']['splits']:
        if split not in known and (root / split).exists():
            raise FileExistsError(
                f'{root} holds {split}/, which no {MARK} lists: not a RefShapes '
                'set, so nothing there is touched; choose another folder'
            )
    if state is not None and not overwrite:
        if {key: state.get(key) for key in wanted} != wanted:
            raise FileExistsError(
                f'{root} holds RefShapes {state.get("version")} made with {state["params"]}, not '
                f'with {wanted["params"]}; choose another folder or overwrite it (overwrite=True, '
                '--overwrite)'
            )
        if state['complete']:
            return state['counts']
    _clear(root, known)
    return None


def make_refshapes(
    root: str | os.PathLike,
    *,
    splits: Mapping[str, int] | None = None,
    seed: int = 0,
    negatives_per_kind: int = 1,
    workers: int = 2,
    overwrite: bool = False,
    progress: bool = True,
    **scene_params: Any,
) -> RefShapesSummary:
    """Generate the RefShapes data set in the layout of Refer-YouTube-VOS.

    The files depend on the parameters only, to the byte, not on ``workers``. A finished set with
    the same parameters is kept, an interrupted one is generated again.

    Args:
        root: folder to write to, created if needed.
        splits: number of videos per split; by default 300 for 'train' and 60 for 'valid'.
        seed: non-negative integer; different splits share no video.
        negatives_per_kind: negative pairs wanted per sentence and kind.
        workers: processes; 1 works in this one.
        overwrite: replace a RefShapes set generated with other parameters.
        progress: show a progress bar.
        scene_params: size, length, num_objects and sentences_per_object, see
            :class:`.scene.SceneParams`.

    Raises:
        FileExistsError: ``root`` holds a set with other parameters, or other data.
        ValueError: a parameter is out of range.
    """
    root, splits = Path(root), dict(splits) if splits is not None else {'train': 300, 'valid': 60}
    scene = SceneParams(**scene_params)
    _check(splits, seed, negatives_per_kind)
    params = dict(splits=splits, seed=seed) | vars(scene)
    params |= dict(size=list(scene.size), num_objects=list(scene.num_objects))
    params |= dict(negatives_per_kind=negatives_per_kind)
    mark = dict(format=FORMAT, version=VERSION, params=params)
    counts = _finished_counts(root, mark, overwrite)
    if counts is not None:
        return RefShapesSummary(root, created=False, counts=counts)
    write_json(root / MARK, mark | dict(complete=False), indent=2)
    counts = {}
    for split, number in splits.items():
        jobs = list(enumerate(_video_ids(seed, split, number)))
        work = partial(_make_video, params=scene, seed=seed, split=split, folder=root / split)
        found = map_in_processes(work, jobs, workers=workers, name=itemgetter(1))
        bar = track(found, f'RefShapes {split}', total=number, disable=not progress)
        counts[split] = _write_split(root, split, list(bar), params)
    write_json(root / MARK, mark | dict(complete=True, counts=counts), indent=2)
    return RefShapesSummary(root, created=True, counts=counts)


def _check(splits: Mapping[str, int], seed: int, negatives_per_kind: int) -> None:
    if any(number < 1 or not split.isidentifier() for split, number in splits.items()):
        rule = 'every split needs a plain name and at least 1 video'
        raise ValueError(f'RefShapes splits {splits}: {rule}')
    if not splits or seed < 0 or negatives_per_kind < 0:
        raise ValueError(
            f'RefShapes splits {splits}, seed {seed}, negatives_per_kind {negatives_per_kind}: '
            'need a split, and no negative numbers'
        )
