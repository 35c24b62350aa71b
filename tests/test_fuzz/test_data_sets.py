"""Damaged data sets are checked to the end, and damaged archives are unpacked whole or refused."""

import io
import json
import shutil
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from fuzzing import damaged, damaged_bytes, fuzz, time_limit, used_or_refused
from hypothesis import given
from hypothesis import strategies as st
from tiny_sets import write_set

from r2vos_mm.data_prep.prepare import prepare
from r2vos_mm.data_prep.r2_pairs import build_r2_pairs
from r2vos_mm.data_prep.verify import check_set

SENTENCES = 'meta_expressions/train/meta_expressions.json'
MEMBERS = {f'train/JPEGImages/v/{k:05d}.jpg': bytes(range(k, k + 200)) for k in range(3)}


@pytest.fixture(scope='module')
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound set with a pairs file."""
    folder = write_set(tmp_path_factory.mktemp('fuzz') / 'set')
    pairs = build_r2_pairs(folder / SENTENCES, categories=folder / 'train/meta.json').content
    (folder / 'pairs').mkdir()
    (folder / 'pairs/p.json').write_text(json.dumps(pairs))
    assert check_set(folder).is_sound
    return folder


@fuzz
@given(data=st.data())
@pytest.mark.parametrize('name', [SENTENCES, 'train/meta.json', 'pairs/p.json'])
def test_check_of_damaged_annotations(root: Path, name: str, data: st.DataObject) -> None:
    path = root / name
    original = path.read_bytes()
    content = data.draw(damaged(json.loads(original)))
    path.write_bytes(json.dumps(content).encode('utf-8', 'surrogatepass'))
    try:
        with time_limit():
            report = check_set(root)
        assert report.is_sound or report.problems.table()
        assert report.table()
        assert_pairs_are_told(name, original, content, report)
    finally:
        path.write_bytes(original)


def assert_pairs_are_told(name: str, original: bytes, content: Any, report: Any) -> None:
    """Fields that the hash of the pairs covers do not change without a word."""
    if name != 'pairs/p.json' or content.get('pairs_sha256') is None:
        return
    keys = ('video', 'exp_video', 'exp_id', 'exp', 'label', 'kind', 'rank')
    old, new = json.loads(original)['pairs'], content.get('pairs')
    if not isinstance(new, list) or [[r[k] for k in keys] for r in old] != [
        [row.get(k) for k in keys] if isinstance(row, dict) else None for row in new
    ]:
        assert not report.is_sound


def archive(form: str) -> bytes:
    data = io.BytesIO()
    if form == 'zip':
        with zipfile.ZipFile(data, 'w', zipfile.ZIP_DEFLATED) as file:
            for name, content in MEMBERS.items():
                file.writestr(name, content)
        return data.getvalue()
    with tarfile.open(fileobj=data, mode='w:gz' if form == 'tar.gz' else 'w') as file:
        for name, content in MEMBERS.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return data.getvalue()


@fuzz
@given(data=st.data())
@pytest.mark.parametrize('form', ['zip', 'tar', 'tar.gz'])
def test_archives(tmp_path: Path, form: str, data: st.DataObject) -> None:
    folder, target = tmp_path / 'downloads', tmp_path / 'data'
    shutil.rmtree(target, ignore_errors=True)
    folder.mkdir(exist_ok=True)
    path = folder / f'a.{form}'
    path.write_bytes(data.draw(damaged_bytes(archive(form))))
    used_or_refused(
        lambda: prepare('ref-youtube-vos', folder, target, progress=False), str(path), str(target)
    )
    files = [file for file in target.rglob('*') if file.is_file()]
    assert not [file for file in files if file.name.startswith('.')]
    if form != 'tar':  # which has no checksum of the content
        assert all(file.read_bytes() in MEMBERS.values() for file in files)
