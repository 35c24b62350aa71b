"""Writes RefShapes to disk in the layout of Refer-YouTube-VOS.

``<root>/<split>/{JPEGImages,Annotations}/<video>/``, ``<root>/<split>/meta.json``,
``<root>/meta_expressions/<split>/meta_expressions.json``, ``<root>/pairs/<split>.json``,
``<root>/worlds/<split>.json`` (what is in every video, for tests and analysis) and
``<root>/refshapes.json`` (parameters and counts; written last as complete).
"""

import hashlib
import json
import multiprocessing
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.progress import track

from r2vos_mm.compat.opencv import one_opencv_thread
from r2vos_mm.datasets.refshapes_words import ATTRIBUTES
from r2vos_mm.utils.files import write_atomically
from r2vos_mm.utils.masks_io import write_label_png
from r2vos_mm.utils.pairs_file import FORMAT as PAIRS_FORMAT
from r2vos_mm.utils.pairs_file import pairs_sha256

from .facts import Facts
from .grammar import Sentence
from .negatives import attribute_negatives, other_videos, relation_negatives
from .scene import Scene, SceneParams, build_scene

FORMAT = 'refshapes/1'
VERSION = '1.0'
FRAME_STEP = 5
JPEG_QUALITY = 95
MARK = 'refshapes.json'


@dataclass(frozen=True)
class RefShapesSummary:
    """Outcome of :func:`make_refshapes`; ``created`` is False when the data was already there."""

    root: Path
    created: bool
    counts: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class _Record:
    """What the main process keeps of a video: all but its pixels."""

    video: str
    entry: dict[str, Any]
    expressions: tuple[tuple[int, Sentence], ...]
    facts: Facts


def frame_names(length: int) -> list[str]:
    """Names of the frames of a video: every fifth number, as in Refer-YouTube-VOS."""
    return [f'{FRAME_STEP * frame:05d}' for frame in range(length)]


def video_ids(seed: int, split: str, count: int) -> list[str]:
    """``count`` different ids of 10 hex digits; a longer list starts with the shorter one."""
    ids: dict[str, None] = {}
    for index in range(count):
        salt = 0
        while True:
            text = f'refshapes|{seed}|{split}|{index}|{salt}'
            name = hashlib.sha256(text.encode()).hexdigest()[:10]
            if name not in ids:
                break
            salt += 1
        ids[name] = None
    return list(ids)


def _dump(path: Path, content: Any, indent: int | None = None) -> bytes:
    """Write JSON and return its bytes."""
    data = (json.dumps(content, indent=indent) + '\n').encode()
    write_atomically(data, path)
    return data


def _publish(folder: Path, final: Path) -> None:
    """Move a finished folder to its name, replacing what an interrupted run left there."""
    if final.exists():
        shutil.rmtree(final)
    final.parent.mkdir(parents=True, exist_ok=True)
    os.replace(folder, final)


def _write_pixels(scene: Scene, folder: Path, video: str) -> None:
    names = frame_names(scene.world.length)
    for kind in ('Annotations', 'JPEGImages'):
        draft = folder / kind / f'.{video}.part'
        if draft.exists():
            shutil.rmtree(draft)
        draft.mkdir(parents=True)
        for name, image, ids in zip(names, scene.rendering.frames, scene.rendering.ids):
            if kind == 'JPEGImages':
                # Full chroma resolution: at small sizes subsampling would smear the colours.
                Image.fromarray(image).save(
                    draft / f'{name}.jpg', quality=JPEG_QUALITY, subsampling=0
                )
            else:
                write_label_png(ids, draft / f'{name}.png')
        _publish(draft, folder / kind / video)


def _object_entry(scene: Scene, index: int) -> dict[str, Any]:
    """An object's measurements as they are saved: lengths in pixels, one value per frame."""
    item = scene.world.objects[index]
    return {
        **{field: item.attribute(field) for field in ATTRIBUTES},
        'recipe': item.motion,
        'radius': round(item.radius, 3),
        'depth': item.depth,
        'centres': np.round(item.path, 3).tolist(),
        'visible': scene.rendering.visible[index].tolist(),
        'inside': np.round(scene.rendering.inside[index], 4).tolist(),
    }


