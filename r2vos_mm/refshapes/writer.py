"""Write RefShapes to disk in the layout of Refer-YouTube-VOS.

``<root>/<split>/{JPEGImages,Annotations}/<video>/``, ``<root>/<split>/meta.json``,
``<root>/meta_expressions/<split>/meta_expressions.json``, ``<root>/pairs/<split>.json``,
``<root>/worlds/<split>.json`` (the content of each video, for tests and analysis) and
``<root>/refshapes.json`` (parameters and counts; ``complete`` is set last).
"""

import contextlib
import hashlib
import itertools
import os
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

from r2vos_mm.utils.files import is_side_file, read_json, remove_temporaries, write_json
from r2vos_mm.utils.formats.pairs import FORMAT as PAIRS_FORMAT
from r2vos_mm.utils.formats.pairs import pairs_sha256
from r2vos_mm.utils.masks_io import write_label_png
from r2vos_mm.utils.processes import map_in_processes

from .facts import Facts
from .scene import Scene, SceneParams, build_scene
from .sentences import NEGATIVE_KINDS, Sentence, draw_negatives

FORMAT = 'refshapes/1'
VERSION = '1.0'
FRAME_STEP = 5
JPEG_QUALITY = 95
MARK = 'refshapes.json'
MAX_VIDEOS = 10**6


@dataclass(frozen=True)
class RefShapesSummary:
    """Result of :func:`make_refshapes`; ``created`` is False if the data set existed already."""

    root: Path
    created: bool
    counts: dict[str, dict[str, Any]]


class _Record(NamedTuple):
    """The content of a video that the main process needs: everything but its pixels."""

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
    images.mkdir(parents=True, exist_ok=True)
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


def _pairs_of(
    record: _Record, facts: Mapping[str, Facts], seed: int, count: int
) -> Iterator[dict[str, Any]]:
    """Yield positive and negative pairs of a video's expressions; ranks run over all kinds."""
    video = record.video
    for number, (index, sentence) in enumerate(record.expressions):
        rows = [('p', 'positive', video, sentence.text(), 1, 0)]
        negatives = draw_negatives(sentence, f'{seed}|{video}|{number}', video, facts, count)
        rows += [(f'n{rank}', *negative, 0, rank) for rank, negative in enumerate(negatives)]
        obj_id = str(index + 1)
        category = record.world['objects'][obj_id]['shape']
        for name, kind, shown, text, label, rank in rows:
            pair = dict(pair_id=f'{video}/{number}/{name}', video=shown, exp_video=video)
            pair |= dict(exp_id=str(number), exp=text, obj_id=obj_id, category=category)
            yield pair | dict(label=label, kind=kind, rank=rank)


def _pairs_content(
    split: str, records: list[_Record], params: Mapping[str, Any], expressions_sha256: str
) -> dict[str, Any]:
    """Return the content of a pairs file; ``short`` counts the negatives that are missing."""
    seed, wanted = params['seed'], params['negatives_per_kind']
    facts = {record.video: record.facts for record in records}
    pairs = [pair for record in records for pair in _pairs_of(record, facts, seed, wanted)]
    found = Counter(pair['kind'] for pair in pairs)
    positive, negatives = found['positive'], {kind: found[kind] for kind in NEGATIVE_KINDS}
    short = {kind: positive * wanted - count for kind, count in negatives.items()}
    counts = dict(positive=positive, negative=sum(negatives.values()), kinds=negatives)
    head = dict(format=PAIRS_FORMAT, name=f'refshapes-{split}-s{seed}-n{wanted}')
    head |= dict(params=dict(seed=seed, n_neg=wanted, generator=VERSION))
    source = dict(dataset='refshapes', split=split, expressions_sha256=expressions_sha256)
    head |= dict(source=source, counts=counts | dict(short=short, videos=len(records)))
    return head | dict(pairs_sha256=pairs_sha256(pairs), pairs=pairs)


def _write_split(
    root: Path, split: str, records: list[_Record], params: Mapping[str, Any]
) -> dict[str, Any]:
    """Write all JSON files of a split; return its counts."""
    names, write = _frame_names(params['length']), partial(write_json, indent=None)
    worlds = {record.video: record.world for record in records}
    # As in Refer-YouTube-VOS, frames run from the first appearance of an object to the end.
    objects, listed = {}, {}
    for video, world in worlds.items():
        own = {
            i: dict(category=item['shape'], frames=names[np.flatnonzero(item['visible'])[0] :])
            for i, item in world['objects'].items()
        }
        objects[video] = dict(objects=own)
        items = world['expressions'].items()
        expressions = {i: dict(exp=item['exp'], obj_id=item['obj_id']) for i, item in items}
        listed[video] = dict(expressions=expressions, frames=names)
    path = root / 'meta_expressions' / split / 'meta_expressions.json'
    write(root / split / 'meta.json', dict(videos=objects))
    write(path, dict(videos=listed))
    head = dict(format=FORMAT, size=params['size'], length=params['length'])
    write(root / 'worlds' / f'{split}.json', head | dict(videos=worlds))

    pairs = _pairs_content(split, records, params, hashlib.sha256(path.read_bytes()).hexdigest())
    write(root / 'pairs' / f'{split}.json', pairs)
    kinds = Counter(sentence.kind for record in records for _, sentence in record.expressions)
    counts = dict(
        videos=len(records), objects=sum(len(world['objects']) for world in worlds.values())
    )
    counts |= dict(expressions=sum(kinds.values()), expression_kinds=dict(sorted(kinds.items())))
    return counts | dict(negatives=pairs['counts']['kinds'], short=pairs['counts']['short'])


