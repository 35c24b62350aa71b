"""Errors by kind of sentence and attribute on RefShapes, by hand and as a user calls the tool."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData

from r2vos_mm.apis import init_model
from r2vos_mm.refshapes import make_refshapes
from r2vos_mm.structures import ReferringDataSample

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / 'configs' / 'r2vos_tiny_refshapes.py'
_FILE = ROOT / 'tools' / 'analysis_tools' / 'refshapes_errors.py'
_SPEC = importlib.util.spec_from_file_location('refshapes_errors', _FILE)
errors = importlib.util.module_from_spec(_SPEC)
sys.modules['refshapes_errors'] = errors
_SPEC.loader.exec_module(errors)

OBJECTS = {
    '1': dict(size='small', texture='plain', colour='red', shape='ring'),
    '2': dict(size='small', texture='striped', colour='blue', shape='ring'),
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    make_refshapes(
        tmp_path / 'data', splits=dict(valid=3), size=(64, 64), length=3, workers=1, progress=False
    )
    return tmp_path / 'data'


def run(data: Path, checkpoint: Path, *options: str) -> None:
    errors.main(
        [
            str(CONFIG),
            str(checkpoint),
            '--device',
            'cpu',
            *options,
            '--cfg-options',
            f'test_dataloader.dataset.data_root={data}',
            'test_dataloader.dataset.pipeline.0.transforms.1.scale=(64,64)',
        ]
    )


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / 'random.pth'
    torch.save(dict(state_dict=init_model(CONFIG, device='cpu').state_dict()), path)
    return path


def judged(sentence: str, scores: dict[str, float], kind: str = 'appearance') -> 'errors.Outcome':
    return errors.judge(dict(exp=sentence, kind=kind), OBJECTS, '1', scores)


def test_overlap_is_the_mean_over_frames() -> None:
    """J is 1/2 in the first frame (2 of 4 pixels) and 1 in the second (both empty): 0.75."""
    prediction, truth = np.zeros((2, 2, 4, 4), bool)
    prediction[0, 0, :2] = truth[0, 0] = True
    assert errors.overlaps(prediction, dict(a=truth)) == dict(a=0.75)


def test_a_wrong_object_differs_in_what_the_sentence_names() -> None:
    """Texture and colour differ; the sentence names colour and shape."""
    outcome = judged('the red ring', {'1': 0.2, '2': 0.6})
    assert (outcome.found, outcome.score) == ('2', 0.2)
    assert outcome.named == ('colour', 'shape')
    assert outcome.differing == ('colour',)


def test_below_ten_percent_no_object_is_found() -> None:
    outcome = judged('the red ring', {'1': 0.05, '2': 0.09})
    assert outcome.found is None
    assert outcome.differing == ()
    assert judged('the red ring', {'1': 0.1, '2': 0.0}).found == '1'


def test_measurements() -> None:
    """Of three sentences one hits (J 80), one finds the other object (20), one none (5)."""
    outcomes = [
        judged('the red ring', {'1': 0.8, '2': 0.0}),
        judged('the plain ring', {'1': 0.2, '2': 0.5}),
        judged('the ring moving up', {'1': 0.05, '2': 0.0}, kind='motion'),
    ]
    kinds = errors.by_kind(outcomes)
    assert list(kinds) == ['appearance', 'motion', 'all']
    assert kinds['appearance'] == errors.KindScores(2, pytest.approx(50), 50, 0)
    assert kinds['motion'] == errors.KindScores(1, pytest.approx(5), 0, 100)
    assert pytest.approx(35) == kinds['all'].J
    assert errors.by_attribute(outcomes) == dict(
        size=errors.AttributeErrors(0, 0, 0),
        texture=errors.AttributeErrors(1, 1, 1),
        colour=errors.AttributeErrors(1, 0, 0),
        shape=errors.AttributeErrors(2, 1, 0),
    )


def test_negative_pairs_are_left_out() -> None:
    masks = torch.zeros(2, 1, 4, 4, dtype=torch.bool)
    masks[0] = True
    sample = ReferringDataSample()
    sample.gt_pairs = errors_data(
        is_negative=[False, True], obj_ids=['1', ''], exp_ids=['0', '7'], masks=masks
    )
    sample.pred_pairs = errors_data(ungated_masks=masks)
    world = dict(expressions={'0': dict(exp='the ring', kind='appearance')}, objects=OBJECTS)
    (outcome,) = errors.video_outcomes(sample, world)
    assert (outcome.found, outcome.score) == ('1', 1.0)


def errors_data(**fields: object) -> InstanceData:
    return InstanceData(**fields)


def test_tables_and_file(data: Path, checkpoint: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / 'figures' / 'errors.json'
    run(data, checkpoint, '--num-videos', '2', '--out', str(out))
    found = json.loads(out.read_text())
    expressions = json.loads((data / 'worlds/valid.json').read_text())['videos']
    sentences = [sum(1 for _ in video['expressions']) for video in expressions.values()]
    # two of three videos, spread: the first and one of the others
    assert found['kinds']['all']['sentences'] in {sentences[0] + n for n in sentences[1:]}
    counted = sum(row['sentences'] for kind, row in found['kinds'].items() if kind != 'all')
    assert counted == found['kinds']['all']['sentences']
    assert set(found['attributes']) == {'size', 'texture', 'colour', 'shape'}
    printed = capsys.readouterr().out
    assert 'right object' in printed
    assert 'which differs in it' in printed


def test_another_set_is_refused(data: Path, checkpoint: Path, capsys) -> None:
    (data / 'worlds/valid.json').unlink()
    with pytest.raises(SystemExit):
        run(data, checkpoint)
    assert 'is not RefShapes: there is no' in capsys.readouterr().err


def test_a_set_of_another_layout_is_refused() -> None:
    with pytest.raises(errors.UsageError, match='not RefShapes but object'):
        errors.read_worlds(object())


def test_no_videos_are_refused(data: Path, checkpoint: Path, capsys) -> None:
    with pytest.raises(SystemExit):
        run(data, checkpoint, '--num-videos', '0')
    assert '--num-videos is at least 1' in capsys.readouterr().err