def _world_entry(scene: Scene) -> dict[str, Any]:
    count = len(scene.world.objects)
    overlap = scene.rendering.overlap
    return {
        'objects': {str(index + 1): _object_entry(scene, index) for index in range(count)},
        'overlap': {
            f'{i + 1}-{j + 1}': np.round(overlap[i, j], 4).tolist()
            for i in range(count)
            for j in range(i + 1, count)
            if overlap[i, j].any()
        },
        'expressions': {
            str(number): {
                'obj_id': str(expression.index + 1),
                'kind': expression.sentence.kind,
                'exp': expression.sentence.text(),
            }
            for number, expression in enumerate(scene.expressions)
        },
    }


def _make_video(
    job: tuple[int, str], *, params: SceneParams, seed: int, split: str, folder: Path
) -> _Record:
    """Build and write one video (runs in a worker)."""
    index, video = job
    scene = build_scene(params, seed=seed, split=split, index=index)
    _write_pixels(scene, folder, video)
    return _Record(
        video=video,
        entry=_world_entry(scene),
        facts=scene.facts,
        expressions=tuple((item.index, item.sentence) for item in scene.expressions),
    )


def _records(jobs: list[tuple[int, str]], work: partial, workers: int) -> Iterator[_Record]:
    """Results in the order of ``jobs``, made in this process or in ``workers`` others."""
    if workers <= 1:
        yield from map(work, jobs)
        return
    # Forked workers start at once; a fresh interpreter would import the whole package first.
    method = 'fork' if 'fork' in multiprocessing.get_all_start_methods() else 'spawn'
    context = multiprocessing.get_context(method)
    with one_opencv_thread(), ProcessPoolExecutor(workers, mp_context=context) as pool:
        yield from pool.map(work, jobs, chunksize=4)


def _meta(records: list[_Record], names: list[str]) -> dict[str, Any]:
    """meta.json; an object's frames run from its first appearance to the end, as upstream."""
    videos = {}
    for record in records:
        objects = {}
        for name, item in record.entry['objects'].items():
            first = next(frame for frame, area in enumerate(item['visible']) if area)
            objects[name] = {'category': item['shape'], 'frames': names[first:]}
        videos[record.video] = {'objects': objects}
    return {'videos': videos}


def _meta_expressions(records: list[_Record], names: list[str]) -> dict[str, Any]:
    return {
        'videos': {
            record.video: {
                'expressions': {
                    number: {'exp': item['exp'], 'obj_id': item['obj_id']}
                    for number, item in record.entry['expressions'].items()
                },
                'frames': names,
            }
            for record in records
        }
    }


def _negatives_of(
    record: _Record,
    number: int,
    videos: list[str],
    facts: Mapping[str, Facts],
    seed: int,
    count: int,
) -> list[tuple[str, str, str]]:
    """(kind, video shown, sentence) of the negatives of one expression."""
    sentence = record.expressions[number][1]
    key = f'{seed}|{record.video}|{number}'
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(key.encode()).digest()[:16], 'big'))
    found = [
        ('other_video', other, sentence.text())
        for other in other_videos(sentence, key, record.video, videos, facts, count)
    ]
    for kind, make in (('attribute', attribute_negatives), ('relation', relation_negatives)):
        found += [
            (kind, record.video, changed.text())
            for changed in make(sentence, record.facts, count, rng)
        ]
    return found


