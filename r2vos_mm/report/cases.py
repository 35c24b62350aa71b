"""Choose the worst pairs of a run and draw some of their frames with predictions and truth."""

from __future__ import annotations

import base64
import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

from r2vos_mm.apis.gating import RecordMasks, open_predictions
from r2vos_mm.apis.results.mask_records import MaskRecord
from r2vos_mm.evaluation.mask_files import MaskFiles, PairTask, VideoTask
from r2vos_mm.evaluation.metrics.pair_scores import PairScores
from r2vos_mm.utils.data_issues import DataFileError
from r2vos_mm.visualization.views import spread

from .curves import mean_jf

if TYPE_CHECKING:
    from .runs import Run

NUM_FRAMES = 4
LONGER_SIDE, QUALITY = 288, 72


class Picture(NamedTuple):
    """One frame: a data URI of WebP, and its name."""

    uri: str
    frame: str


class PredictedMasks(NamedTuple):
    """The masks of a run after and, if known, before the gate."""

    gated: MaskFiles
    ungated: MaskFiles | None = None


class PairScene(NamedTuple):
    """Some frames of a pair: T RGB images (H, W, 3), their names, true masks (T, H0, W0) bool.

    ``truth`` is None if it is unknown.
    """

    frames: list[np.ndarray]
    names: list[str]
    truth: np.ndarray | None


def worst_positives(pairs: Iterable[PairScores], count: int) -> list[PairScores]:
    """Return the annotated pairs with the lowest J&F after the gate, the worst first."""
    known = [p for p in pairs if p.region is not None and p.gt_area and p.is_read]
    return sorted(known, key=lambda pair: (mean_jf(pair), pair.pair_id))[:count]


def false_alarms(pairs: Iterable[PairScores], count: int) -> list[PairScores]:
    """Return the negative pairs with the largest share of foreground after the gate."""
    known = [pair for pair in pairs if pair.is_negative and pair.is_read and pair.area]
    return sorted(known, key=lambda pair: (-pair.fraction, pair.pair_id))[:count]


def shown_frames(
    pair: PairScores, among: Collection[str] = (), *, count: int = NUM_FRAMES
) -> list[str]:
    """Return the names of some frames, of those with foreground if there are any.

    Foreground is the annotation, or a prediction before or after the gate.

    Args:
        pair: its scores.
        among: names to choose from, if the pair has any of them.
        count: maximum number.
    """
    areas = [pair.gt_areas or (), pair.areas, (pair.before_gate or pair).areas]
    names = dict(enumerate(pair.frame_ids))
    names = {i: name for i, name in names.items() if name in among} or names
    lively = [name for i, name in names.items() if any(a[i] > 0 for a in areas if a)]
    chosen = lively or list(names.values())
    return [chosen[i] for i in spread(len(chosen), count)]


def tasks_of(pairs: Iterable[PairScores]) -> list[VideoTask]:
    """Return the pairs by video, with the folders in which masks on disk are."""
    by_video: dict[str, list[PairScores]] = {}
    for pair in pairs:
        by_video.setdefault(pair.video, []).append(pair)
    return [
        VideoTask(
            video,
            members[0].frame_ids,
            tuple(
                PairTask(p.pair_id, mask_folder(p), p.expression, p.kind, p.is_negative)
                for p in members
            ),
        )
        for video, members in by_video.items()
    ]


def mask_folder(pair: PairScores) -> str:
    """Return the folder of a pair's masks, see :func:`r2vos_mm.evaluation.mask_files.pair_folder`.

    The id of a negative pair is ``<exp_video>/<exp_id>/n<rank>``.
    """
    if not pair.is_negative:
        return pair.pair_id.removesuffix('/p')
    return f'{pair.video}/{pair.pair_id.replace("/", "_")}'


def open_run_masks(run: Run) -> PredictedMasks:
    """Open the masks of a run.

    Raises:
        FileNotFoundError, ValueError: they are unknown, cannot be read, or have none of the pairs.
    """
    if run.masks_path is None:
        raise ValueError('no masks are known')
    tasks = tasks_of(run.pairs)
    if run.masks_path.suffix != '.pkl':
        return PredictedMasks(open_predictions(run.masks_path, tasks))
    from r2vos_mm.engine.dump import read_predictions

    videos = read_predictions(run.masks_path)
    keys = [key for key in ('masks', 'ungated_masks') if all(key in video for video in videos)]
    return PredictedMasks(
        *(RecordMasks(run.masks_path, _records(videos, key), tasks) for key in keys)
    )


