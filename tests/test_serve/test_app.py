"""The addresses of the page, without a browser."""

import io
import json
import re
from zipfile import ZipFile

import cv2
import numpy as np
import pytest
from clocks import wait_until
from red_model import BLUE_RING, RED_SQUARE

testclient = pytest.importorskip('starlette.testclient', reason='the extra web is not installed')

from pycocotools import mask as coco_mask  # noqa: E402

from r2vos_mm.serve import build_app  # noqa: E402
from r2vos_mm.serve.app import STATIC  # noqa: E402
from r2vos_mm.serve.results import COLOURS, DOWNLOADS  # noqa: E402

ABOUT = dict(model='red', note='only red')


@pytest.fixture
def client(store, red_model):
    with testclient.TestClient(build_app(store, red_model, ABOUT), 'http://localhost') as client:
        yield client


def submit(client, *texts: str) -> str:
    """Run a job on the sample and return its address."""
    clip = client.post('/api/samples/square').json()
    job = client.post('/api/jobs', json=dict(clip=clip['key'], texts=texts)).json()
    address = f'/api/jobs/{job["key"]}'
    wait_until(lambda: client.get(address).json()['state'] == 'done')
    return address


def error_of(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()['error']


def test_the_page_and_its_files(client):
    page = client.get('/')
    assert page.headers['content-type'].startswith('text/html')
    assert "default-src 'none'" in page.headers['content-security-policy']
    for name in ('main.js', 'style.css', 'icon.svg'):
        assert client.get(f'/static/{name}').status_code == 200
    assert 'http://' not in page.text
    assert 'https://' not in page.text


@pytest.mark.parametrize(
    'path',
    [
        '/static/../app.py',
        '/static/%2e%2e/app.py',
        '/static/..%2fapp.py',
        '/static//etc/passwd',
        '/static/%2fetc/passwd',
        '/../app.py',
        '/api/clips/../../etc/passwd',
        '/api/clips/..%2f..%2fetc/0.jpg',
        '/api/samples/..%2f..%2fetc%2fpasswd/picture',
        '/api/jobs/x/..%2f..%2fapp.py',
    ],
)
def test_nothing_outside_is_served(client, path):
    request = client.build_request('GET', 'http://localhost')
    request.url = request.url.copy_with(raw_path=path.encode())
    answer = client.send(request)
    assert answer.status_code in (400, 404)
    assert 'import' not in answer.text
    assert 'root:' not in answer.text


def test_about_and_sample(client):
    about = client.get('/api/about').json()
    assert about['model'] == 'red'
    assert about['note'] == 'only red'
    assert about['samples'] == [dict(name='square', texts=[RED_SQUARE, BLUE_RING])]
    assert about['limits'] == dict(upload_bytes=100_000, frames=8, texts=3, text_length=40)
    assert client.get('/api/samples/square/picture').headers['content-type'] == 'image/jpeg'
    clip = client.post('/api/samples/square').json()
    assert clip['size'] == [48, 80]
    assert client.get(f'/api/clips/{clip["key"]}/4.jpg').status_code == 200
    assert client.get(f'/api/clips/{clip["key"]}/5.jpg').status_code == 404
    assert client.get(f'/api/clips/{clip["key"]}/-1.jpg').status_code == 404


def test_upload(client, store, clip_file):
    content = clip_file.read_bytes()
    answer = client.post('/api/clips', params=dict(name='../a.mp4'), content=content)
    assert answer.status_code == 201
    clip = answer.json()
    assert (clip['title'], clip['frames'], clip['is_sample']) == ('a.mp4', 5, False)
    assert client.get(f'/api/clips/{clip["key"]}/0.jpg').status_code == 200


def test_uploads_that_are_too_large(client, store):
    answer = client.post('/api/clips?name=a.mp4', content=b'x' * 100_001)
    assert error_of(answer) == (
        413,
        'the file is larger than 0.0953674 MB: cut the clip, or make it smaller',
    )
    # Without a stated length, what comes is counted.
    answer = client.post('/api/clips?name=a.mp4', content=(b'x' * 60_000 for _ in range(2)))
    assert answer.status_code == 413
    assert not list(store.root.iterdir())


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('no json', 'not a JSON object'),
        ('[1]', 'not a JSON object'),
        ('[' * 50_000, 'not a JSON object'),
        ('{' + ' ' * 70_000, 'too large'),
        ('{"clip": "x", "texts": ["a"]}', 'has been removed'),
        ('{"clip": "KEY", "texts": []}', 'describe at least one object'),
        ('{"clip": "KEY", "texts": "a"}', 'describe at least one object'),
        ('{"clip": "KEY", "texts": [" "]}', 'describe at least one object'),
        ('{"clip": "KEY", "texts": [1]}', 'describe at least one object'),
        ('{"clip": "KEY", "texts": ["\\ud800"]}', 'describe at least one object'),
        ('{"clip": "KEY", "texts": ["a", "b", "c", "d"]}', 'at most 3 expressions at a time'),
        ('{"clip": "KEY", "texts": ["' + 41 * 'a' + '"]}', 'at most 40 characters'),
    ],
)
def test_requests_that_are_refused(client, content, message):
    key = client.post('/api/samples/square').json()['key']
    status, error = error_of(client.post('/api/jobs', content=content.replace('KEY', key)))
    assert 400 <= status < 500
    assert message in error
    assert '\n' not in error


def test_other_names_and_sites_are_refused(client):
    assert client.get('/', headers=dict(host='rebound.example')).status_code == 403
    headers = dict(origin='http://example.com')
    assert client.post('/api/samples/square', headers=headers).status_code == 403


