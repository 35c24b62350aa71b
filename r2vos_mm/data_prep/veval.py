"""Convert pairs of a data set, with frames and masks, to a SA-Co/VEval file."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from r2vos_mm.datasets.base_referring_dataset import BaseReferringDataset
from r2vos_mm.datasets.io.mask_sources import JOINT
from r2vos_mm.datasets.records import Pair, VideoRecord
from r2vos_mm.registry import DATASETS
from r2vos_mm.utils.files import read_json
from r2vos_mm.utils.formats.pairs import FORMAT, read_pair_rows
from r2vos_mm.utils.formats.veval import VevalFile, veval_from_pairs
from r2vos_mm.utils.images import image_size
from r2vos_mm.utils.masks_io import encode_rle

Tracks = list[list[dict[str, Any] | None]]


def build_veval(
    reader: Mapping[str, Any], data_root: Path, *, pairs_file: Path | None = None
) -> VevalFile:
    """Return the SA-Co/VEval form of a data set; its file names are ``<video>/<frame>.jpg``.

    Each object of an expression becomes a track; without public masks there are none. ``reader`` is
    the config of the data set class. The pairs are its expressions, or the rows of a pairs file,
    which :func:`~r2vos_mm.utils.formats.veval.pairs_of` restores.

    Raises:
        DataFileError: a frame or mask cannot be read.
        FileNotFoundError, ValueError: a file cannot be used, or the data set cannot show a pair.
    """
    options = dict(data_root=str(data_root), test_mode=True, pipeline=[])
    if pairs_file is not None:
        options['pairs_file'] = str(pairs_file.resolve())
    dataset = DATASETS.build({**reader, **options})
    shown = {
        pair.pair_id: (video, pair)
        for video in dataset.videos
        for pair in dataset.test_pairs(video)
    }
    content = _own_pairs(dataset, shown) if pairs_file is None else read_json(pairs_file)
    if pairs_file is not None:
        names = [row['pair_id'] for row in read_pair_rows(pairs_file)]
        unusable = [name for name in names if name not in shown]
        if unusable:
            what = f'{len(unusable)} of its pairs, such as {unusable[0]!r}'
            raise ValueError(f'{pairs_file}: the data in {data_root} cannot show {what}')
    videos = {video.video_id: _video_entry(dataset, video) for video in dataset.videos}
    tracks = {name: tracks for name, tracks in _tracks(dataset, shown) if tracks is not None}
    has_masks = any(tracks.values())
    return veval_from_pairs(content, videos, tracks if has_masks else None)


def _own_pairs(
    dataset: BaseReferringDataset, shown: Mapping[str, tuple[VideoRecord, Pair]]
) -> dict[str, Any]:
    """Return the pairs that a data set tests without a pairs file, in the form of one."""
    rows = [
        dict(
            pair_id=pair.pair_id,
            video=video.video_id,
            exp_video=video.video_id,
            exp_id=pair.exp_id,
            exp=pair.text,
            obj_id=pair.obj_id if JOINT not in pair.obj_id else '',
            category=video.categories.get(pair.obj_id, ''),
            label=int(not pair.is_negative),
            kind=pair.kind,
            rank=0,
        )
        for video, pair in shown.values()
    ]
    return dict(format=FORMAT, name=f'{dataset.dataset_name}-{dataset.split}', pairs=rows)


def _video_entry(dataset: BaseReferringDataset, video: VideoRecord) -> dict[str, Any]:
    frames = dataset.frame_keys(video, video.frames)
    if 'video_path' in frames:
        raise ValueError(f'{dataset.dataset_name} has video files: SA-Co/VEval lists image files')
    height, width = image_size(frames['img_path'][0])
    names = [f'{video.frame_dir.name}/{Path(path).name}' for path in frames['img_path']]
    return dict(file_names=names, height=height, width=width)


def _tracks(
    dataset: BaseReferringDataset, shown: Mapping[str, tuple[VideoRecord, Pair]]
) -> Iterator[tuple[str, Tracks | None]]:
    """Yield the tracks of each pair; None where the masks are unknown."""
    known: dict[tuple[str, str], list[dict[str, Any] | None]] = {}
    for pair_id, (video, pair) in shown.items():
        if pair.is_negative:
            yield pair_id, []
            continue
        objects = pair.obj_id.split(JOINT) if pair.obj_id else []
        for name in (name for name in objects if (video.video_id, name) not in known):
            known[video.video_id, name] = list(_codes(dataset, video, name))
        tracks = [known[video.video_id, name] for name in objects]
        yield pair_id, tracks if tracks and all(tracks) else None


def _codes(
    dataset: BaseReferringDataset, video: VideoRecord, name: str
) -> Iterator[dict[str, Any] | None]:
    """Yield the run-length code of an object per frame; nothing if there are no masks."""
    paths = dataset.frame_keys(video, video.frames)['img_path']
    masks = dataset.mask_keys(video, video.frames, (name,)).get('target_masks', ())
    for path, source in zip(paths, masks):
        mask = source.read(name, *image_size(path))
        yield encode_rle(mask) if mask.any() else None
