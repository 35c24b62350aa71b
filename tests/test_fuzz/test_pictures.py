"""Damaged masks and predictions are refused or listed; they never become other values."""

import contextlib
import io
import math
import re
import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest
from fuzzing import OUTCOMES, damaged_bytes, fuzz, time_limit, used_or_refused
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scripts import TOOLS
from tiny_sets import write_json

from r2vos_mm.utils.masks_io import read_label_png

FRAMES = ('00000', '00001', '00002')


def mask(index: int) -> np.ndarray:
    ids = np.zeros((24, 32), np.uint8)
    ids[4 : 12 + index, 6:20] = 1
    return ids


def png(index: int, *, scale: int = 1) -> bytes:
    out = io.BytesIO()
    Image.fromarray(mask(index) * scale).save(out, 'PNG')
    return out.getvalue()


@pytest.fixture(scope='module')
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ground truth of one video and one expression, and perfect predictions."""
    root = tmp_path_factory.mktemp('fuzz')
    for index, frame in enumerate(FRAMES):
        for path, scale in (('gt/park', 1), ('pred/park/0', 255)):
            (root / path).mkdir(parents=True, exist_ok=True)
            (root / path / f'{frame}.png').write_bytes(png(index, scale=scale))
    expressions = {'0': {'exp': 'a dog', 'obj_id': '1'}}
    videos = {'park': {'frames': list(FRAMES), 'expressions': expressions}}
    write_json(root / 'expressions.json', {'videos': videos})
    return root


def score(root: Path) -> tuple[int, float, str]:
    """Return the exit status, J, and everything printed."""
    argv = ['evaluate_masks.py', str(root / 'pred'), str(root / 'gt'), '--expressions']
    argv += [str(root / 'expressions.json'), '--processes', '1', '--protocol', 'per_expression']
    out, status = io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('sys.argv', argv)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out), time_limit():
            try:
                runpy.run_path(str(TOOLS / 'analysis_tools/evaluate_masks.py'), run_name='__main__')
            except SystemExit as end:
                status = int(end.code or 0)
    row = re.search(r'^ +J +F +J&F.*\n +([\d.nan]+)', out.getvalue(), re.M)
    return status, float(row.group(1)) if row else math.nan, out.getvalue()


@fuzz
@given(data=damaged_bytes(png(0)))
def test_masks(root: Path, data: bytes) -> None:
    path = root / 'mask.png'
    path.write_bytes(data)
    read = used_or_refused(lambda: read_label_png(path), str(path))
    assert read is None or np.array_equal(read, mask(0))


@fuzz
@given(
    frame=st.sampled_from(FRAMES),
    change=st.one_of(damaged_bytes(png(0, scale=255)), st.sampled_from(['gone', 'empty', 'large'])),
)
def test_predictions(root: Path, frame: str, change: bytes | str) -> None:
    """One damaged, missing or too large prediction: exit status 2 and no figure, or all is read."""
    path, whole = root / 'pred/park/0' / f'{frame}.png', root / 'whole'
    shutil.copytree(root / 'pred', whole)
    try:
        _apply(path, change)
        status, figure, text = score(root)
    finally:
        shutil.rmtree(root / 'pred')
        whole.rename(root / 'pred')
    OUTCOMES['figures'] += 1
    assert 'Traceback' not in text
    if math.isnan(figure):
        assert status == 2
        assert f'{frame}' in text or 'park' in text
    else:
        assert (figure, status) == (100.0, 0), text


def _apply(path: Path, change: bytes | str) -> None:
    if change == 'gone':
        path.unlink()
    elif change == 'large':
        Image.fromarray(np.zeros((48, 64), np.uint8)).save(path)
    elif change == 'empty':
        path.write_bytes(b'')
    elif path.stem == FRAMES[0]:
        path.write_bytes(change)


@pytest.mark.parametrize('name', ['.DS_Store', '._00000.png', 'Thumbs.db', 'desktop.ini'])
def test_side_files(root: Path, name: str) -> None:
    for folder in ('pred', 'pred/park', 'pred/park/0', 'gt', 'gt/park'):
        (root / folder / name).write_bytes(b'\x00\x05\x16\x07')
    try:
        status, figure, text = score(root)
    finally:
        for path in root.rglob(name):
            path.unlink()
    assert (status, figure) == (0, 100.0), text
