"""Answer the requests of the page: clips, jobs, results and downloads."""

from __future__ import annotations

import asyncio
import json
import math
import tempfile
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from r2vos_mm.apis.results.exporters import slug
from r2vos_mm.utils.formats.expressions import is_text
from r2vos_mm.visualization.writers import h264_library

from .clips import ClipStore, RefusedError, StoredClip, title_of
from .guard import Guard
from .jobs import DONE, FINAL, JobQueue, QueuedJob, Segment
from .results import DOWNLOADS, page_record

STATIC = Path(__file__).with_name('static')
MAX_JSON = 64 * 2**10  # bytes of a request that is not an upload
EVENT_SECONDS = 0.1  # between two looks at the progress of a job
# Pictures never change: their address has the random key of the clip.
FOR_EVER = {'Cache-Control': 'private, max-age=86400, immutable'}
FRESH = {'Cache-Control': 'no-store'}


@dataclass(eq=False)
class Page:
    """The state of the page, and its endpoints.

    Attributes:
        store, jobs: the clips and the queue.
        about: what the page shows of the model: ``model``, its name, and ``note``, which is shown
            with clips other than the samples; both may be missing.
    """

    store: ClipStore
    jobs: JobQueue
    about: Mapping[str, Any]
    _one_upload: asyncio.Lock = field(default_factory=asyncio.Lock)
    _one_download: asyncio.Lock = field(default_factory=asyncio.Lock)

    def routes(self) -> list[Route | Mount]:
        """Return all addresses."""
        return [
            Route('/', self.index),
            Mount('/static', StaticFiles(directory=STATIC)),
            Route('/api/about', self.send_about),
            Route('/api/clips', self.upload, methods=['POST']),
            Route('/api/samples/{name}', self.open_sample, methods=['POST']),
            Route('/api/samples/{name}/picture', self.sample_picture),
            Route('/api/clips/{key}/{index:int}.jpg', self.picture),
            Route('/api/jobs', self.submit, methods=['POST']),
            Route('/api/jobs/{key}', self.send_job, methods=['GET']),
            Route('/api/jobs/{key}', self.cancel, methods=['DELETE']),
            Route('/api/jobs/{key}/events', self.events),
            Route('/api/jobs/{key}/result', self.result),
            Route('/api/jobs/{key}/{name}', self.download),
        ]

    async def index(self, request: Request) -> Response:
        """Send the page."""
        return FileResponse(STATIC / 'index.html', headers={'Cache-Control': 'no-cache'})

    async def send_about(self, request: Request) -> Response:
        """Send the model's description, the limits and the samples."""
        names = ('upload_bytes', 'frames', 'texts', 'text_length')
        bounds = {name: getattr(self.store.limits, name) for name in names}
        samples = [dict(name=name, texts=texts) for name, (_, texts) in self.store.samples.items()]
        known = dict(
            model=self.about.get('model', ''),
            note=self.about.get('note'),
            h264=h264_library() is not None,
        )
        return JSONResponse(dict(known, limits=bounds, samples=samples), headers=FRESH)

    async def upload(self, request: Request) -> Response:
        """Store the body of the request, a video or an image called ``name``, as a clip."""
        name = request.query_params.get('name', '')
        async with self._one_upload:
            with self.store.receiving(name) as path:
                await self._receive(request, path)
                clip = await run_in_threadpool(
                    self.store.add_upload, path, name, keep=self._clips_in_use()
                )
        return JSONResponse(clip_record(clip), 201)

    async def _receive(self, request: Request, path: Path) -> None:
        limit = self.store.limits.upload_bytes
        message = f'the file is larger than {limit / 2**20:g} MB: cut the clip, or make it smaller'
        stated = request.headers.get('content-length', '')
        if stated.isdecimal() and int(stated) > limit:
            raise RefusedError(message, 413)
        size = 0
        with path.open('wb') as file:
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    raise RefusedError(message, 413)
                file.write(chunk)

    async def open_sample(self, request: Request) -> Response:
        """Send the clip of a sample."""
        return JSONResponse(clip_record(await self._sample(request)), 201)

    async def sample_picture(self, request: Request) -> Response:
        """Send the first frame of a sample."""
        clip = await self._sample(request)
        return FileResponse(self.store.picture(clip.key, 0), headers=FRESH)

    async def _sample(self, request: Request) -> StoredClip:
        name, keep = request.path_params['name'], self._clips_in_use()
        return await run_in_threadpool(self.store.open_sample, name, keep=keep)

    def _clips_in_use(self) -> Collection[str]:
        return {job.clip.key for job in self.jobs.unfinished()}

    async def picture(self, request: Request) -> Response:
        """Send one frame."""
        key, index = request.path_params['key'], request.path_params['index']
        return FileResponse(self.store.picture(key, index), headers=FOR_EVER)

    async def submit(self, request: Request) -> Response:
        """Queue a job: ``{"clip": key, "texts": [expression, ...]}``."""
        content = await read_json_body(request)
        clip = self.store[str(content.get('clip'))]
        texts = self.checked_texts(content.get('texts'))
        return JSONResponse(self.job_record(self.jobs.submit(clip, texts)), 202)

    def checked_texts(self, texts: Any) -> list[str]:
        """Return the expressions of a request.

        Raises:
            RefusedError: there are none or too many, or one is empty or too long.
        """
        limits = self.store.limits
        if not isinstance(texts, list) or not texts or not all(map(is_text, texts)):
            raise RefusedError('describe at least one object, in words')
        if len(texts) > limits.texts:
            raise RefusedError(f'at most {limits.texts} expressions at a time, got {len(texts)}')
        if max(map(len, texts)) > limits.text_length:
            raise RefusedError(f'an expression has at most {limits.text_length} characters')
        return texts

    async def send_job(self, request: Request) -> Response:
        """Send the state of a job."""
        return JSONResponse(self.job_record(self._job(request)), headers=FRESH)

    async def cancel(self, request: Request) -> Response:
        """Cancel a job."""
        job = self._job(request)
        self.jobs.cancel(job)
        return JSONResponse(self.job_record(job))

    async def events(self, request: Request) -> Response:
        """Send the state of a job whenever it changes, until it is final (server-sent events)."""
        job = self._job(request)

        async def changes() -> AsyncIterator[str]:
            last = None
            while last is None or last['state'] not in FINAL:
                record = self.job_record(job)
                if record != last:
                    yield f'data: {json.dumps(record)}\n\n'
                    last = record
                else:
                    await asyncio.sleep(EVENT_SECONDS)

        return StreamingResponse(changes(), media_type='text/event-stream', headers=FRESH)

    async def result(self, request: Request) -> Response:
        """Send masks, scores and verdicts of a job for the page."""
        result = self._finished(request).result
        return JSONResponse(await run_in_threadpool(page_record, result), headers=FRESH)

    async def download(self, request: Request) -> Response:
        """Send a file of :data:`DOWNLOADS`; ``threshold`` is that of the page's slider."""
        name = request.path_params['name']
        if name not in DOWNLOADS:
            raise RefusedError(f'there is no download {title_of(name)}', 404)
        job = self._finished(request)
        threshold = checked_threshold(
            request.query_params.get('threshold'), job.result.gate_threshold
        )
        write, media_type = DOWNLOADS[name]
        folder = tempfile.TemporaryDirectory(dir=self.store.root)
        title = slug(Path(job.clip.title).stem) or 'clip'
        path = Path(folder.name, name)
        try:
            self.store[job.clip.key]  # it may have been removed
            async with self._one_download:
                await run_in_threadpool(write, job.result.with_threshold(threshold), path)
        except BaseException:
            folder.cleanup()
            raise
        return FileResponse(
            path,
            media_type=media_type,
            filename=f'{title}_{name}',
            headers=FRESH,
            background=BackgroundTask(folder.cleanup),
        )

    def _job(self, request: Request) -> QueuedJob:
        return self.jobs[request.path_params['key']]

    def _finished(self, request: Request) -> QueuedJob:
        job = self._job(request)
        if job.state != DONE:
            raise RefusedError(f'this request is {job.state}: it has no result', 409)
        return job

    def job_record(self, job: QueuedJob) -> dict[str, Any]:
        """Return the state of a job as the page reads it."""
        return dict(
            key=job.key,
            state=job.state,
            position=self.jobs.position(job),
            done=job.done,
            total=job.total,
            error=job.error,
            seconds=round(job.seconds, 2),
        )


