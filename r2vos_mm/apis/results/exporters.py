"""Export masks of expressions: YouTube-VIS, SA-Co/VEval, cut-outs, zip, labels, supervision.

Functions take ``masks`` (H, W) bool by ``masks[p][t]``, read one at a time, from any container that
:func:`~.mask_records.row_of` accepts, with P ``texts`` and T ``frame_names``. Readers of the JSON
formats give :class:`~.mask_records.MaskRecord`, which is such a container, so that every format can
be made from the files of another. Nothing here loads torch.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from r2vos_mm.utils.files import PathLike, atomic_path, read_json
from r2vos_mm.utils.formats.veval import (
    EXTRA,
    VevalBuilder,
    VevalFile,
    frame_names,
    read_veval_file,
    video_name,
)
from r2vos_mm.utils.lazy import import_extra
from r2vos_mm.utils.masks_io import compressed_rle

from .mask_records import MaskRecord, Rle, row_of

if TYPE_CHECKING:
    import supervision

_VERDICT = ('index', 'score', 'consensus', 'found', 'scores')
_MIN_SCORE = 0.5
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # so that equal masks give equal files


def slug(text: str) -> str:
    """Return a short file name for an expression.

    >>> slug('the dog, left of the bus')
    'the_dog_left_of_the_bus'
    """
    return re.sub(r'\W+', '_', text).strip('_')[:48]


def expression_folders(texts: Sequence[str]) -> list[str]:
    """Return the name of the folder of each expression."""
    return [f'{p}_{slug(text)}' for p, text in enumerate(texts)]


def youtube_vis(records: Iterable[MaskRecord]) -> VevalFile:
    """Return records in the form of YouTube-VIS; expressions that are not found have no track."""
    return replace(veval(records), pairs=[])


def veval(records: Iterable[MaskRecord]) -> VevalFile:
    """Return records in the form of SA-Co/VEval, with ``num_masklets`` 0 for 'not in the video'.

    Score, consensus and verdict are under ``r2vos`` of each pair.
    """
    builder = VevalBuilder()
    for record in records:
        names = [f'{record.video}/{name}.jpg' for name in record.frames]
        video = dict(file_names=names, height=record.size[0], width=record.size[1])
        builder.add(
            builder.video(record.video, video),
            record.expression,
            [record.segmentations] if any(record.segmentations) else [],
            extra={name: getattr(record, name) for name in _VERDICT},
            score=record.score,
        )
    return builder.content()


def read_veval(path: PathLike) -> list[MaskRecord]:
    """Return one record per pair of a SA-Co/VEval file, several tracks of a pair joined.

    A pair of another program counts as found if it has tracks; its score is their highest.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: it is not such a file.
        DataFileError: a run-length code is broken.
    """
    content = read_veval_file(path)
    return [_record_of(content, pair, content.masklets(pair), str(path)) for pair in content.pairs]


def read_veval_results(path: PathLike, veval_path: PathLike) -> list[MaskRecord]:
    """Return one record per pair from tracks of a model in the form that YouTube-VIS scores.

    Tracks with a score below 0.5 do not count, as in the scores of SA-Co.

    Args:
        path: JSON list of ``{video_id, category_id, score, segmentations}``.
        veval_path: the SA-Co/VEval file with the pairs, whose ids the results use.

    Raises:
        FileNotFoundError, ValueError, DataFileError: as :func:`read_veval`, of both files.
    """
    content = read_veval_file(veval_path)
    tracks = read_json(path)
    lengths = {video['id']: len(video['file_names']) for video in content.videos}
    if not isinstance(tracks, list):
        raise ValueError(f'{path} is not a list of tracks')
    for number, track in enumerate(tracks):
        if problem := _result_problem(track, lengths):
            raise ValueError(f'{path}: track {number} {problem}')
    kept = [track for track in tracks if track['score'] >= _MIN_SCORE]
    predicted = replace(content, annotations=kept)
    pairs = [{key: pair[key] for key in pair if key != EXTRA} for pair in content.pairs]
    return [_record_of(predicted, pair, predicted.masklets(pair), str(path)) for pair in pairs]


def _result_problem(track: Any, lengths: Mapping[Any, int]) -> str | None:
    try:
        length = lengths[track['video_id']]
        found = len(track['segmentations'])
        track['category_id'], float(track['score'])
    except (KeyError, TypeError, ValueError) as error:
        return f'has not the form {{video_id, category_id, score, segmentations}} ({error!r})'
    return None if found == length else f'has {found} segmentations, its video has {length} frames'


def read_youtube_vis(path: PathLike) -> list[MaskRecord]:
    """Return one record per track of a YouTube-VIS file; raises as :func:`read_veval` does."""
    content = read_veval_file(path)
    texts = {category['id']: category['name'] for category in content.categories}
    tracks = content.annotations
    pairs = [track | dict(noun_phrase=str(texts[track['category_id']])) for track in tracks]
    return [_record_of(content, pair, [pair], str(path)) for pair in pairs]


def _record_of(
    content: VevalFile, pair: Mapping[str, Any], tracks: list[dict[str, Any]], where: str
) -> MaskRecord:
    video = content.video_by_id[pair['video_id']]
    size = (video['height'], video['width'])
    scores = [track['score'] for track in tracks if track.get('score') is not None]
    own = {name: item for name, item in pair.get(EXTRA, {}).items() if name in _VERDICT}
    known = dict(score=max(scores, default=None), found=bool(tracks)) | own
    return MaskRecord(
        video=video_name(video),
        expression=pair['noun_phrase'],
        segmentations=_merged(tracks, len(video['file_names']), size, where),
        size=size,
        frames=frame_names(video),
        **known,
    )


def _merged(
    tracks: Sequence[Mapping[str, Any]], length: int, size: tuple[int, int], where: str
) -> list[Rle | None]:
    """Return the run-length code of the union of tracks in each frame."""
    codes: list[Rle | None] = []
    for t in range(length):
        shown = [track['segmentations'][t] for track in tracks]
        found = [compressed_rle(code, f'{where}: frame {t}', size) for code in shown if code]
        joined = coco_mask.merge(found) if len(found) > 1 else next(iter(found), None)
        codes.append(joined and _as_text(joined))
    return codes


def _as_text(code: Rle) -> Rle | None:
    """Return a run-length code with text ``counts``, as JSON has it; None for an empty mask."""
    if not coco_mask.area(code):
        return None
    if isinstance(code['counts'], str):
        return code
    return dict(size=list(code['size']), counts=code['counts'].decode('ascii'))


def save_masks(
    folder: PathLike, masks: Any, *, texts: Sequence[str], frame_names: Sequence[str]
) -> list[Path]:
    """Write ``<n>_<expression>/<frame>.png``, 255 = object; return the folders."""
    folders = [Path(folder) / name for name in expression_folders(texts)]
    for p, target in enumerate(folders):
        for name, content in _mask_pngs(row_of(masks, p), frame_names):
            with atomic_path(target / f'{name}.png') as temporary:
                temporary.write_bytes(content)
    return folders


def _mask_pngs(row: Any, frame_names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    for t, name in enumerate(frame_names):
        yield name, _png(np.asarray(row[t]).astype(np.uint8) * 255)


def save_cutouts(
    folder: PathLike,
    frames: Iterable[np.ndarray],
    masks: Any,
    *,
    texts: Sequence[str],
    frame_names: Sequence[str],
    found: Sequence[bool] | np.ndarray | None = None,
) -> list[Path]:
    """Write the pixels of each object as RGBA PNGs, transparent and black outside its mask.

    Args:
        folder: gets ``<n>_<expression>/<frame>.png`` for each expression that is found.
        frames: T frames (H, W, 3) uint8 RGB.
        masks, texts, frame_names: see the module.
        found: P verdicts; None writes all.

    Returns:
        The folders.
    """
    rows = {
        Path(folder) / name: row_of(masks, p)
        for p, name in enumerate(expression_folders(texts))
        if found is None or found[p]
    }
    for t, (name, frame) in enumerate(zip(frame_names, frames)):
        for target, row in rows.items():
            with atomic_path(target / f'{name}.png') as temporary:
                temporary.write_bytes(_png(cutout(frame, row[t])))
    return list(rows)


def cutout(frame: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return (H, W, 4) uint8 RGBA: the frame (H, W, 3) within the mask (H, W) bool, zeros outside.

    Raises:
        ValueError: they differ in size.
    """
    if frame.shape[:2] != mask.shape:
        raise ValueError(f'the frame has size {frame.shape[:2]}, its mask {mask.shape}')
    return np.dstack([frame, np.full(mask.shape, 255, np.uint8)]) * mask[..., None]


