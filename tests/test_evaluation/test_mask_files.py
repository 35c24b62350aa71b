"""Roots of mask files: found where there is one, refused with what was found otherwise."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import mask_sets
import numpy as np
import pytest
from mask_sets import LEFT, RIGHT, code, save

from r2vos_mm.evaluation.mask_files import open_masks, tops_of
from r2vos_mm.utils.data_issues import DataFileError

FOLDERS = ['a/0', 'a/1', 'b/0']


def is_found(path: Path) -> bool:
    """Whether the first mask of the set is read."""
    mask = open_masks(path, FOLDERS).read('a/0', '00000', 0, LEFT.shape)
    return mask is not None and ((mask > 0) == (LEFT > 0)).all()


@pytest.mark.parametrize(
    'top', ['', 'Annotations/', 'out/', 'out/Annotations/', 'annotations/', 'x/y/z/', './']
)
def test_one_root(tmp_path, top):
    predictions = mask_sets.write_predictions(tmp_path / 'folder' / top)
    assert is_found(tmp_path / 'folder')
    assert predictions.samefile(open_masks(tmp_path / 'folder', FOLDERS).top())
    assert is_found(mask_sets.write_zip(tmp_path / 'masks.zip', top=top))
    content = json.loads(mask_sets.write_codes(tmp_path / 'codes.json').read_text())
    for name in reversed([part for part in top.split('/') if part not in ('', '.')]):
        content = {name: content}
    (tmp_path / 'codes.json').write_text(json.dumps(content))
    assert is_found(tmp_path / 'codes.json')


def test_zips_of_macos_and_windows(tmp_path):
    source = mask_sets.write_zip(tmp_path / 'source.zip', top='pred/')
    with zipfile.ZipFile(source) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / 'mac.zip', 'w') as archive:
        for name, content in files.items():
            archive.writestr(name, content)
            archive.writestr(f'__MACOSX/{Path(name).parent}/._{Path(name).name}', b'\0')
        archive.writestr('pred/.DS_Store', b'\0')
    assert is_found(tmp_path / 'mac.zip')
    with zipfile.ZipFile(tmp_path / 'windows.zip', 'w') as archive:
        for name, content in files.items():
            archive.writestr(name.replace('/', '\\').replace('.png', '.PNG'), content)
    assert is_found(tmp_path / 'windows.zip')


def test_suffixes_in_upper_case_and_side_files(tmp_path):
    folder = mask_sets.write_predictions(tmp_path / 'pred')
    for path in list(folder.rglob('*.png')):
        path.rename(path.with_suffix('.PNG'))
        (path.parent / f'._{path.name}').write_bytes(b'\0')
    assert is_found(folder)
    assert list(open_masks(folder, FOLDERS).names('a/0')) == ['00000', '00005']


@pytest.mark.parametrize('roots', [('ours', 'theirs'), ('', 'Annotations')])
def test_two_roots_are_refused(tmp_path, roots):
    for root in roots:
        mask_sets.write_predictions(tmp_path / 'pred' / root)
    names = ', '.join(str(tmp_path / 'pred' / root) for root in roots)
    message = f'several folders hold the expected ones, give one: {names}'
    with pytest.raises(ValueError, match=re.escape(message)):
        open_masks(tmp_path / 'pred', FOLDERS)


def test_no_root_is_refused_with_what_was_found(tmp_path):
    save(tmp_path / 'pred' / 'clip' / '00000.png', LEFT)
    message = r'does not hold the expected folders: expected a/0, a/1, b/0; found .*clip'
    with pytest.raises(ValueError, match=message):
        open_masks(tmp_path / 'pred', FOLDERS)


def test_folders_of_equal_names_inside_each_other(tmp_path):
    # Videos and expressions are called alike; the deeper folder holds no <video>/<expression>.
    for folder in ('0/0', '0/1', '1/0', '1/1'):
        save(tmp_path / folder / '0.png', LEFT)
    assert open_masks(tmp_path, ['0/0', '0/1', '1/0', '1/1']).root == ''


def test_tops():
    assert tops_of(['x/a/0', 'a/0', 'b', 'y/a/1'], {'a/0'}) == ['', 'x']


def test_repeated_and_broken_files_of_zips(tmp_path):
    source = mask_sets.write_zip(tmp_path / 'source.zip')
    with zipfile.ZipFile(source) as archive:
        names, content = archive.namelist(), archive.read('a/0/00000.png')
    with zipfile.ZipFile(tmp_path / 'twice.zip', 'w') as archive:
        archive.writestr('a/0/00000.png', content)
        archive.writestr('a\\0\\00000.png', content)
    with pytest.raises(ValueError, match=r'holds a/0/00000.png twice'):
        open_masks(tmp_path / 'twice.zip', FOLDERS)
    with zipfile.ZipFile(tmp_path / 'damaged.zip', 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('a/0/00000.png', content * 20)
    data = bytearray((tmp_path / 'damaged.zip').read_bytes())
    data[45:60] = b'\xff' * 15
    (tmp_path / 'damaged.zip').write_bytes(data)
    with pytest.raises(DataFileError, match='a/0/00000.png is broken'):
        open_masks(tmp_path / 'damaged.zip', FOLDERS).read('a/0', '00000', 0)
    assert len(names) == 6


@pytest.mark.parametrize('content', [b'', b'\x89PNG\r\n\x1a\n', b'GIF89a', b'\0' * 100])
def test_broken_images(tmp_path, content):
    path = tmp_path / 'a' / '0' / '00000.png'
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(DataFileError, match='00000.png is not a complete image'):
        open_masks(tmp_path, FOLDERS).read('a/0', '00000', 0)


def test_sizes_are_compared_before_decoding(tmp_path):
    codes = {'a': {'0': [{'size': [10**6, 10**6], 'counts': '04'}, code(RIGHT)]}}
    (tmp_path / 'codes.json').write_text(json.dumps(codes))
    masks = open_masks(tmp_path / 'codes.json', FOLDERS)
    with pytest.raises(DataFileError, match=r'size \(1000000, 1000000\), the annotation has'):
        masks.read('a/0', '00000', 0, (20, 50))
    assert np.count_nonzero(masks.read('a/0', '00005', 1, (20, 50))) == 100


def test_files_of_zips_are_no_larger_than_masks(tmp_path):
    large = zipfile.ZipFile(tmp_path / 'large.zip', 'w', zipfile.ZIP_DEFLATED)
    with large as archive, archive.open('a/0/00000.png', 'w') as file:
        for _ in range(200):
            file.write(bytes(1 << 20))
    masks = open_masks(tmp_path / 'large.zip', FOLDERS)
    with pytest.raises(DataFileError, match='209715200 bytes, too many for a mask'):
        masks.read('a/0', '00000', 0)
