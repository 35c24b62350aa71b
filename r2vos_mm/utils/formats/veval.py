"""Read and write SA-Co/VEval files: YouTube-VIS tracks, and expressions about nothing in a video.

::

    {"videos":         [{"id": 1, "video_name": "bear", "height": 480, "width": 854, "length": 2,
                         "file_names": ["bear/00000.jpg", "bear/00001.jpg"]}],
     "categories":     [{"id": 1, "name": "a brown bear"}, {"id": 2, "name": "a red bus"}],
     "annotations":    [{"id": 1, "video_id": 1, "category_id": 1, "iscrowd": 0,
                         "segmentations": [{"size": [480, 854], "counts": "..."}, null],
                         "bboxes": [[x, y, width, height], null], "areas": [1234, null]}],
     "video_np_pairs": [{"id": 1, "video_id": 1, "category_id": 1,
                         "noun_phrase": "a brown bear", "num_masklets": 1},
                        {"id": 2, "video_id": 1, "category_id": 2,
                         "noun_phrase": "a red bus", "num_masklets": 0}]}

A pair with ``num_masklets`` 0 is a negative. The tracks of a pair are the annotations of its video
and category; without ``video_np_pairs`` it is a YouTube-VIS file. What this package adds to a pair
or to the file, such as rows of a pairs file, is under the key ``r2vos``.

Source: the data format published with SAM 3 (SA-Co/VEval), and that of YouTube-VIS.
"""

from __future__ import annotations

import json
import operator
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from pycocotools import mask as coco_mask

from ..data_issues import ProblemList
from ..files import PathLike, read_json, write_json
from ..storage.paths import as_path
from .expressions import is_text
from .pairs import FORMAT, NO_TARGET, POSITIVE

EXTRA = 'r2vos'
Problem = Callable[[dict[str, Any]], str | None]  # what is wrong with an entry
_PARTS = dict(
    videos='videos', pairs='video_np_pairs', annotations='annotations', categories='categories'
)
_FROM_FILE = ('video', 'exp', 'label')  # keys of a row that the file states itself


