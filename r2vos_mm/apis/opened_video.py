"""Open a video once, and segment it for expressions that are given later."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from r2vos_mm.datasets.io.frames import FrameSource
from r2vos_mm.datasets.io.sources import FrameInput
from r2vos_mm.models.segmentors import ReferringVideoSegmentor
from r2vos_mm.models.utils import TensorSpool
from r2vos_mm.utils.logging import quiet

from .inference import autocast, checked_length, checked_texts, features_of, opened_source
from .results.reading import result_of
from .results.video_segmentation import VideoSegmentation

MEMORY = 1024.0  # megabytes


@dataclass(eq=False)
class OpenedVideo:
    """A video whose features are computed once; made by :func:`open_video`.

    Attributes:
        model: what computed the features.
        source: its frames.
        size: (H0, W0).
        features: one entry per window, on the CPU.
        compress, precision: see :func:`segment_video`.
    """

    model: ReferringVideoSegmentor
    source: FrameSource
    size: tuple[int, int]
    features: TensorSpool
    compress: bool
    precision: str

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.source)

    def __enter__(self) -> OpenedVideo:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @quiet()
    def ask(self, texts: str | Sequence[str]) -> VideoSegmentation:
        """Segment the objects that one or P expressions name, as :func:`segment_video` does.

        Raises:
            ValueError: no expression or an empty one, or the video was closed.
        """
        texts = checked_texts(texts)
        if not len(self.features):
            raise ValueError(f'{self.source.title} was closed: open the video again')
        device = next(self.model.parameters()).device
        windows = (window._replace(clips=window.clips.to(device)) for window in self.features)
        with autocast(self.model, self.precision), self.model.collect(windows, texts) as video:
            return result_of(video, self.source, texts, self.size, compress=self.compress)

    def close(self) -> None:
        """Drop the features, and their temporary file if there is one."""
        self.features.close()


@quiet()
def open_video(
    model: ReferringVideoSegmentor,
    frames: FrameInput,
    *,
    frames_per_pass: int | None = None,
    cut_as_stream: bool = False,
    compress: bool = False,
    precision: str = 'auto',
    memory: float = MEMORY,
    on_progress: Callable[[int, int], None] | None = None,
) -> OpenedVideo:
    """Compute the features of a video, so that expressions can be given later.

    Results of :meth:`OpenedVideo.ask` are those of :func:`segment_video` with the same expressions
    in one call.

    Args:
        model: of :func:`init_model`.
        frames: what :func:`open_frames` takes.
        frames_per_pass, cut_as_stream, compress, precision, on_progress: see
            :func:`segment_video`.
        memory: megabytes of features in memory; more are kept in a temporary file, which ``TMPDIR``
            places. Features of a frame of 640 x 360 take about 30 MB for R2-VOS with a ResNet-50.

    Raises:
        FileNotFoundError, DataFileError, ValueError: see :func:`segment_video`.
        DiskFullError: there is no space left for the temporary file.
    """
    length, source = checked_length(model, frames_per_pass), opened_source(frames)
    size, features = next(iter(source)).shape[:2], TensorSpool(memory * 1e6)
    options = dict(cut_as_stream=cut_as_stream, on_progress=on_progress)
    try:
        with autocast(model, precision):
            for window in features_of(model, source, length, **options):
                features.append(window._replace(clips=window.clips.to('cpu')))
    except BaseException:
        features.close()
        raise
    return OpenedVideo(model, source, size, features, compress, precision)
