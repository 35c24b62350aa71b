"""``r2vos calibrate``: from pairs to a checkpoint whose verdict is calibrated."""

import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from mmengine.runner import Runner
from scripts import exit_status

from r2vos_mm.apis import init_model
from r2vos_mm.cli.main import main
from r2vos_mm.converters.publish import is_compressed
from r2vos_mm.engine.calibration import read_calibration
from r2vos_mm.engine.model_index import find_model
from r2vos_mm.evaluation.metrics.pair_scores import PairScores
from r2vos_mm.evaluation.metrics.scores_csv import read_pairs, write_pairs
from r2vos_mm.refshapes import make_refshapes

CONFIG = 'r2vos_tiny'
SMALL = 'test_dataloader.dataset.pipeline.0.transforms.1.scale=(64,64)'


@pytest.fixture(autouse=True)
def _quick_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Runner, '_log_env', lambda self, env_cfg: None)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """The shipped checkpoint, in a file that can be changed."""
    return Path(shutil.copy(find_model(CONFIG).weights, tmp_path / 'model.pth'))


def csv_of(path: Path, *pairs: tuple[float | None, bool]) -> Path:
    """A CSV of pairs with a consensus, and whether they are negative."""
    frames = dict(frame_ids=('0',), frame_pixels=4, areas=(0,))
    write_pairs(
        path,
        [
            PairScores(
                f'v/{i}/{"n0" if negative else "p"}', 'v', 'x', 'a dog', negative,
                consensus=consensus, **frames,
            )
            for i, (consensus, negative) in enumerate(pairs)
        ],
    )  # fmt: skip
    return path


def test_from_the_csv_of_a_test(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """Logits of ln 9 with 3 of 4 pairs positive: T = ln 9 / ln 3 = 2; and 0.75 for all of them."""
    csv = csv_of(tmp_path / 'a.csv', (0.9, False), (0.9, False), (0.9, False), (0.9, True))
    call = ['calibrate', CONFIG, str(checkpoint), str(csv), '--work-dir', str(tmp_path / 'work')]
    assert main([*call, '--json', '--out', str(tmp_path / 'new.pth')]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told['temperature'] == pytest.approx(2, abs=1e-3)
    assert (told['num_positives'], told['num_negatives'], told['data']) == (3, 1, 'a.csv')
    # Before: three times 0.1^2 and 0.9^2; after: three times 0.25^2 and 0.75^2.
    assert told['brier'] == pytest.approx([0.21, 0.1875], abs=1e-4)
    assert told['calibration_error'] == pytest.approx([0.15, 0], abs=1e-3)
    stored = read_calibration(torch.load(tmp_path / 'new.pth', weights_only=True))
    assert stored.temperature == told['temperature']
    assert is_compressed(tmp_path / 'new.pth') == is_compressed(checkpoint)
    assert read_calibration(torch.load(checkpoint, weights_only=True)) is None
    # The config's threshold of 0.3 has the logit -ln(7/3), half of which is that of 0.396.
    assert main([*call, '--keep-threshold']) == 0
    threshold = read_calibration(torch.load(checkpoint, weights_only=True)).gate_threshold
    assert threshold == pytest.approx(1 / (1 + math.sqrt(7 / 3)), abs=1e-4)
    assert 'temperature 2.000' in capsys.readouterr().out


def test_init_model_uses_it_unless_an_option_does(checkpoint: Path, tmp_path: Path) -> None:
    csv = csv_of(tmp_path / 'a.csv', (0.9, False), (0.9, False), (0.9, False), (0.9, True))
    call = ['calibrate', CONFIG, str(checkpoint), str(csv), '--work-dir', str(tmp_path / 'work')]
    assert main(call) == 0
    model = init_model(CONFIG, checkpoint, device='cpu')
    assert model.test_cfg.temperature == pytest.approx(2, abs=1e-3)
    assert model.test_cfg.gate_threshold == pytest.approx(0.375, abs=1e-3)  # between 0 and 0.75
    options = {'model.test_cfg.temperature': 3.0, 'model.test_cfg.gate_threshold': 0.2}
    model = init_model(CONFIG, checkpoint, device='cpu', cfg_options=options)
    assert (model.test_cfg.temperature, model.test_cfg.gate_threshold) == (3.0, 0.2)


def test_from_a_data_set_and_in_a_test(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """The consensus of a calibrated test is that of the plain one at the temperature."""
    data, work = tmp_path / 'data', ('--work-dir', str(tmp_path / 'work'))
    make_refshapes(data, splits=dict(valid=2), size=(64, 64), length=2, progress=False, workers=1)
    call = ['calibrate', CONFIG, str(checkpoint), str(data / 'pairs/valid.json'), *work, '--json']
    data_root = f'test_dataloader.dataset.data_root={data}'
    assert main([*call, '--cfg-options', SMALL, data_root]) == 0
    fitted = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert fitted['brier'][1] <= fitted['brier'][0]
    assert fitted['num_positives'] > 0 < fitted['num_negatives']
    found = {}
    for name, options in (('plain', ()), ('calibrated', ('--calibrated',))):
        csv = tmp_path / f'{name}.csv'
        options = (*options, '--cfg-options', SMALL, data_root, f'test_evaluator.csv_path={csv}')
        assert main(['test', CONFIG, str(checkpoint), *work, '--no-spool', *options]) == 0
        found[name] = {pair.pair_id: pair.consensus for pair in read_pairs(csv)}
    assert len(found['plain']) == fitted['num_positives'] + fitted['num_negatives']
    for pair_id, consensus in found['plain'].items():
        logit = math.log(consensus / (1 - consensus)) / fitted['temperature']
        assert found['calibrated'][pair_id] == pytest.approx(1 / (1 + math.exp(-logit)), abs=1e-3)


@pytest.mark.parametrize(
    ('pairs', 'message'),
    [
        ([(0.9, False)], 'a.csv has no negative pairs'),
        ([(0.9, True)], 'a.csv has no positive pairs'),
        ([(None, True)], 'without consensus: the model gives no verdicts'),
    ],
)
def test_pairs_that_cannot_be_used(
    pairs: list, message: str, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    csv, before = csv_of(tmp_path / 'a.csv', *pairs), checkpoint.read_bytes()
    call = ['calibrate', CONFIG, str(checkpoint), str(csv), '--work-dir', str(tmp_path / 'work')]
    assert exit_status(main, call) == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert checkpoint.read_bytes() == before


def test_a_test_needs_what_it_is_to_use(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    call = ['test', CONFIG, str(checkpoint), '--work-dir', str(tmp_path), '--calibrated']
    assert exit_status(main, call) == 2
    assert 'holds no calibration; run r2vos calibrate' in capsys.readouterr().err.splitlines()[-1]
