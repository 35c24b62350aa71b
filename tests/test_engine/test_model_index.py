"""Models are found by name, alias, path or package path."""

from pathlib import Path

import pytest

from r2vos_mm.engine import read_config
from r2vos_mm.engine.model_index import (
    DEFAULT_MODEL,
    SHAPES_MODEL,
    config_file,
    find_model,
    listed_models,
    shipped_weights,
)
from r2vos_mm.utils.cli import UsageError

ROOT = Path(__file__).parents[2]


def test_every_name_is_unique_and_has_its_files():
    names = [n.lower() for m in listed_models() for n in (m.name, *m.aliases)]
    assert len(set(names)) == len(names) > 80
    assert all(model.config.is_file() for model in listed_models())
    assert all(Path(model.weights).is_file() for model in listed_models() if model.weights)


def test_every_released_checkpoint_of_referring_video_has_an_alias():
    """One per method and backbone: checkpoints of other data have the same tensors."""
    aliases = {alias for model in listed_models() for alias in model.aliases}
    backbones = 'r50', 'r101', 'swin-t', 'swin-l', 'video-swin-t', 'video-swin-s', 'video-swin-b'
    assert {f'referformer_{name}_released' for name in backbones} <= aliases
    assert {f'r2vos_{name}_released' for name in (*backbones, 'swin-s', 'swin-b')} <= aliases


def test_listed_model():
    model = find_model('R2VOS_Tiny')
    assert model.name == 'r2vos_tiny_2xb3-3k_refshapes'
    assert (model.method, model.training_data, model.dataset) == (
        'R2-VOS',
        'RefShapes',
        'RefShapes',
    )
    assert model.metrics == {'J&F': 70.8, 'R': 73.2}
    assert Path(model.weights) == ROOT / 'configs/checkpoints/r2vos_tiny_refshapes.pth'
    assert find_model('mttr_video-swin-t_released').released.startswith('https://drive.google.com')
    assert find_model('r2vos') is None


@pytest.mark.parametrize(
    'name',
    [
        'r2vos_r50_released',
        'r2vos-released_r50_8xb1-6e_ref-ytvos',
        'r2vos_mm::r2vos/released/r2vos-released_r50_8xb1-6e_ref-ytvos.py',
        ROOT / 'configs/r2vos/released/r2vos-released_r50_8xb1-6e_ref-ytvos.py',
    ],
)
def test_ways_to_name_a_config(name):
    expected = ROOT / 'configs/r2vos/released/r2vos-released_r50_8xb1-6e_ref-ytvos.py'
    assert config_file(name).resolve() == expected
    assert Path(read_config(name).filename).resolve() == expected


def test_short_names_of_configs():
    assert config_file('r2vos_swin_b') == ROOT / 'configs/r2vos_swin_b.py'


def test_weights_that_are_shipped():
    for model in (DEFAULT_MODEL, SHAPES_MODEL):
        weights = shipped_weights(find_model(model.name).config)
        assert Path(weights).is_file()
    assert shipped_weights(ROOT / 'configs/r2vos_tiny_refshapes.py') == weights
    assert shipped_weights(config_file('r2vos_swin_b')) is None


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('r2vos_r50_release', 'a listed model; did you mean r2vos_r50_released'),
        ('qwertz', 'Config qwertz is neither a file nor a listed model'),
        ('nowhere/model.py', 'Config nowhere/model.py does not exist'),
        ('r2vos_mm::nowhere.py', 'configs/nowhere.py does not exist; '),
        (ROOT / 'configs', 'is not a file'),
    ],
)
def test_mistakes(name, message):
    with pytest.raises(UsageError) as caught:
        config_file(name)
    assert message in str(caught.value)