def _pairs_of(
    record: _Record, videos: list[str], facts: Mapping[str, Facts], seed: int, count: int
) -> Iterator[dict[str, Any]]:
    """Positive and negative pairs of one video's expressions; ranks run over all kinds."""
    for number, (index, sentence) in enumerate(record.expressions):
        positive = {
            'pair_id': f'{record.video}/{number}/p',
            'video': record.video,
            'exp_video': record.video,
            'exp_id': str(number),
            'exp': sentence.text(),
            'obj_id': str(index + 1),
            'category': record.entry['objects'][str(index + 1)]['shape'],
            'label': 1,
            'kind': 'positive',
            'rank': 0,
        }
        yield positive
        found = _negatives_of(record, number, videos, facts, seed, count)
        for rank, (kind, video, text) in enumerate(found):
            yield {
                **positive,
                'pair_id': f'{record.video}/{number}/n{rank}',
                'video': video,
                'exp': text,
                'label': 0,
                'kind': kind,
                'rank': rank,
            }


def _count_pairs(pairs: list[dict[str, Any]], videos: int, wanted: int) -> dict[str, Any]:
    """Counts per kind, and what is missing from ``wanted`` negatives per expression and kind."""
    kinds = Counter(pair['kind'] for pair in pairs)
    positive = kinds.pop('positive')
    negative = {kind: kinds[kind] for kind in ('other_video', 'attribute', 'relation')}
    return {
        'positive': positive,
        'negative': sum(negative.values()),
        'kinds': negative,
        'short': {kind: positive * wanted - count for kind, count in negative.items()},
        'videos': videos,
    }


def _write_split(
    root: Path,
    split: str,
    records: list[_Record],
    params: SceneParams,
    seed: int,
    negatives_per_kind: int,
) -> dict[str, Any]:
    """Write all JSON files of a split; returns its counts."""
    names = frame_names(params.length)
    _dump(root / split / 'meta.json', _meta(records, names))
    expressions = _dump(
        root / 'meta_expressions' / split / 'meta_expressions.json',
        _meta_expressions(records, names),
    )
    _dump(
        root / 'worlds' / f'{split}.json',
        {
            'format': FORMAT,
            'size': list(params.size),
            'length': params.length,
            'videos': {record.video: record.entry for record in records},
        },
    )
    facts = {record.video: record.facts for record in records}
    pairs = [
        pair
        for record in records
        for pair in _pairs_of(record, list(facts), facts, seed, negatives_per_kind)
    ]
    counts = _count_pairs(pairs, len(records), negatives_per_kind)
    _dump(
        root / 'pairs' / f'{split}.json',
        {
            'format': PAIRS_FORMAT,
            'name': f'refshapes-{split}-s{seed}-n{negatives_per_kind}',
            'params': {'seed': seed, 'n_neg': negatives_per_kind, 'generator': VERSION},
            'source': {
                'dataset': 'refshapes',
                'split': split,
                'expressions_sha256': hashlib.sha256(expressions).hexdigest(),
            },
            'counts': counts,
            'pairs_sha256': pairs_sha256(pairs),
            'pairs': pairs,
        },
    )
    kinds = Counter(sentence.kind for record in records for _, sentence in record.expressions)
    objects = sum(len(record.entry['objects']) for record in records)
    return {
        'videos': len(records),
        'objects': objects,
        'expressions': counts['positive'],
        'expression_kinds': dict(sorted(kinds.items())),
        'negatives': counts['kinds'],
        'short': counts['short'],
    }


def _clear(root: Path, state: dict[str, Any]) -> None:
    """Remove an earlier RefShapes set: only the files that its own parameters name."""
    for split in state['params']['splits']:
        for path in (root / split, root / 'meta_expressions' / split):
            shutil.rmtree(path, ignore_errors=True)
        for folder in ('pairs', 'worlds'):
            (root / folder / f'{split}.json').unlink(missing_ok=True)
    (root / MARK).unlink()


def _already_made(root: Path, wanted: dict[str, Any], overwrite: bool) -> dict[str, Any] | None:
    """Counts of a finished set with the same parameters; None when (re)making is to go on.

    Raises FileExistsError when something else is there.
    """
    mark = root / MARK
    state = json.loads(mark.read_text()) if mark.exists() else None
    known = state['params']['splits'] if state else {}
    for split in wanted['params']['splits']:
        if split not in known and (root / split).exists():
            raise FileExistsError(
                f'{root} holds {split}/, which no {MARK} lists: not a RefShapes '
                'set, so nothing there is touched; choose another folder'
            )
    if state is None:
        return None
    same = {key: state.get(key) for key in ('format', 'version', 'params')} == wanted
    if same and state['complete'] and not overwrite:
        return state['counts']
    if not same and not overwrite:
        raise FileExistsError(
            f'{root} holds RefShapes {state.get("version")} made with {state["params"]}, not with '
            f'{wanted["params"]}; choose another folder or overwrite it (overwrite=True, '
            '--overwrite)'
        )
    _clear(root, state)
    return None


