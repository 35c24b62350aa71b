from types import SimpleNamespace

import pytest
import torch
from mmengine.visualization import Visualizer

from r2vos_mm.engine.hooks import visualization_hook
from r2vos_mm.engine.hooks.visualization_hook import (
    ReferringVisualizationHook,
    file_name,
    sample_frames,
)
from r2vos_mm.registry import HOOKS
from r2vos_mm.visualization import write_image


@pytest.fixture
def runner(tmp_path) -> SimpleNamespace:
    visualizer = Visualizer(
        vis_backends=[{'type': 'LocalVisBackend'}], save_dir=str(tmp_path / 'backend')
    )
    return SimpleNamespace(work_dir=str(tmp_path), visualizer=visualizer, iter=20)


@pytest.fixture
def batch(frames) -> dict:
    return {'inputs': [torch.from_numpy(frames).permute(0, 3, 1, 2)]}


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_validation_writes_videos_and_a_sheet(runner, batch, sample, tmp_path):
    hook = HOOKS.build({'type': 'ReferringVisualizationHook', 'max_videos': 2, 'suffix': '.gif'})
    hook.before_val_epoch(runner)
    for index, name in enumerate(('a', 'b/c', 'd')):
        sample.set_metainfo({'video_id': name})
        hook.after_val_iter(runner, index, batch, [sample])
    hook.after_val_epoch(runner)
    assert names(tmp_path / 'vis' / 'val_000020') == ['a.gif', 'b_c.gif', 'contact_sheet.png']
    assert list((tmp_path / 'backend').glob('**/contact_sheet_20.png'))


def test_test_draws_grounding_from_the_files(runner, sample, frames, tmp_path):
    paths = [str(tmp_path / f'{i}.png') for i in range(len(frames))]
    for path, frame in zip(paths, frames):
        write_image(path, frame)
    sample.set_metainfo({'frame_paths': paths})
    sample.pred_pairs.grounding_attention = torch.rand(4, 5, 2, 3)
    hook = ReferringVisualizationHook(out_dir=str(tmp_path / 'show'))
    hook.before_test_epoch(runner)
    hook.after_test_iter(runner, 0, None, [sample])
    hook.after_test_epoch(runner)
    assert names(tmp_path / 'show' / 'test') == [
        'contact_sheet.png',
        'vid_1.mp4',
        *(f'vid_1_grounding_{n}.png' for n in range(4)),
    ]


def test_nothing_is_drawn(runner, batch, sample, tmp_path, monkeypatch):
    off = ReferringVisualizationHook(draw=False)
    off.after_val_iter(runner, 0, batch, [sample])
    off.after_val_epoch(runner)
    seldom = ReferringVisualizationHook(interval=2)
    seldom.after_val_iter(runner, 1, batch, [sample])
    monkeypatch.setattr(visualization_hook, 'is_main_process', lambda: False)
    other_rank = ReferringVisualizationHook()
    other_rank.after_test_iter(runner, 0, batch, [sample])
    other_rank.after_test_epoch(runner)
    assert not (tmp_path / 'vis').exists()


def test_unreadable_frames_do_not_end_the_evaluation(runner, sample, tmp_path):
    sample.set_metainfo({'frame_paths': [str(tmp_path / 'gone.png')]})
    hook = ReferringVisualizationHook()
    hook.after_test_iter(runner, 0, None, [sample])
    hook.after_test_epoch(runner)
    assert not list(tmp_path.glob('vis/**/*.*'))


def test_frames_come_from_the_inputs_or_not_at_all(sample, batch, frames):
    assert (sample_frames(sample, batch, 0) == frames).all()
    for bad in (None, {}, {'inputs': [batch['inputs'][0].float()]}):
        with pytest.raises(ValueError, match='its frames are not files'):
            sample_frames(sample, bad, 0)
    sample.set_metainfo({'frame_paths': ['video.mp4#00012'] * len(frames)})
    assert (sample_frames(sample, batch, 0) == frames).all()


def test_bad_options_are_named():
    with pytest.raises(ValueError, match='max_videos'):
        ReferringVisualizationHook(max_videos=0)
    with pytest.raises(ValueError, match=r'\.avi'):
        ReferringVisualizationHook(suffix='.avi')


def test_file_names():
    assert file_name('a/b c') == 'a_b_c'
    assert file_name('größe-1.0') == 'größe-1.0'
