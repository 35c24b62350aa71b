from pathlib import Path

import pytest

from r2vos_mm.apis.model_loading import resolve_model
from r2vos_mm.engine.model_index import listed_names
from r2vos_mm.utils.cli import UsageError

CONFIGS = Path(__file__).parents[2] / 'configs'
CONFIG = CONFIGS / 'r2vos_tiny_refshapes.py'


def test_alias_has_the_weights_of_the_repository():
    found = resolve_model('R2VOS_tiny')
    assert Path(found.config) == CONFIGS / 'r2vos' / 'r2vos_tiny_2xb3-3k_refshapes.py'
    assert Path(found.weights) == CONFIGS / 'checkpoints' / 'r2vos_tiny_refshapes.pth'
    assert Path(found.weights).is_file()


def test_weights_that_are_given():
    assert resolve_model('r2vos_tiny', 'mine.pth').weights == 'mine.pth'
    assert resolve_model('r2vos_r50_8xb1-6e_mevis', 'mine.pth').weights == 'mine.pth'


def test_files_are_left_as_they_are():
    assert resolve_model(CONFIG) == (CONFIG, None)
    assert resolve_model('nowhere.py', 'mine.pth') == ('nowhere.py', 'mine.pth')


def test_models_without_weights():
    with pytest.raises(UsageError, match='r50_8xb1-6e_mevis is listed without weights: give'):
        resolve_model('r2vos_r50_8xb1-6e_mevis')


def test_other_folders(tmp_path):
    with pytest.raises(UsageError, match='is a folder'):
        resolve_model(tmp_path)


def test_names_are_unique():
    names = [name.lower() for name in listed_names()]
    assert len(set(names)) == len(names)
