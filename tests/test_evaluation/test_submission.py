"""Submissions: names and PNGs that servers take, written whole, checked when read back."""

from __future__ import annotations

import importlib.util
import io
import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from mask_sets import EMPTY, FRAMES, HALF, LEFT, RIGHT, save
from PIL import Image
from samples import sample_of

from r2vos_mm.evaluation import JFRMetric
from r2vos_mm.evaluation.submission import (
    LAYOUTS,
    SubmissionWriter,
    check_submission,
    scored_expressions,
)
from r2vos_mm.structures import ReferringDataSample

_FILE = Path(__file__).parents[2] / 'tools' / 'analysis_tools' / 'check_submission.py'
_SPEC = importlib.util.spec_from_file_location('check_submission', _FILE)
tool = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(tool)


@pytest.fixture
def expressions(tmp_path: Path) -> Path:
    """Videos ``a`` with eight sentences (of two objects) and ``b`` with one, without ids."""
    path = tmp_path / 'meta_expressions' / 'valid' / 'meta_expressions.json'
    path.parent.mkdir(parents=True)
    videos = {
        video: {'expressions': {str(i): {'exp': 'x'} for i in range(count)}, 'frames': FRAMES}
        for video, count in (('a', 8), ('b', 1))
    }
    path.write_text(json.dumps({'videos': videos}))
    return path


def video(name: str, masks: list[np.ndarray], *, consensus: float = 0.9) -> ReferringDataSample:
    """A video with one sentence per mask, shown in both frames; no annotation."""
    ids = [f'{name}/{i}/p' for i in range(len(masks))]
    stacked = np.stack([np.stack([mask > 0] * 2) for mask in masks])
    sample = sample_of(name, ids, None, stacked, [consensus] * len(masks))
    sample.set_metainfo({'frame_ids': FRAMES})
    sample.gt_pairs.exp_ids = [str(i) for i in range(len(masks))]
    return sample


def metric(tmp_path: Path, expressions: Path, **options) -> JFRMetric:
    """A metric that writes only."""
    submission = {'path': tmp_path / 'out' / 'sub.zip', 'expressions': expressions, **options}
    return JFRMetric(format_only=True, submission=submission)


def images_of(path: Path) -> dict[str, np.ndarray]:
    """Values by name in a zip."""
    with zipfile.ZipFile(path) as archive:
        return {
            name: np.asarray(Image.open(io.BytesIO(archive.read(name))))
            for name in archive.namelist()
        }


@pytest.mark.parametrize(('layout', 'top'), [('ref_youtube_vos', 'Annotations/'), ('mevis', '')])
def test_masks(tmp_path, expressions, layout, top):
    writer = metric(tmp_path, expressions, layout=layout)
    writer.process(None, [video('a', [LEFT, RIGHT, *[EMPTY] * 6])])
    writer.process(None, [video('b', [HALF])])
    assert writer.evaluate(2) == {}
    images = images_of(tmp_path / 'out' / 'sub.zip')
    assert len(images) == (8 + 1) * 2
    assert (images[f'{top}a/1/00005.png'] == 255 * RIGHT).all()
    assert (images[f'{top}a/7/00000.png'] == 0).all()
    assert all(image.dtype == np.uint8 and image.ndim == 2 for image in images.values())


def test_gated_or_ungated(tmp_path, expressions):
    for masks, expected in (('gated', 0), ('ungated', 100)):
        writer = metric(tmp_path, expressions, layout='mevis', masks=masks)
        writer.process(None, [video('a', [LEFT] * 8, consensus=0.1), video('b', [LEFT])])
        writer.evaluate(2)
        image = images_of(tmp_path / 'out' / 'sub.zip')['a/0/00000.png']
        assert np.count_nonzero(image) == expected


def test_davis(tmp_path, expressions):
    content = json.loads(expressions.read_text())
    del content['videos']['b']
    expressions.write_text(json.dumps(content))
    # Annotator k has sentences k (object 1) and 4 + k (object 2); 0's overlap in HALF
    sample = video('a', [LEFT, RIGHT, EMPTY, LEFT, HALF | RIGHT, LEFT, RIGHT, EMPTY])
    sample.pred_pairs.scores[4] = 0.95
    writer = metric(tmp_path, expressions, layout='ref_davis17')
    writer.process(None, [sample])
    writer.evaluate(1)
    images = images_of(tmp_path / 'out' / 'sub.zip')
    assert len(images) == 4 * 2
    assert (images['anno_0/a/00000.png'] == np.where(HALF | RIGHT, 2, LEFT)).all()
    assert (images['anno_1/a/00005.png'] == RIGHT + 2 * LEFT).all()
    assert (images['anno_2/a/00000.png'] == 2 * RIGHT).all()
    with zipfile.ZipFile(tmp_path / 'out' / 'sub.zip') as archive:
        image = Image.open(io.BytesIO(archive.read('anno_3/a/00000.png')))
    assert image.mode == 'P'
    assert image.getpalette()[:9] == [0, 0, 0, 128, 0, 0, 0, 128, 0]