def _records(videos: Sequence[Mapping[str, Any]], key: str) -> list[MaskRecord]:
    return [
        MaskRecord(video['video_id'], text, codes, tuple(codes[0]['size']), video['frame_ids'])
        for video in videos
        for text, codes in zip(video['sentences'], video[key])
    ]


class PairFrames:
    """Load frames and true masks of pairs through the data set of a test.

    Args:
        config: dumped config of the test.
        data_root: folder of the data, instead of that in the config.

    Raises:
        ValueError: the data set cannot be built; the message has the reason.
    """

    def __init__(self, config: Mapping[str, Any], data_root: Path | None = None) -> None:
        from mmengine.registry import init_default_scope

        from r2vos_mm.registry import DATASETS
        from r2vos_mm.utils.cli import as_usage_error

        init_default_scope(config.get('default_scope', 'r2vos_mm'))
        settings = dict((config.get('test_dataloader') or {}).get('dataset') or {})
        if data_root is not None:
            settings['data_root'] = str(data_root)
        with as_usage_error('the data set of the test cannot be opened'):
            self.dataset = DATASETS.build(settings)
        if not hasattr(self.dataset, 'excerpt'):
            raise ValueError(f'{type(self.dataset).__name__} does not give single frames')
        self._numbers = {record.video_id: i for i, record in enumerate(self.dataset.videos)}

    def load(self, pair: PairScores, among: Collection[str] = ()) -> PairScene:
        """Return some frames of a pair; arguments as of :func:`shown_frames`.

        Raises:
            KeyError: the data set lacks the video or the pair.
            DataFileError: a file is missing or broken.
        """
        if pair.video not in self._numbers:
            raise KeyError(f'the data set has no video {pair.video}')
        names = shown_frames(pair, among)
        item = self.dataset.excerpt(self._numbers[pair.video], pair.pair_id, names)
        frames = list(item['inputs'].permute(0, 2, 3, 1).numpy())
        truth = item['data_samples'].gt_pairs.get('masks')
        truth = None if truth is None or pair.is_negative else truth[0].numpy()
        return PairScene(frames, names, truth)


def draw_pair(
    pair: PairScores, scene: PairScene, masks: PredictedMasks | None, threshold: float
) -> list[Picture]:
    """Draw the frames of a scene with the masks of one run.

    Args:
        pair: scores of the run.
        scene: frames of the pair.
        masks: masks of the run; None draws the truth alone.
        threshold: of the run's gate; below it the masks before the gate are drawn dashed.

    Raises:
        DataFileError: a mask is broken, or missing.
    """
    from r2vos_mm.visualization import PairView, Style, draw_frame

    predicted, rejected = (
        None if source is None else _read_masks(source, pair, scene)
        for source in (masks or PredictedMasks(None))
    )
    view = PairView(
        pair.expression,
        masks=predicted,
        true_masks=scene.truth,
        rejected_masks=rejected,
        consensus=pair.consensus,
        threshold=threshold,
    )
    style = Style(shorter=160, longer=LONGER_SIDE)
    images = [draw_frame(frame, view, i, style=style) for i, frame in enumerate(scene.frames)]
    return [Picture(data_uri(image), name) for image, name in zip(images, scene.names)]


def _read_masks(source: MaskFiles, pair: PairScores, scene: PairScene) -> np.ndarray:
    found = []
    for name in scene.names:
        place = pair.frame_ids.index(name) if name in pair.frame_ids else None
        mask = None if place is None else source.read(mask_folder(pair), name, place)
        if mask is None:
            raise DataFileError(f'{source.path} has no mask of {pair.pair_id}, frame {name}')
        found.append(mask > 0)
    return np.stack(found)


def data_uri(image: np.ndarray) -> str:
    """Return an RGB image (H, W, 3) uint8 as a data URI of WebP."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, 'WEBP', quality=QUALITY, method=4)
    return f'data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}'
