"""The page in a headless browser, with the shipped checkpoint and the sample clip."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import cv2
import numpy as np
import pytest

pytest.importorskip('uvicorn', reason='the extra web is not installed')

import uvicorn  # noqa: E402

from r2vos_mm.apis import init_model  # noqa: E402
from r2vos_mm.engine.model_index import config_file  # noqa: E402
from r2vos_mm.serve import ClipStore, Limits, build_app, find_samples, segment_clip  # noqa: E402
from r2vos_mm.serve.server import listening_socket  # noqa: E402

CONFIGS = Path(__file__).parents[2] / 'configs'
CLIP = CONFIGS / 'samples' / 'refshapes.mp4'
PRESENT, ABSENT = 'the large red square', 'the plain white circle on the right'
NOTE = 'This model knows drawn shapes only.'
READY = 'body[data-ready]'


@pytest.fixture(scope='module')
def address() -> Iterator[str]:
    """Address of a running server."""
    model = init_model(
        CONFIGS / 'r2vos_tiny_refshapes.py',
        CONFIGS / 'checkpoints' / 'r2vos_tiny_refshapes.pth',
        device='cpu',
    )
    samples = find_samples(CONFIGS / 'samples', config_file('r2vos_tiny'))
    store = ClipStore(Limits(upload_bytes=100_000, frames=20), samples)
    about = dict(model='r2vos_tiny_refshapes', note=NOTE)
    app = build_app(store, lambda *job: segment_clip(model, *job), about)
    listener = listening_socket('127.0.0.1', 0)
    server = uvicorn.Server(uvicorn.Config(app, log_level='error', timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs=dict(sockets=[listener]), daemon=True)
    thread.start()
    yield f'http://127.0.0.1:{listener.getsockname()[1]}/'
    server.should_exit = True
    thread.join(20)
    assert not store.root.exists()


@pytest.fixture
def page(browser, address) -> Iterator:
    """A page without errors; motion is reduced, so that it does not play by itself."""
    context = browser.new_context(
        viewport=dict(width=1280, height=860), reduced_motion='reduce', accept_downloads=True
    )
    page, problems = context.new_page(), []
    page.set_default_timeout(60_000)
    page.on('pageerror', lambda error: problems.append(str(error)))
    page.on('console', lambda line: line.type == 'error' and problems.append(line.text))
    page.on(
        'request', lambda request: request.url.startswith(address) or problems.append(request.url)
    )
    page.goto(address)
    page.wait_for_selector(READY)
    yield page
    context.close()
    # A refused request is logged by browsers, too.
    assert not [text for text in problems if 'status of 4' not in text and 'blob:' not in text]


def wait_for_frame(page) -> None:
    """Wait until a frame is drawn; the canvas is of one colour before."""
    page.wait_for_function(
        """() => {
            const { width, height } = document.getElementById('canvas');
            const context = document.getElementById('canvas').getContext('2d');
            const { data } = context.getImageData(0, 0, width, height);
            return data.some((value, at) => value !== data[at % 4]);
        }"""
    )


def pixels(page) -> np.ndarray:
    """Colours (h, w, 3) of the canvas, at a quarter of its size."""
    values = page.evaluate(
        """() => {
            const canvas = document.getElementById('canvas');
            const { width, height } = canvas;
            const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
            const found = [];
            for (let y = 0; y < height; y += 4) {
                for (let x = 0; x < width; x += 4) {
                    const at = 4 * (y * width + x);
                    found.push(data[at], data[at + 1], data[at + 2]);
                }
            }
            return [Math.ceil(height / 4), Math.ceil(width / 4), found];
        }"""
    )
    return np.array(values[2]).reshape(values[0], values[1], 3)


def upload(page, path: Path) -> None:
    page.set_input_files('#file', path)
    page.wait_for_selector('#time:has-text("1/8")')


def find(page, *texts: str) -> None:
    for text in texts:
        page.fill('#text', text)
        page.press('#text', 'Enter')
    page.click('#run')
    page.wait_for_selector('#results:not([hidden])')


def move_threshold(page, value: float) -> None:
    page.evaluate(
        """value => {
            const slider = document.getElementById('threshold');
            slider.value = value;
            slider.dispatchEvent(new Event('input', { bubbles: true }));
        }""",
        value,
    )


def badges(page) -> list[str]:
    return page.locator('.badge').all_inner_texts()


def save(page, name: str, folder: Path) -> Path:
    with page.expect_download() as download:
        page.locator(f'a[href*="{name}"]').click()
    download.value.save_as(folder / name)
    return folder / name


def test_from_upload_to_downloads(page, tmp_path):
    start = time.monotonic()
    upload(page, CLIP)
    assert page.inner_text('#alert') == NOTE
    before = pixels(page)
    find(page, PRESENT, ABSENT)
    print(f'upload to first mask: {time.monotonic() - start:.1f} s')

    # Verdict, bar and lane of each expression.
    assert badges(page) == ['✓ in the clip', '✗ not in the clip']
    values = [float(text) for text in page.locator('.value').all_inner_texts()]
    assert values[0] > 0.9
    assert values[1] < 0.2
    assert page.locator('.lane').nth(0).locator('rect').count() == 8
    lines = page.locator('.limit').all()
    slider = page.locator('#threshold').bounding_box()
    for line in lines:  # the thumb of the slider, 20 pixels wide, is above the lines
        thumb = slider['x'] + 10 + 0.3 * (slider['width'] - 20)
        assert abs(line.bounding_box()['x'] + 1 - thumb) < 2

    # The mask of the red square is blue, and nothing else changed.
    after = pixels(page)
    changed = np.abs(after - before).max(-1) > 30
    is_red = (before[..., 0] > 150) & (before[..., 1:] < 90).all(-1)
    assert is_red.sum() > 50
    assert changed[is_red].mean() > 0.9
    assert changed.mean() < 0.2
    assert after[is_red][:, 2].mean() > before[is_red][:, 2].mean() + 60

    # The slider judges again, without another request to the model.
    page.on('request', lambda request: pytest.fail(request.url) if 'jobs' in request.url else None)
    move_threshold(page, 0)
    assert badges(page) == ['✓ in the clip'] * 2
    assert (np.abs(pixels(page) - before).max(-1) > 30).sum() > changed.sum()
    move_threshold(page, 1)
    assert badges(page)[1] == '✗ not in the clip'
    move_threshold(page, 0.3)
    page.uncheck('.name input >> nth=0')
    assert np.abs(pixels(page) - before).max() < 30
    page.check('.name input >> nth=0')


def test_downloads_open(page, tmp_path):
    upload(page, CLIP)
    find(page, PRESENT, ABSENT)
    records = json.loads(save(page, 'masks.json', tmp_path).read_text())
    assert [record['found'] for record in records] == [True, False]
    with ZipFile(save(page, 'masks.zip', tmp_path)) as archive:
        assert sum(name.endswith('.png') for name in archive.namelist()) == 16
    with ZipFile(save(page, 'cutouts.zip', tmp_path)) as archive:
        assert sum(name.endswith('.png') for name in archive.namelist()) == 8
    video = cv2.VideoCapture(str(save(page, 'overlay.mp4', tmp_path)))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 8
    for name in ('youtube_vis.json', 'veval.json'):
        assert json.loads(save(page, name, tmp_path).read_text())['videos']


def test_effects_and_keys(page):
    page.click('.sample')
    page.wait_for_selector('#suggestion-list button')
    wait_for_frame(page)
    before = pixels(page)
    page.click(f'#suggestion-list button:has-text("{PRESENT}")')
    page.click('#run')
    page.wait_for_selector('#results:not([hidden])')
    outside = np.abs(pixels(page) - before).max(-1) < 5
    page.locator('#effects span', has_text='Cut-out').click()
    cut = pixels(page)
    assert cut[outside].mean() < 20  # transparent
    page.locator('#effects span', has_text='Blur').click()
    assert cut[outside].mean() < pixels(page)[outside].mean() < before[outside].mean()
    page.locator('#effects span', has_text='None').click()
    assert np.abs(pixels(page) - before).max() < 5

    page.focus('#canvas')
    for key, number in (('ArrowRight', 2), ('End', 8), ('ArrowRight', 1), ('ArrowLeft', 8)):
        page.keyboard.press(key)
        page.wait_for_selector(f'#time:has-text("{number}/8")')
    page.keyboard.press('Space')
    page.wait_for_selector('#time:has-text("2/8")')
    assert page.get_attribute('#play', 'aria-label') == 'Pause'


def test_mistakes_are_shown_in_one_line(page, tmp_path):
    (tmp_path / 'notes.txt').write_text('hello')
    (tmp_path / 'large.mp4').write_bytes(b'x' * 200_000)
    for name, message in (('notes.txt', 'not a video'), ('large.mp4', 'more than 0 MB')):
        page.set_input_files('#file', tmp_path / name)
        page.wait_for_selector(f'#alert:has-text("{message}")')
    assert page.is_disabled('#run')


@pytest.mark.parametrize('width', [1280, 390])
def test_nothing_is_wider_than_the_window(page, width):
    page.set_viewport_size(dict(width=width, height=844))
    upload(page, CLIP)
    find(page, PRESENT, 'a' * 60, 'the plain white circle on the left of the large red square')
    assert page.evaluate('document.documentElement.scrollWidth') <= width
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll('button, input, a, canvas')].filter(node =>
            !(node.labels?.length || node.ariaLabel || node.textContent.trim())).length"""
    )
    assert unnamed == 0
