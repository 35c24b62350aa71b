import importlib.util
from pathlib import Path

import mask_sets  # noqa: E402
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from samples import evaluate, random_sample, sample_of  # noqa: E402

from r2vos_mm.evaluation.metrics.scores_csv import read_pairs  # noqa: E402

_FILE = Path(__file__).parents[2] / 'tools' / 'analysis_tools' / 'plot_evaluation.py'
_SPEC = importlib.util.spec_from_file_location('plot_evaluation', _FILE)
plot_evaluation = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(plot_evaluation)


@pytest.fixture
def rows_csv(tmp_path: Path) -> Path:
    path = tmp_path / 'pairs.csv'
    evaluate([random_sample(index) for index in range(3)], csv_path=path)
    return path


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_plots(rows_csv, tmp_path):
    plot_evaluation.main([str(rows_csv), '--out', str(tmp_path / 'out')])
    expected = {'roc.png', 'precision_recall.png', 'scores.png', 'cgf1.png', 'j_over_time.png'}
    assert names(tmp_path / 'out') == expected
    for name in expected:
        with Image.open(tmp_path / 'out' / name) as image:
            assert np.asarray(image).std() > 5


def test_curves_are_those_of_the_rows(rows_csv):
    rows = read_pairs(rows_csv)
    axes = Figure().add_subplot()
    plot_evaluation.draw_roc(axes, rows)
    x, y = axes.lines[0].get_data()
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
    area = float((np.diff(x) * (np.add(y[1:], y[:-1]) / 2)).sum())
    assert f'AUROC {area:.3f}' in axes.get_title()


def test_cgf1_at_one_half_is_that_of_the_metric(tmp_path):
    path = tmp_path / 'pairs.csv'
    values = evaluate([random_sample(index) for index in range(3)], csv_path=path)
    axes = Figure().add_subplot()
    plot_evaluation.draw_cgf1(axes, read_pairs(path))
    x, y = axes.lines[0].get_data()
    assert y[np.flatnonzero(x == 0.5)[0]] == values['consensus0.5/cgF1']
    assert y[0] == values['ungated/cgF1']
    assert f'{values["consensus0.5/cgF1"]:.1f} at 0.5' in axes.get_title()


def test_j_over_time():
    # Four frames, twenty bins: five for each frame
    assert plot_evaluation.binned([0.1, 0.2, 0.3, 0.4]) == pytest.approx(
        np.repeat([0.1, 0.2, 0.3, 0.4], 5)
    )


def test_worst_pairs(tmp_path):
    mask_sets.write_truth(tmp_path)
    predictions = mask_sets.write_predictions(tmp_path / 'predictions')
    samples = []
    for video, count in (('a', 2), ('b', 1)):
        for frame in mask_sets.FRAMES:
            mask_sets.save(
                tmp_path / 'JPEGImages' / video / f'{frame}.jpg', mask_sets.EMPTY + 90, 'RGB'
            )
        truth = np.stack([np.stack([mask_sets.LEFT > 0] * 2)] * count)
        ids = [f'{video}/{i}/p' for i in range(count)]
        samples.append(sample_of(video, ids, truth, truth, [0.9] * count))
        samples[-1].set_metainfo({'frame_ids': mask_sets.FRAMES})
    rows_csv = tmp_path / 'pairs.csv'
    evaluate(samples, csv_path=rows_csv)
    options = ['--images', str(tmp_path / 'JPEGImages'), '--worst', '2']
    plot_evaluation.main([str(rows_csv), '--out', str(tmp_path / 'plain'), *options])
    masks = ['--pred', str(predictions), '--gt', str(tmp_path / 'Annotations'), '--expressions',
             str(tmp_path / 'meta_expressions.json')]  # fmt: skip
    plot_evaluation.main([str(rows_csv), '--out', str(tmp_path / 'masks'), *options, *masks])
    # Without negatives there is no ROC, only the histogram
    assert names(tmp_path / 'plain') == {'scores.png', 'j_over_time.png', 'worst.png'}
    with Image.open(tmp_path / 'plain' / 'worst.png') as one:
        plain = np.asarray(one)
    with Image.open(tmp_path / 'masks' / 'worst.png') as one:
        drawn = np.asarray(one)
    blue = (drawn[..., 2].astype(int) - drawn[..., 0] > 60).mean()
    assert blue > (plain[..., 2].astype(int) - plain[..., 0] > 60).mean()


def test_another_csv(tmp_path, capsys):
    path = tmp_path / 'x.csv'
    path.write_text('a,b\n')
    with pytest.raises(SystemExit):
        plot_evaluation.main([str(path), '--out', str(tmp_path)])
    assert 'is not a CSV of pairs' in capsys.readouterr().err