def make_refshapes(
    root: str | os.PathLike,
    *,
    splits: Mapping[str, int] | None = None,
    seed: int = 0,
    size: tuple[int, int] = (128, 128),
    length: int = 8,
    num_objects: tuple[int, int] = (2, 5),
    sentences_per_object: int = 4,
    negatives_per_kind: int = 1,
    workers: int = 2,
    overwrite: bool = False,
    progress: bool = True,
) -> RefShapesSummary:
    """Make the RefShapes data set under ``root``, in the layout of Refer-YouTube-VOS.

    The files depend on the parameters only, to the byte, not on ``workers``. A run with the
    parameters of a finished set does nothing; an interrupted one is made anew.

    Args:
        root: folder to write to, created where missing.
        splits: number of videos of every split; by default 300 for 'train' and 60 for 'valid'.
        seed: non-negative integer; videos of one split share nothing with those of another.
        size: (height, width) of the frames in pixels, at least 16 each.
        length: frames per video; with 1 there are no sentences about motion.
        num_objects: fewest and most objects per video.
        sentences_per_object: sentences wanted per object; fewer where not so many are true.
        negatives_per_kind: negative pairs wanted per sentence and strength.
        workers: processes; 1 works in this one.
        overwrite: replace a RefShapes set made with other parameters.
        progress: show a progress bar.

    Raises:
        FileExistsError: ``root`` holds a set with other parameters, or other data.
        ValueError: a parameter is out of range.
    """
    splits = dict(splits) if splits is not None else {'train': 300, 'valid': 60}
    params = SceneParams(
        size=tuple(size),
        length=length,
        num_objects=tuple(num_objects),
        sentences_per_object=sentences_per_object,
    )
    _check(splits, seed, negatives_per_kind)
    wanted = {
        'format': FORMAT,
        'version': VERSION,
        'params': {
            'splits': splits,
            'seed': seed,
            'size': list(params.size),
            'length': length,
            'num_objects': list(params.num_objects),
            'sentences_per_object': sentences_per_object,
            'negatives_per_kind': negatives_per_kind,
        },
    }
    root = Path(root)
    counts = _already_made(root, wanted, overwrite)
    if counts is not None:
        return RefShapesSummary(root=root, created=False, counts=counts)
    _dump(root / MARK, {**wanted, 'complete': False}, indent=2)
    counts = {}
    for split, number in splits.items():
        jobs = list(enumerate(video_ids(seed, split, number)))
        work = partial(_make_video, params=params, seed=seed, split=split, folder=root / split)
        records = list(
            track(
                _records(jobs, work, workers),
                f'RefShapes {split}',
                total=number,
                disable=not progress,
            )
        )
        counts[split] = _write_split(root, split, records, params, seed, negatives_per_kind)
    _dump(root / MARK, {**wanted, 'complete': True, 'counts': counts}, indent=2)
    return RefShapesSummary(root=root, created=True, counts=counts)


def _check(splits: Mapping[str, int], seed: int, negatives_per_kind: int) -> None:
    for split, number in splits.items():
        if number < 1 or not split.isidentifier():
            raise ValueError(
                f'RefShapes splits {dict(splits)}: every split needs a plain name and '
                'at least 1 video'
            )
    if not splits or seed < 0 or negatives_per_kind < 0:
        raise ValueError(
            f'RefShapes splits {dict(splits)}, seed {seed}, negatives_per_kind '
            f'{negatives_per_kind}: need a split, and no negative numbers'
        )
