"""Label videos with Ray Data: a class for ``map_batches``, and an engine of collections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from r2vos_mm.utils.lazy import import_extra

from .manifest import Job
from .work import CollectionRun, VideoError, Worker

if TYPE_CHECKING:
    import pyarrow

    from .folder import CollectionFolder

_FIELDS = ('id', 'video', 'expression', 'index', 'score', 'consensus', 'found', 'windows_found')
_FIELDS += ('size', 'frames', 'scores', 'segmentations', 'error')


class BatchLabeller:
    """Segment batches of videos: a class for ``ray.data.Dataset.map_batches``.

    Ray builds it once per actor. A batch has the columns ``id``, ``video`` and ``expressions``, and
    may have ``span``. The result has a row per video and expression with the columns of a
    collection's rows (docs/collections.md); ``error`` is null, or the reason why a video cannot be
    segmented, which then has one row.

    Args:
        model, weights, **options: see :class:`.labeller.VideoLabeller`.

    Raises:
        MissingExtraError: Ray is not installed.

    Examples:
        >>> ds = ray.data.read_json('jobs.jsonl')  # doctest: +SKIP
        >>> ds = ds.map_batches(
        ...     BatchLabeller,
        ...     fn_constructor_args=['r2vos_tiny'],
        ...     concurrency=2,
        ...     num_gpus=1,
        ...     batch_size=1,
        ... )  # doctest: +SKIP
        >>> ds.write_parquet('labels')  # doctest: +SKIP
    """

    def __init__(self, model: Any, weights: Any = None, **options: Any) -> None:
        from .labeller import VideoLabeller

        import_extra('ray.data', 'ray')
        self.worker = Worker(None, VideoLabeller(model, weights, **options))

    def __call__(self, batch: dict[str, Any]) -> pyarrow.Table:
        """Return the rows of a batch of videos."""
        import pyarrow

        rows = [row for job in _jobs(batch) for row in self._rows(job)]
        return pyarrow.Table.from_pylist(rows, schema=schema())

    def _rows(self, job: Job) -> list[dict[str, Any]]:
        try:
            return [{**row, 'error': None} for row in self.worker.rows_of(job)]
        except VideoError as error:
            return [dict(id=job.id, video=job.shown, error=str(error))]


def schema() -> pyarrow.Schema:
    """Return the columns of :class:`BatchLabeller`'s rows."""
    import pyarrow as pa

    text, number = pa.string(), pa.float64()
    numbers = pa.list_(pa.int64())
    code = pa.struct([('size', numbers), ('counts', text)])
    kinds = (text, text, text, pa.int64(), number, number, pa.bool_(), pa.list_(numbers))
    kinds += (numbers, pa.list_(text), pa.list_(number), pa.list_(code), text)
    return pa.schema(list(zip(_FIELDS, kinds, strict=True)))


def run_on_ray(
    run: CollectionRun, folder: CollectionFolder, *, actors: int, show_progress: bool
) -> None:
    """Do the units of a collection in Ray Data's actors, which build the model once each.

    Ray starts lost actors again; what they had claimed is taken over.
    """
    ray, data = import_extra('ray', 'ray'), import_extra('ray.data', 'ray')
    if not ray.is_initialized():
        ray.init(ignore_reinit_error=True, log_to_driver=show_progress)
    data.DataContext.get_current().enable_progress_bars = False
    gpus = 1 if ray.cluster_resources().get('GPU') else 0
    # The folder has no tasks before the first actor has planned them. Spans of long videos are
    # more units than there are videos: these are left for another round.
    tickets = len(folder.jobs)
    while tickets:
        # Items need no task that reads them, for which actors on all CPUs leave none.
        items = data.from_items(list(range(tickets)), override_num_blocks=tickets)
        done = items.map_batches(
            _UnitDoer, fn_constructor_args=[run], batch_size=1, concurrency=actors, num_gpus=gpus
        )
        done.materialize()
        folder.load()
        tickets = folder.num_left()


class _UnitDoer:
    """Do one unit per row, whichever is next."""

    def __init__(self, run: CollectionRun) -> None:
        self.worker = run.worker()

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        return dict(unit=[self.worker.run_next() or '' for _ in batch['item']])


def _jobs(batch: dict[str, Any]) -> list[Job]:
    columns = [batch[name] for name in ('id', 'video', 'expressions')]
    spans = batch.get('span', [None] * len(columns[0]))
    # Ray gives NaN where all spans of a block are null.
    ranges = [tuple(map(int, span)) if hasattr(span, '__len__') else None for span in spans]
    return [
        Job(str(name), str(video), tuple(map(str, texts)), span)
        for name, video, texts, span in zip(*columns, ranges)
    ]
