"""From a table of sentences and two folders to a data set that trains."""

import importlib.util
import json
import shutil
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
from PIL import Image
from scripts import exit_status
from tiny_sets import SIZE, write_frame

from r2vos_mm.data_prep.csv_annotations import CsvRow, MetaFiles, make_meta, read_table
from r2vos_mm.datasets import R2VOSDataset

TOOLS = Path(__file__).parents[2] / 'tools' / 'dataset_converters'
HEADER = 'video,obj_id,category,exp\n'


def load_tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f'{name}_tool', TOOLS / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Video a: 3 frames, object 2 from the second one on. Video b: 1 frame, object 1."""
    for frame, objects in (('8', ['1']), ('9', ['1', '2']), ('10', ['1', '2'])):
        write_frame(tmp_path, 'train', 'a', frame, objects)
    write_frame(tmp_path, 'train', 'b', '0', ['1'])
    return tmp_path


def make(root: Path, rows: str, *, header: str = HEADER) -> MetaFiles:
    (root / 't.csv').write_text(header + rows, encoding='utf-8')
    return make_meta(root / 't.csv', root)


def problems_of(files: MetaFiles) -> list[str]:
    return [f'{row.where}: {row.what}' for row in files.problems.rows]


def test_both_files(root: Path) -> None:
    files = make(root, 'b,1,cat,A  cat\na,1,dog,"a dog, left"\na,2,cat,\na,01,,the dog\n')
    frames = ['8', '9', '10']
    assert problems_of(files) == []
    assert files.meta_expressions == dict(
        videos={
            'a': dict(
                expressions={
                    '0': dict(exp='a dog, left', obj_id='1'),
                    '1': dict(exp='the dog', obj_id='1'),
                },
                frames=frames,
            ),
            'b': dict(expressions={'0': dict(exp='A  cat', obj_id='1')}, frames=['0']),
        }
    )
    assert files.meta == dict(
        videos={
            'a': dict(
                objects={
                    '1': dict(category='dog', frames=frames),
                    '2': dict(category='cat', frames=['9', '10']),
                }
            ),
            'b': dict(objects={'1': dict(category='cat', frames=['0'])}),
        }
    )
    assert files.summary() == '2 videos, 4 frames, 3 objects (3 with category), 3 sentences'


def test_the_dataset_reads_them(root: Path) -> None:
    make(root, 'a,1,dog,a dog\nb,1,bus,a bus\n').save(root, 'train')
    dataset = R2VOSDataset(
        data_root=str(root),
        clip_length=2,
        pipeline=[],
        negatives=dict(type='TrainNegatives', shares=dict(other_video=1)),
    )
    assert [(video.video_id, video.categories) for video in dataset.videos] == [
        ('a', {'1': 'dog'}),
        ('b', {'1': 'bus'}),
    ]
    assert len(dataset) == 3  # anchors 0 and 2 of a, 0 of b


@pytest.mark.parametrize(
    ('rows', 'problem'),
    [
        ('gone,1,,x\n', 'gone: JPEGImages/gone is not a folder'),
        ('../a,1,,x\n', '../a: JPEGImages/../a is not a folder'),
        (',1,,x\n', '(no video): JPEGImages/ is not a folder'),
        ('a,3,,x\n', 'line 3 (a): obj_id 3 is in no mask (the masks have: 1, 2)'),
        ('a,0,,x\n', "line 3 (a): obj_id '0' is not a number from 1 to 255"),
        ('a,dog,,x\n', "line 3 (a): obj_id 'dog' is not a number from 1 to 255"),
        ('a,,,x\n', 'line 3 (a): has no obj_id'),
        ('a,1\n', 'line 3 (a): has neither expression nor category'),
        ('b,1,cow,\n', 'line 3 (b): object 1 is a cat in a row before, here a cow'),
        ('a,1,dog,x\n', 'a: object(s) 2 have no category'),
    ],
)
def test_what_cannot_be_used_is_told(root: Path, rows: str, problem: str) -> None:
    files = make(root, 'b,1,cat,a cat\n' + rows)
    assert problem in problems_of(files)
    assert files.meta_expressions['videos']['b']['expressions'] == {
        '0': dict(exp='a cat', obj_id='1')
    }


def test_missing_files(root: Path) -> None:
    images = root / 'train/JPEGImages/a'
    Image.new('RGB', SIZE[::-1]).save(images / '11.png')
    shutil.copy(images / '8.jpg', images / '12.jpg')
    files = make(root, 'a,1,,x\n')
    assert files.meta_expressions['videos']['a']['frames'] == ['8', '9', '10']
    assert problems_of(files) == [
        'a: 1 frame(s) are not .jpg, e.g. 11.png',
        'a: 1 frame(s) have no mask, e.g. 12',
        'b: folder, but in no row',
    ]


@pytest.mark.parametrize(
    ('mask', 'problem'),
    [
        (Image.new('RGB', SIZE[::-1]), 'is not a mask (mode RGB has no object ids)'),
        (
            Image.new('L', (5, 6), 1),
            'has a mask of size (6, 5), its frame (24, 32)',
        ),
        (None, 'is not a complete image (cannot identify image'),
    ],
)
def test_masks_that_cannot_be_used(root: Path, mask: Image.Image | None, problem: str) -> None:
    for frame in ('8', '9'):
        path = root / f'train/Annotations/a/{frame}.png'
        path.write_bytes(b'')
        if mask is not None:
            mask.save(path)
    files = make(root, 'a,1,,x\n')
    assert files.meta_expressions['videos']['a']['frames'] == ['10']
    assert problems_of(files)[0].startswith(f'a: 2 mask(s) cannot be used, e.g. 8.png {problem}')


def test_frames_of_another_size_and_broken_ones(root: Path) -> None:
    images = root / 'train/JPEGImages/a'
    Image.new('RGB', (8, 8)).save(images / '9.jpg')
    (images / '10.jpg').write_bytes((images / '8.jpg').read_bytes()[:40])
    for folder, suffix in (('JPEGImages', 'jpg'), ('Annotations', 'png')):
        path = root / f'train/{folder}/a/8.{suffix}'
        shutil.copy(path, path.with_stem('11'))
    files = make(root, 'a,1,,x\n')
    assert files.meta_expressions['videos']['a']['frames'] == ['8', '11']
    broken, sizes, *_ = problems_of(files)
    assert broken.startswith('a: 1 frame(s) cannot be used, e.g. ')
    assert '10.jpg is not a complete image' in broken
    assert sizes == (
        'a: 1 frame(s) differ from the size (24, 32) (height, width) of the others, '
        'e.g. 9 of (8, 8)'
    )


def test_videos_without_masks_are_for_testing(root: Path) -> None:
    shutil.rmtree(root / 'train/Annotations')
    files = make(root, 'a,,,a dog\na,7,cow,\n')
    assert files.meta_expressions['videos']['a'] == dict(
        expressions={'0': dict(exp='a dog')}, frames=['8', '9', '10']
    )
    assert files.meta['videos']['a']['objects'] == {
        '7': dict(category='cow', frames=['8', '9', '10'])
    }


def test_without_categories_none_are_asked_for(root: Path) -> None:
    files = make(root, 'a,1,x\nb,1,y\n', header='Video; obj_id;EXP\n'.replace(';', ','))
    assert problems_of(files) == []
    assert files.meta['videos']['a']['objects']['1'] == dict(frames=['8', '9', '10'])


class TestTable:
    @pytest.mark.parametrize(
        'text',
        [
            'video,obj_id,category,exp\na,1,dog,"x, y"\n',
            '\ufeffvideo;obj_id;category;exp\r\na;1;dog;x, y\r\n',
            'exp\tvideo\tobj_id\tcategory\tnote\n x, y \ta\t1\tdog\tgood\n',
        ],
    )
    def test_forms(self, tmp_path: Path, text: str) -> None:
        (tmp_path / 't.csv').write_bytes(text.encode())
        assert read_table(tmp_path / 't.csv') == [CsvRow(2, 'a', '1', 'dog', 'x, y')]

    @pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16'])
    @pytest.mark.parametrize('end', ['\n', '\r\n', '\r'])
    def test_line_breaks_of_all_kinds_in_cells(
        self, tmp_path: Path, encoding: str, end: str
    ) -> None:
        cells = ['"a red\ndisc"', 'b\u2028ig', 'le\vft', 'ne\x85l', '"in ""quotes"""', '"x, y"']
        text = end.join(['sep=,', HEADER.strip(), *(f'a,1.0,,{cell}' for cell in cells), ''])
        (tmp_path / 't.csv').write_bytes(text.encode(encoding))
        assert [(row.obj_id, row.exp) for row in read_table(tmp_path / 't.csv')] == [
            ('1.0', text) for text in ('a red disc', 'b ig', 'le ft', 'ne l', 'in "quotes"', 'x, y')
        ]

    def test_lines_are_counted_as_editors_do(self, tmp_path: Path) -> None:
        (tmp_path / 't.csv').write_text('sep=;\nvideo;obj_id;exp\na;1;"two\nlines"\n\nb;1;x\n')
        assert [row.line for row in read_table(tmp_path / 't.csv')] == [4, 6]

    def test_short_lines(self, tmp_path: Path) -> None:
        (tmp_path / 't.csv').write_text('video,obj_id,exp\na\n\nb,2,x,,,\n')
        assert read_table(tmp_path / 't.csv') == [
            CsvRow(2, 'a', '', '', ''),
            CsvRow(4, 'b', '2', '', 'x'),
        ]

    @pytest.mark.parametrize(
        ('content', 'message'),
        [
            (b'', 'has no column video, obj_id, exp in its first line'),
            (b'video,exp\na,b\n', 'has no column obj_id'),
            (b'video,obj_id,exp\n', 'has no row below'),
            (b'video\xff', 'is not in UTF-8'),
            (b'video,obj_id,exp,exp\n', 'has two columns exp'),
            (b'video|obj_id|exp\n', r"no column video, obj_id, exp .*'video\|obj_id\|exp'"),
            (b'video,obj_id,exp\na,1,dog\na,2,a dog, left\n', 'line 3 has 4 cells.*double quotes'),
            (b'video,obj_id,exp\na,1,"a dog\nb,1,a cat\n', 'line 3 .*is broken'),
            (b'video,obj_id,exp\na,1,"a dog\nb,1,"a cat"\n', 'line 3 .*is broken'),
            (b'video,obj_id,exp\na,1,"a dog\nb,1,12"\n', 'line 3 has a cell that contains the row'),
            (b'video,obj_id,exp\na,1,a\0dog\n', 'NUL'),
            (b'PK\x03\x04\x14\xff\xfe', 'is not in UTF-8'),
        ],
    )
    def test_refusals(self, tmp_path: Path, content: bytes, message: str) -> None:
        (tmp_path / 't.csv').write_bytes(content)
        with pytest.raises(ValueError, match=message):
            read_table(tmp_path / 't.csv')


