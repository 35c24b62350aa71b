import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from PIL import Image

from r2vos_mm.datasets import Clip, Pair
from r2vos_mm.datasets.io.mask_sources import PngMasks

_FILE = Path(__file__).parents[2] / 'tools' / 'analysis_tools' / 'benchmark_dataloader.py'
_SPEC = importlib.util.spec_from_file_location('benchmark_dataloader', _FILE)
tool = importlib.util.module_from_spec(_SPEC)
sys.modules['benchmark_dataloader'] = tool  # dataclasses look their module up
_SPEC.loader.exec_module(tool)
CONFIG = Path(__file__).parents[2] / 'configs/_base_/datasets/ref_youtube_vos.py'


@pytest.fixture
def small_set(tmp_path: Path) -> Path:
    """Two videos of three frames, object 1 in the left half."""
    videos = {}
    for name in ('a', 'b'):
        for i in range(3):
            for kind, suffix, mode in (('JPEGImages', 'jpg', 'RGB'), ('Annotations', 'png', 'L')):
                path = tmp_path / 'train' / kind / name / f'{i:05d}.{suffix}'
                path.parent.mkdir(parents=True, exist_ok=True)
                ids = np.zeros((30, 40), np.uint8)
                ids[5:25, :20] = 1
                Image.fromarray(ids).convert(mode).save(path)
        videos[name] = dict(
            frames=[f'{i:05d}' for i in range(3)],
            expressions={'0': dict(exp=f'thing {name}', obj_id='1')},
        )
    path = tmp_path / 'meta_expressions/train/meta_expressions.json'
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(dict(videos=videos)))
    return tmp_path


def test_the_usual_pipeline(small_set: Path) -> None:
    """Every draw gives a normalized clip whose masks lie in it."""
    clip = Clip('a', 'set', ('00000', '00001'), (Pair('thing', 'p', '0', '1'),))
    paths = [small_set / 'train/JPEGImages/a' / f'{frame}.jpg' for frame in clip.frame_ids]
    folder = small_set / 'train/Annotations/a'
    masks = [PngMasks(folder / f'{frame}.png') for frame in clip.frame_ids]
    for _ in range(6):
        packed = tool.UsualPipeline()(dict(clip=[clip] * 2, img_path=paths, target_masks=masks))
        height, width = packed['inputs'].shape[-2:]
        pairs = packed['data_samples'].gt_pairs
        assert packed['inputs'].shape[:2] == (2, 3)
        assert packed['inputs'].isfinite().all()
        assert packed['inputs'].abs().max() < 3  # (1 - 0.406) / 0.225 = 2.64
        assert pairs.masks.shape == (1, 2, height, width)
        assert max(height, width) <= 640


def test_speed(small_set: Path, tmp_path: Path) -> None:
    init_default_scope('r2vos_mm')
    tool.write_resized(small_set, tmp_path / 'large', size=(80, 60), videos=1)
    config = Config.fromfile(CONFIG)
    config.train_dataloader.dataset.update(
        data_root=str(tmp_path / 'large'), video_subset=None, negatives=None
    )
    speed = tool.measure_speed(config.train_dataloader, items=2, rounds=2)
    assert speed.clips_per_second > 0
    assert speed.ratio_range[0] <= speed.ratio <= speed.ratio_range[1]
    assert speed.pairs_per_clip == 1
    with Image.open(next((tmp_path / 'large').rglob('*.jpg'))) as image:
        assert image.size == (80, 60)


@pytest.mark.skipif(not Path('/proc/self/smaps_rollup').is_file(), reason='needs Linux')
def test_memory() -> None:
    init_default_scope('r2vos_mm')
    memory = tool.measure_memory(workers=2, items=3, videos=8)
    assert len(memory.first) == len(memory.last) == 2
    assert all(0 < worker.private <= worker.share for worker in memory.last)
    assert memory.total_share > sum(worker.share for worker in memory.last)


@pytest.mark.parametrize('options', [[], ['--memory', '--workers', '0'], ['no_such_config.py']])
def test_mistakes_are_one_line(options: list[str], capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as error:
        tool.main(options)
    assert error.value.code == 2
    assert capsys.readouterr().err.startswith('error: ')
