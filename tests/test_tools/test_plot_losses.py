import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

_FILE = Path(__file__).parents[2] / 'tools' / 'analysis_tools' / 'plot_losses.py'
_SPEC = importlib.util.spec_from_file_location('plot_losses', _FILE)
plot_losses = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(plot_losses)


def train(step: int, loss: float) -> dict:
    return {'lr': 1e-4, 'loss': loss, 'loss_mask': loss / 2, 'd0.loss_mask': 1.0, 'step': step}


def start(folder: Path, name: str, records: list[dict], tail: str = '') -> Path:
    file = folder / name / 'vis_data' / 'scalars.json'
    file.parent.mkdir(parents=True)
    file.write_text('\n'.join(json.dumps(record) for record in records) + '\n' + tail)
    return file


def test_a_resumed_run_is_one_curve(tmp_path):
    start(tmp_path, '20250101', [train(10, 4.0), train(20, 3.0), train(30, 9.0)])
    start(tmp_path, '20250102', [train(25, 2.5), train(35, 2.0)])
    steps, values = plot_losses.read_run(tmp_path).curve('loss')
    assert steps.tolist() == [10, 20, 25, 35]
    assert values.tolist() == [4, 3, 2.5, 2]


def test_a_run_begun_anew_replaces_the_old_one(tmp_path):
    start(tmp_path, '20250101', [train(10, 4.0), train(20, 3.0)])
    start(tmp_path, '20250102', [train(10, 1.0)])
    assert plot_losses.read_run(tmp_path).curve('loss')[1].tolist() == [1]


def test_validations_by_epoch_stand_at_their_iteration(tmp_path):
    file = start(
        tmp_path,
        'a',
        [train(100, 1.0), {'J&F': 0.3, 'step': 1}, train(200, 1.0), {'J&F': 0.4, 'step': 2}],
        tail='{"loss": 1.',
    )
    steps, values = plot_losses.read_run(file).curve('J&F')
    assert steps.tolist() == [100, 200]
    assert values.tolist() == [0.3, 0.4]


def test_smoothing_is_a_weighted_mean():
    # window 3: a = (3 - 1) / (3 + 1) = 1/2; (1/2 * 2 + 8) / (1/2 + 1) = 6
    np.testing.assert_allclose(plot_losses.smooth(np.array([2.0, 8.0]), 3), [2, 6])
    np.testing.assert_allclose(plot_losses.smooth(np.array([2.0, np.nan, 8.0]), 3), [2, 2, 6])
    np.testing.assert_array_equal(plot_losses.smooth(np.array([5.0, 1.0]), 1), [5, 1])
    assert np.isnan(plot_losses.smooth(np.array([np.nan]), 3)).all()


def test_panels_of_losses_and_metrics(tmp_path):
    start(tmp_path, 'a', [train(10, 2.0), {'val/J&F': 0.3, 'R': float('nan'), 'step': 10}])
    run = plot_losses.read_run(tmp_path)
    assert plot_losses.default_losses([run]) == ['loss', 'loss_mask']
    figure = plot_losses.plot(
        [run], losses=['loss', 'loss_mask', 'no_such'], metrics=['J&F', 'AUROC']
    )
    assert [axes.get_title() for axes in figure.axes] == ['loss', 'loss_mask', 'val/J&F']
    with pytest.raises(plot_losses.UsageError, match='loss_mask'):
        plot_losses.plot([run], losses=['no_such'], metrics=[])


def test_command_line_writes_a_picture_of_several_runs(tmp_path, capsys):
    for name in ('one', 'two'):
        start(tmp_path / name, '1', [train(10, 2.0), train(20, 1.0), {'R': 0.3, 'step': 20}])
    plot_losses.main([str(tmp_path / 'one'), str(tmp_path / 'two'), '--names', 'A', 'B', '--log'])
    out = tmp_path / 'one' / 'curves.png'
    assert str(out) in capsys.readouterr().out
    with Image.open(out) as image:
        assert image.size[0] > 1000


@pytest.mark.parametrize('options', [[], ['--smooth', '0'], ['--names', 'a', 'b']])
def test_mistakes_are_one_line(tmp_path, capsys, options):
    with pytest.raises(SystemExit) as error:
        plot_losses.main([str(tmp_path), *options])
    assert error.value.code == 2
    assert capsys.readouterr().err.startswith('error: ')