def _read_mark(root: Path) -> dict[str, Any] | None:
    """Return the content of ``refshapes.json``, None if missing; refuse one of another program."""
    if not (root / MARK).exists():
        return None
    state = read_json(root / MARK)
    try:
        params, is_own = state['params'], state['format'] == FORMAT
        numbers = (params['seed'], params['length'], *params['splits'].values())
        _check(params['splits'], params['seed'], params['negatives_per_kind'])
        is_own &= all(isinstance(number, int) for number in numbers) and params['length'] < 10**6
    except (AttributeError, KeyError, TypeError, ValueError):
        is_own = False
    if not is_own:
        raise FileExistsError(
            f'{root / MARK} is not a file of make_refshapes, so it is kept: choose another folder'
        )
    return state


def _is_own(path: Path, videos: set[str], frames: set[str]) -> bool:
    """Return whether this module wrote a file, by the video ids, which follow from the seed."""
    if path.suffix != '.json':
        kind, video = path.parts[-3:-1]
        suffix = dict(JPEGImages='.jpg', Annotations='.png').get(kind)
        return video in videos and path.suffix == suffix and path.stem in frames
    try:
        content = read_json(path)
        listed = (
            content['videos'] if 'videos' in content else [p['video'] for p in content['pairs']]
        )
        return videos.issuperset(listed)
    except (KeyError, TypeError, ValueError):
        return False


def _clear(root: Path, params: Mapping[str, Any]) -> None:
    """Remove an earlier RefShapes set; raise FileExistsError if there are other files."""
    found, frames = [], set(_frame_names(params['length']))
    for split, number in params['splits'].items():
        videos = set(_video_ids(params['seed'], split, number))
        tops = [root / split, root / 'meta_expressions' / split]
        tops += [root / folder / f'{split}.json' for folder in ('pairs', 'worlds')]
        for path in (path for top in tops for path in (top, *top.rglob('*'))):
            is_linked = path.is_symlink() or (path.parent != root and path.parent.is_symlink())
            if path.is_dir() and not is_linked:
                remove_temporaries(path)  # of a killed run
            is_plain = not path.exists() or path.is_dir() or is_side_file(path.name)
            if is_linked or not (is_plain or _is_own(path, videos, frames)):
                raise FileExistsError(
                    f'{path} was not written by make_refshapes, so nothing in {root} is removed; '
                    'move it away, or choose another folder'
                )
            found.append(path)
    for path in sorted(found, reverse=True):
        if path.is_dir():
            with contextlib.suppress(OSError):  # of a folder with side files
                path.rmdir()
        elif not is_side_file(path.name):
            path.unlink(missing_ok=True)
    (root / MARK).unlink(missing_ok=True)


def _finished_counts(root: Path, wanted: dict[str, Any], overwrite: bool) -> dict[str, Any] | None:
    """Return the counts of a finished set of the same parameters; None if it must be generated."""
    state = _read_mark(root)
    known = state['params']['splits'] if state else ()
    for split in wanted['params']['splits']:
        if split not in known and (root / split).exists():
            raise FileExistsError(
                f'{root} holds {split}/, which no {MARK} lists: not a RefShapes '
                'set, so nothing there is touched; choose another folder'
            )
    if state is None:
        return None
    if not overwrite:
        if {key: state.get(key) for key in wanted} != wanted:
            raise FileExistsError(
                f'{root} holds RefShapes {state.get("version")} made with {state["params"]}, not '
                f'with {wanted["params"]}; choose another folder, or overwrite=True (--overwrite)'
            )
        if state.get('complete') and 'counts' in state:
            return state['counts']
    _clear(root, state['params'])
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
        workers: number of processes; with 1, no other process is started.
        overwrite: replace a RefShapes set generated with other parameters.
        progress: show a progress bar.
        scene_params: those of :class:`.scene.SceneParams`.

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
    for split, number in splits.items():
        if not 1 <= number <= MAX_VIDEOS or not split.isidentifier():
            rule = f'every split needs a plain name and 1 to {MAX_VIDEOS} videos'
            raise ValueError(f'RefShapes splits {splits}: {rule}')
    if not splits or seed < 0 or negatives_per_kind < 0:
        raise ValueError(
            f'RefShapes splits {splits}, seed {seed}, negatives_per_kind {negatives_per_kind}: '
            'need a split, and no negative numbers'
        )