def _png(image: np.ndarray) -> bytes:
    """Encode (H, W) grey or (H, W, 4) RGBA."""
    image = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGBA2BGRA)
    return cv2.imencode('.png', image)[1].tobytes()


def save_zip(
    path: PathLike,
    masks: Any,
    *,
    texts: Sequence[str],
    frame_names: Sequence[str],
    summary: Mapping[str, Any] | None = None,
) -> Path:
    """Write ``<n>_<expression>/<frame>.png``, 255 = object, into a zip, atomically.

    ``summary`` is the content of ``result.json`` in it, such as verdicts; None for no such file.
    """
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, 'w') as archive:
        if summary is not None:
            text = json.dumps(summary, ensure_ascii=False)
            info = zipfile.ZipInfo('result.json', _ZIP_TIME)
            archive.writestr(info, text, zipfile.ZIP_DEFLATED)
        for p, folder in enumerate(expression_folders(texts)):
            for name, content in _mask_pngs(row_of(masks, p), frame_names):
                archive.writestr(zipfile.ZipInfo(f'{folder}/{name}.png', _ZIP_TIME), content)
    return Path(path)


def label_maps(masks: Any, *, num_frames: int, scores: np.ndarray) -> Iterator[np.ndarray]:
    """Yield T maps (H, W): p + 1 where expression p has its mask, 0 elsewhere.

    Where masks overlap, the expression with the highest of the (P, T) scores in the frame counts,
    the first of those with equal scores. Values are uint8, or int32 for more than 255 expressions.
    """
    rows = [row_of(masks, p) for p in range(len(scores))]
    kind = label_type(len(rows))
    for t in range(num_frames):
        labels = None
        for p in np.argsort(-scores[:, t], kind='stable')[::-1]:
            mask = rows[p][t]
            labels = np.zeros(mask.shape, kind) if labels is None else labels
            labels[mask] = p + 1
        yield labels