def test_nothing_usable(root: Path) -> None:
    with pytest.raises(ValueError, match='no row of .* can be used'):
        make(root, 'gone,1,,x\n')
    shutil.rmtree(root / 'train/JPEGImages')
    with pytest.raises(FileNotFoundError, match='put the frames there'):
        make(root, 'a,1,,x\n')


def test_make_meta_command(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    (root / 't.csv').write_text(HEADER + 'a,1,dog,a dog\nb,5,cat,a cat\n')
    monkeypatch.setattr('sys.argv', ['make_meta.py', str(root / 't.csv'), str(root)])
    tool = load_tool('make_meta')
    assert tool.main() == 0
    told = capsys.readouterr()
    assert '1 videos, 3 frames, 2 objects (1 with category), 1 sentences' in told.out
    assert 'line 3 (b)' in told.err
    content = json.loads((root / 'meta_expressions/train/meta_expressions.json').read_text())
    assert list(content['videos']) == ['a']
    (root / 't.csv').unlink()
    assert exit_status(tool.main) == 2
    assert 't.csv' in capsys.readouterr().err


def test_extract_frames_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    writer = cv2.VideoWriter(
        str(tmp_path / 'clip.avi'), cv2.VideoWriter_fourcc(*'MJPG'), 10, SIZE[::-1]
    )
    for level in range(0, 240, 20):
        writer.write(np.full((*SIZE, 3), level, np.uint8))
    writer.release()
    (tmp_path / 'broken.avi').write_bytes(b'no video')
    out = tmp_path / 'JPEGImages'
    monkeypatch.setattr(
        'sys.argv',
        [
            'extract_frames.py',
            str(tmp_path / 'clip.avi'),
            str(tmp_path / 'broken.avi'),
            '--out',
            str(out),
        ],
    )
    tool = load_tool('extract_frames')
    assert tool.main() == 1
    told = capsys.readouterr()
    assert told.out == f'{out / "clip"}: 3 frames\n'
    assert 'broken.avi' in told.err
    # Frames 0, 5 and 10 of 12, grey levels 0, 100 and 200.
    assert [path.name for path in sorted(out.rglob('*.jpg'))] == [
        '00000.jpg',
        '00005.jpg',
        '00010.jpg',
    ]
    level = np.asarray(Image.open(out / 'clip/00010.jpg')).mean()
    assert abs(level - 200) < 4
    assert [path.name for path in out.iterdir()] == ['clip']
    assert tool.main() == 1
    assert 'already there' in capsys.readouterr().out


def extract(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr('sys.argv', ['extract_frames.py', *map(str, arguments)])
    return load_tool('extract_frames').main()


def test_extract_frames_of_a_cut_off_video(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    noise = np.random.default_rng(0)
    clip = tmp_path / 'clip.avi'
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter_fourcc(*'MJPG'), 10, SIZE[::-1])
    for _ in range(20):
        writer.write(noise.integers(0, 255, (*SIZE, 3), np.uint8))
    writer.release()
    content = clip.read_bytes()
    clip.write_bytes(content[: len(content) * 3 // 5])
    assert extract(monkeypatch, clip, '--every', 1, '--out', tmp_path / 'out') == 1
    printed = capsys.readouterr()
    written = len(list((tmp_path / 'out/clip').glob('*.jpg')))
    assert 5 <= written <= 13
    assert f'{written} frames' in printed.out
    assert f'{written} of 20 stated frames could be read' in printed.err


def test_extract_frames_by_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames at 0, 0.1, 0.2, 0.7 and 0.8 s; at 4 per second: 0, 0.25, 0.5, 0.75 s."""
    pictures = [Image.new('RGB', SIZE[::-1], (50 * i, 0, 0)) for i in range(5)]
    times = dict(duration=[100, 100, 500, 100, 200])
    pictures[0].save(tmp_path / 'a.gif', save_all=True, append_images=pictures[1:], **times)
    assert extract(monkeypatch, tmp_path / 'a.gif', '--fps', 4, '--out', tmp_path / 'out') == 0
    names = [path.name for path in sorted((tmp_path / 'out/a').glob('*.jpg'))]
    assert names == ['00000.jpg', '00002.jpg', '00003.jpg']
    with pytest.raises(SystemExit):
        extract(monkeypatch, tmp_path / 'a.gif', '--fps', 'nan', '--out', tmp_path / 'out')


def test_extract_frames_tells_videos_of_one_name_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    for folder, count in (('one', 2), ('two', 3)):
        (tmp_path / folder).mkdir()
        pictures = [Image.new('RGB', SIZE[::-1], (50 * i, 0, 0)) for i in range(count)]
        path = tmp_path / folder / 'a.gif'
        pictures[0].save(path, save_all=True, append_images=pictures[1:])
    out = tmp_path / 'out'
    assert extract(monkeypatch, tmp_path / 'one/a.gif', '--every', 1, '--out', out) == 0
    assert extract(monkeypatch, tmp_path / 'one/a.gif', '--every', 1, '--out', out) == 0
    assert extract(monkeypatch, tmp_path / 'two/a.gif', '--every', 1, '--out', out) == 1
    assert 'has the frames of another video' in capsys.readouterr().err
    assert len(list((out / 'a').glob('*.jpg'))) == 2
