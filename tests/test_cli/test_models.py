"""``r2vos models``: lists, parts of names, JSON."""

import json

import pytest

from r2vos_mm.cli.main import main
from r2vos_mm.engine.model_index import listed_models


def test_all_models_are_listed(capsys: pytest.CaptureFixture) -> None:
    assert main(['models']) == 0
    told = capsys.readouterr().out
    assert all(f'{entry.name}' in told for entry in listed_models())
    assert 'r2vos_tiny_2xb3-3k_refshapes (r2vos_tiny, r2vos_tiny_refshapes)\n' in told


def test_part_of_a_name_or_data_set(capsys: pytest.CaptureFixture) -> None:
    assert main(['models', 'a2d', '--json']) == 0
    names = [model['name'] for model in json.loads(capsys.readouterr().out)]
    assert 'mttr_video-swin-t_2xb3-70e_a2d-10f' in names
    assert not [name for name in names if 'refshapes' in name]