@dataclass(frozen=True)
class VevalFile:
    """Content of a SA-Co/VEval or YouTube-VIS file, its entries as they are in the file.

    Attributes:
        videos: entries with ``id``, ``file_names``, ``height``, ``width``, ``length``.
        pairs: ``video_np_pairs``; empty for YouTube-VIS.
        annotations: tracks, with one run-length code or None per frame.
        categories: entries with ``id`` and ``name``.
        others: the other keys of the file, such as ``info``.
    """

    videos: list[dict[str, Any]]
    pairs: list[dict[str, Any]] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)
    categories: list[dict[str, Any]] = field(default_factory=list)
    others: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def video_by_id(self) -> dict[Any, dict[str, Any]]:
        """The videos by their id."""
        return {video['id']: video for video in self.videos}

    @cached_property
    def _tracks(self) -> dict[tuple[Any, Any], list[dict[str, Any]]]:
        tracks = defaultdict(list)
        for track in self.annotations:
            tracks[track['video_id'], track['category_id']].append(track)
        return dict(tracks)

    def masklets(self, pair: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the tracks that the expression of a pair is about; empty for negatives."""
        return self._tracks.get((pair['video_id'], pair['category_id']), [])

    def content(self) -> dict[str, Any]:
        """Return what :func:`write_veval_file` writes."""
        parts = {key: getattr(self, name) for name, key in _PARTS.items()}
        if not self.pairs and not self.others.get(EXTRA):
            parts.pop('video_np_pairs')
        return self.others | parts


def video_name(video: Mapping[str, Any]) -> str:
    """Return the name of a video: ``video_name``, the folder of its frames, or its id.

    >>> video_name({'id': 7, 'file_names': ['bear/00000.jpg']})
    'bear'
    """
    if is_text(video.get('video_name')):
        return video['video_name']
    folder = PurePosixPath(next(iter(video.get('file_names') or ()), '')).parent.as_posix()
    return folder if folder != '.' else str(video['id'])


def frame_names(video: Mapping[str, Any]) -> list[str]:
    """Return the names of the frames of a video, without folder and suffix."""
    return [PurePosixPath(name).stem for name in video['file_names']]


def track_of(
    codes: Sequence[dict[str, Any] | None], *, track_id: int, video_id: int, category_id: int
) -> dict[str, Any]:
    """Return the annotation of one track; frames where the object has no pixel get None.

    Args:
        codes: compressed run-length codes of T frames with text ``counts``, or None.
        track_id, video_id, category_id: ``id`` of the annotation, its video and its category.
    """
    areas = [int(coco_mask.area(code)) if code else 0 for code in codes]
    shown = [code if area else None for code, area in zip(codes, areas)]
    sizes = [code['size'] for code in codes if code]
    return dict(
        id=track_id,
        video_id=video_id,
        category_id=category_id,
        iscrowd=0,
        length=len(codes),
        **(dict(height=sizes[0][0], width=sizes[0][1]) if sizes else {}),
        segmentations=shown,
        areas=[area or None for area in areas],
        bboxes=[coco_mask.toBbox(code).tolist() if code else None for code in shown],
    )


def write_veval_file(path: PathLike, content: VevalFile) -> None:
    """Write a SA-Co/VEval file atomically, or a YouTube-VIS file if there are no pairs."""
    write_json(path, content.content(), indent=None)


def read_veval_file(path: PathLike, problems: ProblemList | None = None) -> VevalFile:
    """Return the content of a SA-Co/VEval or YouTube-VIS file; writing it again loses nothing.

    Args:
        path: the file.
        problems: list for entries that cannot be used and are skipped; None raises for them.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: it is not such a file, or without ``problems`` an entry cannot be used.
    """
    content = read_json(path)
    _check_form(path, content)
    entries = {name: content.get(key) or [] for name, key in _PARTS.items()}

    def usable(name: str, problem_of: Problem) -> list[dict]:
        return _usable(entries[name], _PARTS[name], as_path(path), problem_of, problems)

    videos = usable('videos', _video_problem)
    lengths = {video['id']: len(video['file_names']) for video in videos}
    tracks = usable('annotations', lambda track: _track_problem(track, lengths))
    counts = Counter((track['video_id'], track['category_id']) for track in tracks)
    has_tracks = bool(entries['annotations'])
    pairs = usable(
        'pairs', lambda pair: _pair_problem(pair, lengths, counts if has_tracks else None)
    )
    others = {key: content[key] for key in content if key not in _PARTS.values()}
    return VevalFile(videos, pairs, tracks, entries['categories'], others)


def _check_form(path: PathLike, content: Any) -> None:
    is_dict = isinstance(content, dict)
    lists = [content.get(key) for key in _PARTS.values()] if is_dict else []
    is_form = all(part is None or isinstance(part, list) for part in lists)
    if not is_dict or not is_form or not isinstance(content.get('videos'), list):
        keys = sorted(content) if is_dict else type(content).__name__
        raise ValueError(
            f"{path} is not a SA-Co/VEval or YouTube-VIS file: expected lists 'videos', "
            f"'annotations', 'categories' and 'video_np_pairs', found {str(keys)[:200]}. "
            'Download it again'
        )


def _usable(
    entries: list[Any], key: str, path: Path, problem_of: Problem, problems: ProblemList | None
) -> list[dict[str, Any]]:
    """Return the usable entries of the list ``key`` of a file, each id once."""
    usable: dict[Any, dict[str, Any]] = {}
    for number, entry in enumerate(entries):
        problem = _id_problem(entry, usable) or problem_of(entry)
        if problem is None:
            usable[entry['id']] = entry
        elif problems is None:
            raise ValueError(f'{path}: {key}[{number}] {problem}')
        else:
            problems.add(f'{path.name}: {key}[{number}]', problem, 'skipped')
    return list(usable.values())


def _id_problem(entry: Any, known: Mapping[Any, Any]) -> str | None:
    if not isinstance(entry, dict):
        return 'is not a dict'
    if not _is_id(entry.get('id')):
        return "has no 'id'"
    return f'has id {entry["id"]!r}, which occurs twice' if entry['id'] in known else None


def _is_id(value: Any) -> bool:
    return isinstance(value, (int, str)) and not isinstance(value, bool)


def _video_problem(video: dict[str, Any]) -> str | None:
    names = video.get('file_names')
    if not isinstance(names, list) or not names or not all(map(is_text, names)):
        return "has no list 'file_names' of names"
    if video.get('length') not in (None, len(names)):
        return f'has {len(names)} file names, but length {video["length"]!r}'
    return None


def _track_problem(track: dict[str, Any], lengths: Mapping[Any, int]) -> str | None:
    if problem := _reference_problem(track, lengths):
        return problem
    codes, length = track.get('segmentations'), lengths[track['video_id']]
    if not isinstance(codes, list) or len(codes) != length:
        found = len(codes) if isinstance(codes, list) else 'no'
        return f'has {found} segmentations, its video has {length} frames'
    return None


def _pair_problem(
    pair: dict[str, Any], lengths: Mapping[Any, int], num_tracks: Mapping[Any, int] | None
) -> str | None:
    """Return what is wrong with a pair; ``num_tracks`` is None for a file without tracks."""
    if problem := _reference_problem(pair, lengths):
        return problem
    if not is_text(pair.get('noun_phrase')):
        return "has no text 'noun_phrase'"
    try:
        expected = operator.index(pair.get('num_masklets'))
    except TypeError:
        return f'has num_masklets {pair.get("num_masklets")!r}, not a number'
    found = (num_tracks or {}).get((pair['video_id'], pair['category_id']), 0)
    if expected < 0 or num_tracks is not None and bool(found) != bool(expected):
        return f'has num_masklets {expected}, but {found} annotations'
    if not isinstance(pair.get(EXTRA, {}), dict):
        return f"has '{EXTRA}', which is not a dict"
    return None


def _reference_problem(entry: dict[str, Any], lengths: Mapping[Any, int]) -> str | None:
    for key in ('video_id', 'category_id'):
        if not _is_id(entry.get(key)):
            return f"has no '{key}'"
    known = entry['video_id'] in lengths
    return None if known else f'is about video {entry["video_id"]!r}, which is not listed'


def veval_from_pairs(
    pairs: Mapping[str, Any],
    videos: Mapping[str, Mapping[str, Any]],
    tracks: Mapping[str, Sequence[Sequence[dict[str, Any] | None]]] | None = None,
) -> VevalFile:
    """Return the SA-Co/VEval form of a pairs file, from which :func:`pairs_of` gives it back.

    Args:
        pairs: content of a pairs file (:mod:`.pairs_file`).
        videos: ``file_names``, ``height`` and ``width`` of each video that its rows show.
        tracks: run-length codes per frame of each object of a pair, by ``pair_id``; None writes a
            file without masks, in which positives have ``num_masklets`` 1.

    Raises:
        KeyError: ``videos`` lacks a video.
        ValueError: a positive has no track, or a negative has one.
    """
    builder = VevalBuilder()
    for row in pairs['pairs']:
        own = (tracks or {}).get(row['pair_id'], ())
        if tracks is not None and bool(own) != bool(row['label']):
            raise ValueError(
                f'pair {row["pair_id"]} has label {row["label"]}, but {len(own)} tracks'
            )
        builder.add(
            builder.video(row['video'], videos[row['video']]),
            row['exp'],
            own,
            num_masklets=row['label'] if tracks is None else len(own),
            extra={key: row[key] for key in row if key not in _FROM_FILE},
        )
    return builder.content({EXTRA: {key: pairs[key] for key in pairs if key != 'pairs'}})


class VevalBuilder:
    """Build a SA-Co/VEval file pair by pair.

    Each expression becomes a category; pairs of one video with the same text get different ones.
    """

    def __init__(self) -> None:
        self._videos: dict[str, dict[str, Any]] = {}
        self._categories: dict[tuple[str, int], int] = {}
        self._texts: Counter[tuple[int, str]] = Counter()
        self._pairs: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def video(self, name: str, video: Mapping[str, Any]) -> int:
        """Return the id of a video with ``file_names``, ``height`` and ``width``; add it if new."""
        names = list(video['file_names'])
        entry = dict(video_name=name, file_names=names, length=len(names))
        entry.update(height=video['height'], width=video['width'])
        key = json.dumps(entry)
        return self._videos.setdefault(key, dict(id=len(self._videos) + 1) | entry)['id']

    def add(
        self,
        video_id: int,
        text: str,
        tracks: Sequence[Sequence[dict[str, Any] | None]],
        *,
        num_masklets: int | None = None,
        extra: Mapping[str, Any] | None = None,
        score: float | None = None,
    ) -> None:
        """Add a pair of a video and an expression, and its tracks.

        Args:
            video_id: of :meth:`video`.
            text: the expression.
            tracks: run-length codes per frame of each object.
            num_masklets: None takes the number of tracks.
            extra: content of the pair's key ``r2vos``.
            score: score of the tracks, if they are predictions.
        """
        self._texts[video_id, text] += 1
        key = text, self._texts[video_id, text]
        ids = dict(
            video_id=video_id,
            category_id=self._categories.setdefault(key, len(self._categories) + 1),
        )
        for codes in tracks:
            track = track_of(codes, track_id=len(self._annotations) + 1, **ids)
            own = dict(noun_phrase=text) | ({} if score is None else dict(score=score))
            self._annotations.append(track | own)
        number = len(tracks) if num_masklets is None else num_masklets
        pair = dict(id=len(self._pairs) + 1, **ids, noun_phrase=text, num_masklets=number)
        self._pairs.append(pair | ({} if extra is None else {EXTRA: dict(extra)}))

    def content(self, others: Mapping[str, Any] | None = None) -> VevalFile:
        """Return the file, with other keys such as ``info``."""
        return VevalFile(
            list(self._videos.values()),
            self._pairs,
            self._annotations,
            [dict(id=number, name=text) for (text, _), number in self._categories.items()],
            dict(others or {}),
        )


def pairs_of(content: VevalFile, name: str = '') -> dict[str, Any]:
    """Return the pairs of a SA-Co/VEval file in the form of a pairs file (:mod:`.pairs_file`).

    What :func:`veval_from_pairs` kept of a pairs file is restored. Pairs of others get the
    ``pair_id`` ``<video>/<id>``, and negatives the kind ``no_target``.

    Args:
        content: of :func:`read_veval_file`.
        name: name of the result, where the file has none.
    """
    rows = [_row(pair, video_name(content.video_by_id[pair['video_id']])) for pair in content.pairs]
    return dict(format=FORMAT, name=name) | content.others.get(EXTRA, {}) | dict(pairs=rows)


def _row(pair: Mapping[str, Any], video: str) -> dict[str, Any]:
    label, own = int(pair['num_masklets'] > 0), pair.get(EXTRA, {})
    stated = dict(video=video, exp=pair['noun_phrase'], label=label)
    if 'pair_id' in own:
        return own | stated
    others = dict(
        pair_id=f'{video}/{pair["id"]}',
        exp_video=video,
        exp_id=str(pair['id']),
        obj_id='',
        category='',
        kind=POSITIVE if label else NO_TARGET,
        rank=0,
    )
    return others | own | stated
