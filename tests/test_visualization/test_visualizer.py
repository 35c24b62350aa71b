import numpy as np
import pytest
from mmengine.visualization import Visualizer
from PIL import Image

from r2vos_mm.registry import VISUALIZERS
from r2vos_mm.visualization import ReferringVisualizer, Style


def test_built_from_a_config(tmp_path):
    visualizer = VISUALIZERS.build(
        {
            'type': 'ReferringVisualizer',
            'name': 'built',
            'max_pairs': 2,
            'style': {'alpha': 0.3},
            'vis_backends': [{'type': 'LocalVisBackend'}],
            'save_dir': str(tmp_path),
        }
    )
    assert isinstance(visualizer, Visualizer)
    assert visualizer.style == Style(alpha=0.3)


def test_pairs_are_limited_and_balanced(sample):
    views = ReferringVisualizer(max_pairs=2).pair_views(sample)
    assert [view.is_negative for view in views] == [False, True]
    with pytest.raises(ValueError, match='max_pairs'):
        ReferringVisualizer(max_pairs=0)


def test_the_threshold_decides(sample):
    views = ReferringVisualizer(threshold=0.85).pair_views(sample)
    assert [view.found for view in views] == [True, False, False, False]


def test_video_and_sheet(sample, frames, tmp_path):
    visualizer = ReferringVisualizer(style={'truth': (1, 250, 3)})
    assert len(list(visualizer.draw_video(frames, sample))) == 5
    visualizer.add_datasample('x', frames, sample, out_file=str(tmp_path / 'x.png'))
    with Image.open(tmp_path / 'x.png') as image:
        assert (np.asarray(image) == (1, 250, 3)).all(-1).any()


def test_sheet_goes_to_the_backends(sample, frames, tmp_path):
    visualizer = ReferringVisualizer(
        vis_backends=[{'type': 'LocalVisBackend'}], save_dir=str(tmp_path)
    )
    visualizer.add_datasample('sheet', frames, sample, step=3)
    assert list(tmp_path.glob('**/sheet_3.png'))
