"""Shipped checkpoints are found from any folder by the paths of the metafiles."""

import pytest
import torch
from mmengine.runner import CheckpointLoader

from r2vos_mm.engine import load_shipped
from r2vos_mm.engine.model_index import content_root, listed_models

NAME = 'configs/checkpoints/r2vos_tiny_refshapes.pth'


def test_mmengine_reads_them_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    weights = {model.weights for model in listed_models() if model.weights is not None}
    assert str(content_root() / NAME) in weights
    for path in weights:
        relative = path.removeprefix(f'{content_root()}/')
        assert CheckpointLoader._get_checkpoint_loader(relative) is load_shipped
    assert 'state_dict' in CheckpointLoader.load_checkpoint(NAME, 'cpu', logger='silent')


def test_a_file_of_this_name_in_the_folder_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / NAME).parent.mkdir(parents=True)
    torch.save(dict(mine=1), NAME)
    assert load_shipped(NAME) == dict(mine=1)


def test_names_that_are_not_shipped(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match='r2vos_nowhere.pth does not exist'):
        load_shipped('configs/checkpoints/r2vos_nowhere.pth')