def test_events_end_with_the_job(client, red_model):
    red_model.gate.clear()
    clip = client.post('/api/samples/square').json()
    job = client.post('/api/jobs', json=dict(clip=clip['key'], texts=[RED_SQUARE])).json()
    red_model.gate.set()
    with client.stream('GET', f'/api/jobs/{job["key"]}/events') as answer:
        assert answer.headers['content-type'].startswith('text/event-stream')
        events = [json.loads(line[6:]) for line in answer.iter_lines() if line]
    assert events[-1]['state'] == 'done'
    assert events[-1]['done'] == 5


def test_cancel(client, red_model):
    red_model.gate.clear()
    clip = client.post('/api/samples/square').json()
    job = client.post('/api/jobs', json=dict(clip=clip['key'], texts=[RED_SQUARE])).json()
    address = f'/api/jobs/{job["key"]}'
    assert client.delete(address).json()['state'] == 'cancelled'
    assert error_of(client.get(f'{address}/result'))[0] == 409
    red_model.gate.set()


def test_result(client):
    result = client.get(submit(client, RED_SQUARE, BLUE_RING) + '/result').json()
    assert result['texts'] == [RED_SQUARE, BLUE_RING]
    assert result['consensus'] == [0.9, 0.2]
    # The square has 16 x 16 of 48 x 80 pixels; both expressions have it before the verdict.
    assert np.allclose(result['areas'], 256 / 3840, atol=0.01)
    code = dict(size=result['size'], counts=result['codes'][1][0].encode())
    assert coco_mask.decode(code)[24, 16] == 1


def test_downloads_follow_the_threshold(client):
    address = submit(client, RED_SQUARE, BLUE_RING)
    folders = ('0_the_red_square', '1_the_blue_ring')
    names = {f'{folder}/{t:05d}.png' for t in range(5) for folder in folders}
    for threshold, found in ((0.5, [True, False]), (0.1, [True, True]), (0.95, [False, False])):
        query = f'?threshold={threshold}'
        records = client.get(f'{address}/masks.json{query}').json()
        assert [record['found'] for record in records] == found
        codes = [record['segmentations'][0] for record in records]
        assert [code is not None for code in codes] == found
        masks = ZipFile(io.BytesIO(client.get(f'{address}/masks.zip{query}').content))
        assert set(masks.namelist()) == names | {'result.json'}
        pixels = decoded(masks.read('1_the_blue_ring/00000.png'))
        assert bool(pixels.any()) == found[1]
        cutouts = ZipFile(io.BytesIO(client.get(f'{address}/cutouts.zip{query}').content))
        assert sum(name.endswith('.png') for name in cutouts.namelist()) == 5 * sum(found)


def decoded(content: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)


def test_files_for_other_tools(client):
    address = submit(client, RED_SQUARE, BLUE_RING)
    tracks = client.get(f'{address}/youtube_vis.json').json()['annotations']
    assert len(tracks) == 1
    pairs = client.get(f'{address}/veval.json').json()['video_np_pairs']
    assert [pair['num_masklets'] for pair in pairs] == [1, 0]


def test_files_have_the_colours_of_the_page():
    found = re.findall(r'--c\d: #(\w{6});', (STATIC / 'style.css').read_text())
    assert [tuple(bytes.fromhex(colour)) for colour in found] == list(COLOURS)


def test_static_files_name_no_other_site():
    for path in STATIC.iterdir():
        text = path.read_text().replace('http://www.w3.org/2000/svg', '')
        assert not re.search(r'(?:https?:)?//\w+\.\w+', text), path.name


def test_cutouts_are_transparent_outside(client):
    content = client.get(submit(client, RED_SQUARE) + '/cutouts.zip').content
    image = decoded(ZipFile(io.BytesIO(content)).read('0_the_red_square/00000.png'))
    assert image[24, 16, 3] == 255
    assert image[24, 16, 2] > 180  # red, as BGRA
    assert image[4, 40].tolist() == [0, 0, 0, 0]


def test_overlay_is_a_video_with_coloured_masks(client, tmp_path):
    answer = client.get(submit(client, RED_SQUARE) + '/overlay.mp4')
    assert answer.headers['content-type'] == 'video/mp4'
    assert 'square_overlay.mp4' in answer.headers['content-disposition']
    (tmp_path / 'a.mp4').write_bytes(answer.content)
    video = cv2.VideoCapture(str(tmp_path / 'a.mp4'))
    frames = [video.read()[1] for _ in range(int(video.get(cv2.CAP_PROP_FRAME_COUNT)))]
    assert len(frames) == 5
    blue, _, red = frames[0][24, 16].astype(int)
    assert blue > 100 > red - 60  # (220, 30, 30) below half of (38, 132, 255)
    assert frames[0].shape == (48, 80, 3)


@pytest.mark.parametrize('query', ['threshold=x', 'threshold=nan', 'threshold=-0.1', 'threshold='])
def test_thresholds_are_numbers(client, query):
    address = submit(client, RED_SQUARE)
    assert error_of(client.get(f'{address}/masks.json?{query}'))[0] == 400
    assert error_of(client.get(f'{address}/app.py'))[0] == 404


def test_downloads_leave_nothing_behind(client, store):
    address = submit(client, RED_SQUARE)
    before = set(store.root.iterdir())
    for name in DOWNLOADS:
        assert client.get(f'{address}/{name}').status_code == 200
    assert set(store.root.iterdir()) == before


def test_the_end_removes_everything(store, red_model):
    with testclient.TestClient(build_app(store, red_model, ABOUT), 'http://localhost') as client:
        submit(client, RED_SQUARE)
        assert list(store.root.iterdir())
    assert not store.root.exists()