def clip_record(clip: StoredClip) -> dict[str, Any]:
    """Return a clip as the page reads it."""
    return dict(
        key=clip.key,
        title=clip.title,
        frames=len(clip),
        fps=clip.fps,
        size=list(clip.size),
        texts=list(clip.texts),
        is_sample=clip.is_sample,
        problem=clip.source.problem,
    )


async def read_json_body(request: Request) -> dict[str, Any]:
    """Return the object that a request carries.

    Raises:
        RefusedError: the body is not a JSON object, or too large.
    """
    body = b''
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_JSON:
            raise RefusedError('the request is too large', 413)
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise RefusedError('the request is not a JSON object')
    return content


def checked_threshold(value: str | None, default: float) -> float:
    """Return a threshold in [0, 1].

    Raises:
        RefusedError: it is not a number in [0, 1].
    """
    try:
        threshold = default if value is None else float(value)
    except ValueError:
        threshold = math.nan
    if not 0 <= threshold <= 1:
        raise RefusedError('threshold must be a number from 0 to 1')
    return threshold


async def _refused(request: Request, error: RefusedError) -> Response:
    return JSONResponse({'error': str(error)}, error.code)


async def _http_error(request: Request, error: HTTPException) -> Response:
    return JSONResponse({'error': error.detail}, error.status_code)


async def _disk_error(request: Request, error: OSError) -> Response:
    return JSONResponse({'error': f'the server cannot write: {error.strerror or error}'}, 507)


async def _gone(request: Request, error: ClientDisconnect) -> Response:
    return Response(status_code=499)


def build_app(
    store: ClipStore,
    segment: Segment,
    about: Mapping[str, Any] | None = None,
    *,
    hosts: Collection[str] = (),
    loopback_only: bool = True,
) -> Starlette:
    """Build the application; when it ends, jobs are cancelled and the store is removed.

    Arguments are those of :class:`JobQueue`, :class:`Page` and :class:`Guard`.
    """
    limits = store.limits
    jobs = JobQueue(segment, max_jobs=limits.jobs, max_results=limits.results)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await run_in_threadpool(jobs.close)
            store.close()

    return Starlette(
        routes=Page(store, jobs, about or {}).routes(),
        middleware=[Middleware(Guard, hosts=hosts, loopback_only=loopback_only)],
        exception_handlers={
            RefusedError: _refused,
            HTTPException: _http_error,
            ClientDisconnect: _gone,
            OSError: _disk_error,
        },
        lifespan=lifespan,
    )