def label_type(num_expressions: int) -> np.dtype:
    """Return the type of numbers that hold the labels of P expressions."""
    return np.dtype(np.uint8 if num_expressions <= 255 else np.int32)


def save_labels(
    path: PathLike, labels: Iterable[np.ndarray], *, shape: tuple[int, int, int], dtype: np.dtype
) -> Path:
    """Write T label maps as one array (T, H, W) in NumPy's ``.npy`` form, frame by frame."""
    with atomic_path(path) as temporary:
        array = np.lib.format.open_memmap(temporary, mode='w+', dtype=dtype, shape=shape)
        for t, frame in enumerate(labels):
            array[t] = frame
        array.flush()
        del array
    return Path(path)


def detections(
    masks: Any, *, texts: Sequence[str], scores: np.ndarray
) -> Iterator[supervision.Detections]:
    """Yield the ``supervision.Detections`` of T frames: the expressions with a mask in each.

    ``class_id`` is the position of the expression, ``tracker_id`` one more, ``confidence`` its
    score in the frame of ``scores`` (P, T), ``data['class_name']`` its text, and ``xyxy`` the box
    of its mask.

    Raises:
        MissingExtraError: supervision is not installed.
    """
    supervision = import_extra('supervision', 'supervision')
    rows = [row_of(masks, p) for p in range(len(texts))]
    return (_detections(supervision, rows, texts, scores[:, t], t) for t in range(scores.shape[1]))


def _detections(
    supervision: Any, rows: Sequence[Any], texts: Sequence[str], scores: np.ndarray, t: int
) -> supervision.Detections:
    shown = {p: mask for p, mask in enumerate(row[t] for row in rows) if mask.any()}
    if not shown:
        return supervision.Detections.empty()
    ids, masks = np.array(list(shown)), np.stack(list(shown.values()))
    return supervision.Detections(
        xyxy=supervision.mask_to_xyxy(masks).astype(np.float32),
        mask=masks,
        confidence=scores[ids],
        class_id=ids,
        tracker_id=ids + 1,
        data={'class_name': np.array([texts[p] for p in ids])},
    )