def test_missing_videos_give_no_zip_and_keep_the_parts(tmp_path, expressions):
    writer = metric(tmp_path, expressions, layout='ref_youtube_vos')
    writer.process(None, [video('a', [LEFT] * 8)])
    with pytest.raises(ValueError, match='2 missing: Annotations/b/0/00000.png'):
        writer.evaluate(1)
    folder = tmp_path / 'out'
    assert not (folder / 'sub.zip').exists()
    assert [path.name for path in folder.iterdir()] == ['sub.zip.parts']
    # Started again after a kill: the rest is enough
    left = tmp_path / 'remaining.json'
    options = ['--layout', 'ref_youtube_vos', '--expressions', str(expressions)]
    tool.main([str(folder / 'sub.zip'), *options, '--remaining', str(left)])
    assert list(scored_expressions(left)) == ['b']
    writer = metric(tmp_path, expressions, layout='ref_youtube_vos')
    writer.process(None, [video('b', [LEFT])])
    writer.evaluate(1)
    assert len(images_of(folder / 'sub.zip')) == 18


def test_a_kill_after_the_last_video_leaves_the_zip_to_write(tmp_path, expressions, capsys):
    writer = metric(tmp_path, expressions, layout='mevis')
    writer.process(None, [video('a', [LEFT] * 8), video('b', [LEFT])])
    path, left = tmp_path / 'out' / 'sub.zip', tmp_path / 'left.json'
    options = [str(path), '--layout', 'mevis', '--expressions', str(expressions)]
    tool.main([*options, '--remaining', str(left)])
    assert (
        '0 of 2 videos are incomplete\nall videos are complete: write the zip'
        in capsys.readouterr().out
    )
    tool.main([*options, '--finish'])
    assert len(images_of(path)) == 18


def test_a_kill_leaves_no_half_file(tmp_path, expressions, monkeypatch):
    writer = metric(tmp_path, expressions, layout='mevis')

    def killed(image, file, **options):
        Path(file).write_bytes(b'half')
        raise KeyboardInterrupt

    monkeypatch.setattr(Image.Image, 'save', killed)
    with pytest.raises(KeyboardInterrupt):
        writer.process(None, [video('b', [LEFT])])
    assert not list((tmp_path / 'out').rglob('*0.png'))


def test_equal_masks_give_equal_zips(tmp_path, expressions):
    contents = []
    for name in ('first', 'second'):
        writer = metric(tmp_path / name, expressions, layout='mevis')
        writer.process(None, [video('a', [LEFT] * 8), video('b', [LEFT])])
        writer.evaluate(2)
        contents.append((tmp_path / name / 'out' / 'sub.zip').read_bytes())
    assert contents[0] == contents[1]


def test_scoring_and_writing_in_one_run(tmp_path, expressions):
    both = JFRMetric(
        groups=['quality'],
        submission=dict(layout='mevis', path=tmp_path / 'sub.zip', expressions=expressions),
    )
    samples = [video('a', [LEFT] * 8), video('b', [LEFT])]
    for sample in samples:
        sample.gt_pairs.masks = sample.pred_pairs.masks
    both.process(None, samples)
    assert both.evaluate(2)['J'] == 100
    assert (tmp_path / 'sub.zip').is_file()


def test_wrong_options(tmp_path, expressions):
    with pytest.raises(ValueError, match='format_only needs submission'):
        JFRMetric(format_only=True)
    with pytest.raises(ValueError, match="unknown layout 'x'; there are ref_youtube_vos"):
        metric(tmp_path, expressions, layout='x')
    with pytest.raises(ValueError, match='gated'):
        SubmissionWriter(layout='mevis', path='x', expressions=expressions, masks='both')


