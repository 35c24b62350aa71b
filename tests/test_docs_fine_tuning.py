"""The tutorial on ten clips of one's own works: its config, and its commands at toy size."""

import csv
import re
import shlex
import shutil
from pathlib import Path

import cv2
import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from released_toys import released_weights, small_config, write_released
from scripts import exit_status
from tokenizers_of_bytes import SIZE, write_byte_tokenizer
from toy_models import CONFIGS

from r2vos_mm.cli.main import main
from r2vos_mm.engine import read_config
from r2vos_mm.engine.unread_settings import check_settings
from r2vos_mm.refshapes import make_refshapes
from r2vos_mm.utils.checkpoint import read_checkpoint
from r2vos_mm.utils.files import read_json

PAGE = (Path(__file__).parents[1] / 'docs' / 'fine_tuning.md').read_text()
CONFIG, SMALL_MODEL = re.findall(r'```python\n(_base_ = .*?)```', PAGE, re.DOTALL)
COMMANDS = [
    line
    for block in re.findall(r'```bash\n(.*?)```', PAGE, re.DOTALL)
    for line in re.sub(r'\\\n', ' ', block).splitlines()
    if line.startswith('r2vos ')
]
BEST, NOW = 'best_JFR_iter_200.pth', 'best_JFR_iter_2.pth'
# What the toy needs beside the options of the tutorial.
SMALL = ['train_cfg.max_iters=2', 'train_cfg.val_interval=2', 'default_hooks.checkpoint.interval=2']
SMALL += ['default_hooks.logger.interval=1']
SMALL += [
    f'{part}_dataloader.{name}'
    for part in ('train', 'val', 'test')
    for name in ('num_workers=0', 'persistent_workers=False')
]


def write_clips(folder: Path) -> None:
    """Ten videos, and the masks and tables that a user would make."""
    make_refshapes(
        folder / 'shapes',
        splits=dict(train=8, valid=2),
        size=(64, 64),
        length=2,
        num_objects=(2, 2),
        sentences_per_object=1,
        workers=1,
        progress=False,
    )
    for split in ('train', 'valid'):
        source, clips = folder / 'shapes' / split, folder / 'clips' / split
        clips.mkdir(parents=True)
        for video in (source / 'JPEGImages').iterdir():
            write_video(video, clips / f'{video.name}.mp4')
            masks = folder / 'data/mine' / split / 'Annotations' / video.name
            masks.mkdir(parents=True)
            for index, mask in enumerate(sorted((source / 'Annotations' / video.name).iterdir())):
                shutil.copy(mask, masks / f'{index:05d}.png')
        write_table(folder / 'shapes', split, folder / f'{split}.csv')


def write_video(frames: Path, path: Path) -> None:
    images = [cv2.imread(str(frame)) for frame in sorted(frames.iterdir())]
    height, width = images[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), 6, (width, height))
    for image in images:
        writer.write(image)
    writer.release()


def write_table(root: Path, split: str, path: Path) -> None:
    videos = read_json(root / f'meta_expressions/{split}/meta_expressions.json')['videos']
    objects = read_json(root / split / 'meta.json')['videos']
    with open(path, 'w', newline='') as file:
        rows = csv.writer(file)
        rows.writerow(['video', 'obj_id', 'category', 'exp'])
        for name, video in videos.items():
            for row in video['expressions'].values():
                category = objects[name]['objects'][row['obj_id']]['category']
                rows.writerow([name, row['obj_id'], category, row['exp']])


def small_pipelines() -> Config:
    """Pipelines that make frames of 64 x 64 pixels."""
    pipelines = Config.fromfile(CONFIGS / '_base_/pipelines/small_videos.py')
    for pipeline in (pipelines.small_train_pipeline, pipelines.small_test_pipeline):
        [resize] = [part for part in pipeline[0].transforms if part.type == 'Resize']
        resize.scale = (64, 64)
    return pipelines


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a user: clips, annotations, a released checkpoint, and the tutorial's config."""
    folder = tmp_path_factory.mktemp('user')
    write_clips(folder)
    base = small_config(folder)
    small = Config.fromfile(base)
    whole = Config.fromfile(CONFIGS / 'r2vos/released/r2vos-released_r50_8xb1-6e_ref-ytvos.py')
    pipelines = small_pipelines()
    whole.model = small.model
    whole.model.text_encoder.tokenizer = str(write_byte_tokenizer(folder / 'tokenizer'))
    whole.train_dataloader.dataset.pipeline = pipelines.small_train_pipeline
    for part in ('val', 'test'):
        whole[f'{part}_dataloader'].dataset.pipeline = pipelines.small_test_pipeline
    whole.dump(folder / 'small_base.py')
    weights = released_weights(base, vocabulary=SIZE)
    write_released(weights, folder / 'r2vos_r50.pth')
    text = re.sub(r"'r2vos_mm::\S+'", "'small_base.py'", CONFIG)
    assert text != CONFIG
    text = text.replace('num_cp=4', 'num_cp=1')  # the toy has one layer
    (folder / 'ten_clips.py').write_text(text)
    return folder


def run(command: str, *options: str) -> None:
    """Run a command of the page in this process; patterns are expanded as by a shell."""
    words = [
        word
        for pattern in shlex.split(command, comments=True)[1:]
        for word in (sorted(map(str, Path().glob(pattern))) if '*' in pattern else [pattern])
    ]
    assert exit_status(main, [*words, *options]) == 0, command


def test_from_clips_to_numbers(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    """All commands of the page in their order, with two steps of training."""
    monkeypatch.chdir(folder)
    # Laying out the config takes longer than everything else.
    monkeypatch.setattr('mmengine.config.config.FormatCode', lambda text, **_: (text, False))
    done = []
    for command in COMMANDS:
        kind = command.split()[1]
        if 'new.mp4' in command:
            [clip, _] = Path('clips/valid').iterdir()
            run(command.replace('new.mp4', str(clip)).replace(BEST, NOW))
        elif kind in ('train', 'test'):
            run(command.replace(BEST, NOW), '--cfg-options', *SMALL)
        elif kind == 'data':
            run(command.replace('--every 5', '--every 1'))
        done.append(kind)
    assert ' '.join(done) == 'data data predict data data data data test train test predict'
    output = capfd.readouterr()
    assert 'r2vos_r50.pth is R2-VOS with backbone of unknown size; it is converted' in output.out
    before, after = (read_json(f'{name}.json') for name in ('before', 'after'))
    assert before.keys() == after.keys()
    assert {'J&F', 'R', 'J&F&R'} <= before.keys()
    assert before != after
    checkpoint = read_checkpoint(f'work_dirs/ten_clips/{NOW}')
    assert checkpoint['meta']['language_model']['vocab_size'] == SIZE


def test_the_config_of_the_small_model_is_valid(tmp_path: Path) -> None:
    """In place of the parts of the other one that the page names."""
    start = re.sub(r"'r2vos_mm::(\S+)'", rf"'{CONFIGS}/\1'", SMALL_MODEL)
    rest = re.sub(
        r'(?ms)^(train_dataloader|model) = .*?^\)\n', '', CONFIG.partition('load_from')[2]
    )
    (tmp_path / 'ten_clips.py').write_text(start + rest.partition('\n')[2])
    cfg = read_config(tmp_path / 'ten_clips.py')
    init_default_scope('r2vos_mm')
    check_settings(cfg)
    assert cfg.model.backbone.type == 'EfficientNetLite'
    assert cfg.train_dataloader.dataset.data_root == cfg.val_dataloader.dataset.data_root
    assert (CONFIGS.parent / cfg.load_from).is_file()
