"""Clips: what is accepted, where it is stored, and when it is removed."""

import os
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from r2vos_mm.serve import ClipStore, Limits, find_samples
from r2vos_mm.serve.clips import (
    PREFIX,
    RefusedError,
    remove_folders_of_dead_servers,
    title_of,
)

SAMPLES = Path(__file__).parents[2] / 'configs' / 'samples'


def upload(store: ClipStore, content: bytes, name: str, **options):
    with store.receiving(name) as path:
        path.write_bytes(content)
        return store.add_upload(path, name, **options)


def test_an_upload_becomes_a_clip_with_pictures(store, clip_file):
    clip = upload(store, clip_file.read_bytes(), 'C:\\clips\\my square.MP4')
    assert (clip.title, len(clip), clip.fps, clip.size) == ('my square.MP4', 5, 5, (48, 80))
    assert store[clip.key] is clip
    assert clip.path.parent.parent == store.root
    assert clip.path.name == 'upload.mp4'  # nothing of the given name but its kind
    assert cv2.imread(str(store.picture(clip.key, 4))).shape == (48, 80, 3)
    for index in (-1, 5):
        with pytest.raises(RefusedError, match='does not exist'):
            store.picture(clip.key, index)


def test_an_image_is_a_clip_of_one_frame(store, frames):
    _, content = cv2.imencode('.png', frames[0])
    assert len(upload(store, content.tobytes(), 'a.png')) == 1


def test_large_frames_have_smaller_pictures(store):
    _, content = cv2.imencode('.png', np.zeros((400, 1200, 3), np.uint8))
    clip = upload(store, content.tobytes(), 'a.png')
    assert clip.size == (400, 1200)
    assert cv2.imread(str(store.picture(clip.key, 0))).shape == (320, 960, 3)


@pytest.mark.parametrize(
    ('name', 'content', 'message'),
    [
        ('notes.txt', b'', 'notes.txt is not a video or an image'),
        ('../../etc/passwd', b'', 'passwd is not a video or an image'),
        ('', b'', 'clip is not a video or an image'),
        ('empty.mp4', b'', r'empty.mp4 \(0 bytes\) has no video .* the file is empty'),
        ('web.mp4', b'<html>', 'web.mp4 .* it is a web page'),
        ('broken.png', b'\x89PNG', 'broken.png'),
    ],
)
def test_what_is_no_clip_is_refused_in_one_line(store, name, content, message):
    with pytest.raises(RefusedError, match=message) as caught:
        upload(store, content, name)
    assert '\n' not in str(caught.value)
    assert str(store.root) not in str(caught.value)
    assert not list(store.root.iterdir())


def test_clips_with_too_many_frames_are_refused(store, clip_file):
    store.limits = replace(store.limits, frames=4)
    with pytest.raises(RefusedError, match='a.mp4 has more than 4 frames: cut it'):
        upload(store, clip_file.read_bytes(), 'a.mp4')
    assert not list(store.root.iterdir())


def test_the_oldest_clips_make_room(clip_file):
    store = ClipStore(Limits(total_bytes=1))
    first, second = (upload(store, clip_file.read_bytes(), 'a.mp4') for _ in range(2))
    with pytest.raises(RefusedError, match='has been removed'):
        store[first.key]
    third = upload(store, clip_file.read_bytes(), 'a.mp4', keep=[second.key])
    assert store[second.key] is second
    assert {path.name for path in store.root.iterdir()} == {second.key, third.key}
    store.close()
    assert not store.root.exists()


def test_samples_are_opened_once(store):
    clip = store.open_sample('square')
    assert clip.is_sample
    assert clip.texts == ['the red square', 'the blue ring']
    assert store.open_sample('square') is clip
    with pytest.raises(RefusedError, match='no sample clip passwd'):
        store.open_sample('../passwd')


def test_the_samples_of_the_package():
    path, texts = find_samples(SAMPLES)['refshapes']
    assert path.is_file()
    assert len(texts) == 3


def test_titles_are_short_and_printable():
    assert title_of('a/b\\c\0d.mp4') == 'c d.mp4'
    assert title_of('x' * 100 + '.mp4') == 'x' * 75 + '….mp4'


def test_folders_of_killed_servers_are_removed(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
    dead = subprocess.Popen(['true'])
    dead.wait()
    names = [f'{PREFIX}{dead.pid}-x', f'{PREFIX}{os.getpid()}-x', f'{PREFIX}x', 'other']
    for name in names:
        (tmp_path / name).mkdir()
    remove_folders_of_dead_servers()
    assert {path.name for path in tmp_path.iterdir()} == set(names[1:])