class TestCheck:
    @pytest.fixture
    def zip_path(self, tmp_path, expressions) -> Path:
        writer = metric(tmp_path, expressions, layout='mevis')
        writer.process(None, [video('a', [LEFT] * 8), video('b', [LEFT])])
        writer.evaluate(2)
        return tmp_path / 'out' / 'sub.zip'

    def spoil(self, path: Path, name: str, content: bytes) -> None:
        """Replace a file of the zip."""
        with zipfile.ZipFile(path) as archive:
            files = {entry: archive.read(entry) for entry in archive.namelist()}
        files[name] = content
        with zipfile.ZipFile(path, 'w') as archive:
            for entry, data in files.items():
                archive.writestr(entry, data)

    @pytest.mark.parametrize(
        ('mask', 'mode', 'message'),
        [
            (LEFT, 'L', r'values \[1\] beside 0 and 255'),
            (255 * LEFT, 'RGB', 'mode RGB, not PNG of mode L'),
            (255 * LEFT[:-1], 'L', r'size \(50, 19\), the video has \(50, 20\)'),
        ],
    )
    def test_wrong_images(self, zip_path, expressions, tmp_path, mask, mode, message):
        save(tmp_path / 'x.png', mask, mode)
        self.spoil(zip_path, 'a/1/00000.png', (tmp_path / 'x.png').read_bytes())
        report = check_submission(zip_path, LAYOUTS['mevis'], scored_expressions(expressions))
        (line,) = report.broken
        assert re.fullmatch(rf'a/1/00000.png \(.*{message}.*\)', line)

    def test_cut_image_and_unknown_file(self, zip_path, expressions):
        with zipfile.ZipFile(zip_path) as archive:
            content = archive.read('a/1/00000.png')
        self.spoil(zip_path, 'a/1/00000.png', content[:50])
        self.spoil(zip_path, 'a/readme.txt', b'')
        self.spoil(zip_path, '__MACOSX/a/._x.png', b'')
        report = check_submission(zip_path, LAYOUTS['mevis'], scored_expressions(expressions))
        assert len(report.broken) == 1
        assert report.extra == ['a/readme.txt']
        assert '1 extra: a/readme.txt; 1 broken: a/1/00000.png' in str(report)

    @pytest.mark.parametrize(
        ('rename', 'note'),
        [
            (lambda name: f'out/{name}', 'expected files are in out: zip the content of it'),
            (lambda name: name.replace('/', '\\'), 'file names have backslashes'),
        ],
    )
    def test_names_that_no_server_expects(self, zip_path, expressions, capsys, rename, note):
        with zipfile.ZipFile(zip_path) as archive:
            files = {rename(name): archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(zip_path, 'w') as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        with pytest.raises(SystemExit) as caught:
            tool.main([str(zip_path), '--layout', 'mevis', '--expressions', str(expressions)])
        assert caught.value.code == 1
        assert note in capsys.readouterr().out

    def test_sizes_of_the_frames(self, zip_path, expressions, tmp_path):
        for name, width in (('a', 50), ('b', 48)):
            folder = tmp_path / 'JPEGImages' / name
            folder.mkdir(parents=True)
            Image.new('RGB', (width, 20)).save(folder / '00000.jpg')
            Image.new('RGB', (width, 20)).save(folder / '00005.jpg')
        entries = scored_expressions(expressions)
        images = tmp_path / 'JPEGImages'
        report = check_submission(zip_path, LAYOUTS['mevis'], entries, images=images)
        assert [line[:13] for line in report.broken] == ['b/0/00000.png', 'b/0/00005.png']

    def test_a_cut_zip(self, zip_path, expressions):
        zip_path.write_bytes(zip_path.read_bytes()[:-30])
        with pytest.raises(ValueError, match='not a complete zip'):
            check_submission(zip_path, LAYOUTS['mevis'], scored_expressions(expressions))

    def test_tool(self, zip_path, expressions, capsys):
        options = ['--expressions', str(expressions), '--layout']
        tool.main([str(zip_path), *options, 'mevis'])
        assert 'all 18 files are present and complete' in capsys.readouterr().out
        with pytest.raises(SystemExit):
            tool.main([str(zip_path), *options, 'ref_youtube_vos'])
        assert '18 missing: Annotations/a/0/00000.png' in capsys.readouterr().out


class TestScoredVideos:
    def test_all_without_a_hint(self, expressions):
        assert set(scored_expressions(expressions)) == {'a', 'b'}

    def test_test_file(self, expressions):
        path = expressions.parents[1] / 'test' / 'meta_expressions.json'
        path.parent.mkdir()
        path.write_text(json.dumps({'videos': {'b': {'expressions': {}, 'frames': []}}}))
        assert set(scored_expressions(expressions)) == {'a'}

    def test_list_or_folder(self, expressions, tmp_path):
        (tmp_path / 'ids.txt').write_text('b\n')
        (tmp_path / 'JPEGImages' / 'a').mkdir(parents=True)
        assert set(scored_expressions(expressions, tmp_path / 'ids.txt')) == {'b'}
        assert set(scored_expressions(expressions, tmp_path / 'JPEGImages')) == {'a'}
        (tmp_path / 'ids.txt').write_text('b\nc\n')
        with pytest.raises(ValueError, match=r"does not list: \['c'\]"):
            scored_expressions(expressions, tmp_path / 'ids.txt')


def test_files_of_refer_youtube_vos(test_data: Path):
    folder = test_data / 'data' / 'refer_youtube_vos_valid'
    entries = scored_expressions(folder / 'meta_expressions.json', folder / 'valid_202_ids.txt')
    assert len(entries) == 202
    assert len(LAYOUTS['ref_youtube_vos'].expected_files(entries)) == 22046
    # Without a list of ids the package knows them
    assert scored_expressions(folder / 'meta_expressions.json') == entries


def test_files_of_ref_davis(test_data: Path):
    entries = scored_expressions(test_data / 'data' / 'refdavis17_val' / 'meta_expressions.json')
    # Four maps for each of the 1,999 frames
    assert len(LAYOUTS['ref_davis17'].expected_files(entries)) == 4 * 1999
