"""Released checkpoints run in one step, with the weights that the converter gives.

``R2VOS_FULL_SIZE=1`` also tries files of all reference lists of names, about 700 MB each.
"""

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fixture_recipe import ROBERTA, WordTokenizer, fill
from mmengine.config import Config
from released_extracts import released_shapes
from released_model import released_model
from released_toys import released_weights, small_config, write_released
from scripts import load_script
from tokenizers_of_bytes import SIZE, write_byte_tokenizer

from r2vos_mm.apis import R2VOSInferencer, init_model, segment_video
from r2vos_mm.converters import R2VOS, REFERFORMER
from r2vos_mm.engine.model_index import config_file
from r2vos_mm.utils.checkpoint import CheckpointReadError
from r2vos_mm.utils.cli import UsageError
from r2vos_mm.utils.state_dict import CheckpointMismatchError, tensors_of


def save_toy(folder: Path, name: str, **options: object) -> SimpleNamespace:
    """Config, released file and tokenizer of a small model."""
    folder.mkdir()
    config = small_config(folder, name)
    weights = released_weights(config, vocabulary=SIZE, **options)
    return SimpleNamespace(
        config=config, weights=weights, file=write_released(weights, folder / 'released.pth')
    )


@pytest.fixture(scope='module')
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp('toys')


@pytest.fixture(scope='module')
def tokenizer(folder) -> dict[str, str]:
    """The ``cfg_options`` of a tokenizer that fits the toys."""
    return {'model.text_encoder.tokenizer': str(write_byte_tokenizer(folder / 'tokenizer'))}


@pytest.fixture(scope='module')
def r2vos(folder) -> SimpleNamespace:
    return save_toy(folder / 'r2vos', 'r2vos/released/r2vos-released_r50_8xb1-6e_ref-ytvos.py')


@pytest.fixture(scope='module')
def referformer(folder) -> SimpleNamespace:
    name = 'referformer/referformer_r50_8xb1-6e_ref-ytvos.py'
    return save_toy(folder / 'referformer', name, restore=REFERFORMER.to_released)


@pytest.mark.parametrize('method', ['r2vos', 'referformer'])
def test_one_step_equals_two(method, tokenizer, tmp_path, request):
    toy = request.getfixturevalue(method)
    direct = init_model(toy.config, toy.file, device='cpu', cfg_options=tokenizer)
    tool = load_script(f'model_converters/released_{method}.py')
    converted = tmp_path / 'converted.pth'
    assert tool.main(['from-released', str(toy.config), str(toy.file), str(converted)]) == 0
    two_steps = init_model(toy.config, converted, device='cpu', cfg_options=tokenizer)
    ours, theirs = tensors_of(direct), tensors_of(two_steps)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert direct.cfg.model == two_steps.cfg.model
    assert not direct.training
    name = 'text_encoder.language_model.embeddings.word_embeddings.weight'
    stored = toy.weights['text_encoder.embeddings.word_embeddings.weight']
    assert torch.equal(direct.state_dict()[name], stored)


def test_it_segments(r2vos, tokenizer, frames):
    config = Config.fromfile(r2vos.config)
    config.test_pipeline = [dict(type='mmcv.Resize', scale=(64, 64), keep_ratio=True)]
    model = init_model(config, r2vos.file, device='cpu', cfg_options=tokenizer)
    result = segment_video(model, frames[:2], ['a ball', 'a dog that is not there'])
    assert result.masks.shape == (2, 2, 48, 80)
    assert ((result.consensus > 0) & (result.consensus < 1)).all()
    assert 'language_model' not in config.model.text_encoder  # the caller's config is not changed


def test_state_dicts_without_a_container_and_of_parallel_training(r2vos, tokenizer, tmp_path):
    torch.save({f'module.{n}': t for n, t in r2vos.weights.items()}, tmp_path / 'bare.pth')
    model = init_model(r2vos.config, tmp_path / 'bare.pth', device='cpu', cfg_options=tokenizer)
    name = 'transformer.level_embed'
    assert torch.equal(model.state_dict()['neck.level_embed'], r2vos.weights[name])


def test_wrong_config_is_told_the_right_one(r2vos, folder, monkeypatch):
    """The toy's backbone was never published; for the message it passes as ResNet-50."""
    monkeypatch.setattr('r2vos_mm.converters.recognition._backbone_of', lambda *_: 'r50')
    other = folder / 'other.py'
    config = Config.fromfile(r2vos.config)
    config.model.mask_head.decoder.num_layers = 3
    config.dump(other)
    for wrong in (other, 'r2vos_swin-t_released', 'mttr_video-swin-t_released', 'r2vos_tiny'):
        with pytest.raises(CheckpointMismatchError) as caught:
            init_model(wrong, r2vos.file, device='cpu')
        message = str(caught.value)
        assert 'The file is R2-VOS with backbone r50: use the config' in message
        assert 'r2vos-released_r50_8xb1-6e_ref-ytvos.py (r2vos_r50_released)' in message
        assert '\n' not in message


def test_unpublished_sizes_are_named(r2vos):
    with pytest.raises(CheckpointMismatchError, match='of unknown size: use a config of these'):
        init_model('r2vos_r50_released', r2vos.file, device='cpu')
    with pytest.raises(UsageError, match=r'released\.pth is R2-VOS .* name its config'):
        init_model(checkpoint=r2vos.file, device='cpu')


def test_config_is_chosen_from_the_file(r2vos, tokenizer, monkeypatch):
    """Given alone, in either place; here the alias leads to the small config."""
    listed = SimpleNamespace(config=r2vos.config, method='R2-VOS')
    for module in ('apis.model_loading', 'engine.model_index'):
        monkeypatch.setattr(f'r2vos_mm.{module}.find_model', lambda name: listed)
    monkeypatch.setattr('r2vos_mm.apis.inferencer.FrameTransform', lambda cfg: None)
    options = dict(device='cpu', cfg_options=tokenizer)
    models = [
        init_model(None, r2vos.file, **options),
        init_model(r2vos.file, **options),
        R2VOSInferencer(r2vos.file, show_progress=False, **options).model,
    ]
    for model in models:
        assert Path(model.cfg.filename) == r2vos.config


def test_files_that_do_not_tell_their_config(tmp_path):
    torch.save(dict(state_dict=dict(a=torch.zeros(1))), tmp_path / 'ours.pth')
    with pytest.raises(UsageError, match=r'ours\.pth is not a released .* name the config'):
        init_model(tmp_path / 'ours.pth')
    with pytest.raises(UsageError, match='neither a config nor a checkpoint'):
        init_model()
    torch.save(dict(model=dict(a=torch.zeros(1)), hook=pytest.raises), tmp_path / 'code.pth')
    with pytest.raises(CheckpointReadError, match='holds an object of class'):
        init_model(None, tmp_path / 'code.pth')


def test_tokenizer_is_all_that_is_needed(r2vos, tmp_path, monkeypatch):
    monkeypatch.setattr('huggingface_hub.constants.HF_HUB_OFFLINE', True)
    with pytest.raises(OSError, match=r'(?s)tokenizer of .distilroberta-base.*Download its tok'):
        init_model(r2vos.config, r2vos.file, device='cpu')
    write_byte_tokenizer(tmp_path, size=200)
    options = {'model.text_encoder.tokenizer': str(tmp_path)}  # with a mask token, which it adds
    with pytest.raises(CheckpointMismatchError, match='has 201 tokens, the language model in the'):
        init_model(r2vos.config, r2vos.file, device='cpu', cfg_options=options)


FULL_SIZE = pytest.mark.skipif(
    os.environ.get('R2VOS_FULL_SIZE') != '1', reason='R2VOS_FULL_SIZE=1 tries files of full size'
)


def write_full(names: dict[str, tuple[int, ...]], path: Path, method: str) -> Path:
    """Write a file of full size with the values of the reference numbers."""
    weights = {
        name: torch.zeros(shape, dtype=torch.int64)
        if name.endswith('relative_position_index')
        else fill(name, shape)
        for name, shape in names.items()
    }
    if method == 'mttr':
        torch.save(dict(model_state_dict=weights, epoch=3, total_loss=1.5), path)
        return path
    return write_released(weights, path)


@FULL_SIZE
@pytest.mark.parametrize(
    ('names', 'method', 'config'),
    [
        ('r2vos_r50_released', 'r2vos', 'r2vos-released_r50_8xb1-6e_ref-ytvos'),
        ('rf_resnet50', 'referformer', 'referformer_r50_8xb1-6e_ref-ytvos'),
        ('rf_swin_t_p4w7', 'referformer', 'referformer_swin-t_8xb1-6e_ref-ytvos'),
        ('rf_video_swin_t_p4w7', 'referformer', 'referformer_video-swin-t_8xb1-6e_ref-ytvos'),
        ('rf_video_swin_b_p4w7', 'referformer', 'referformer_video-swin-b_8xb1-6e_ref-ytvos'),
        ('mttr_video_swin_t', 'mttr', 'mttr_video-swin-t_4xb1-30e_ref-ytvos-12f'),
    ],
)
def test_full_size_files_run_without_a_config(test_data, tmp_path, frames, names, method, config):
    """One step equals two: all tensors, and the masks, scores and verdicts of a video."""
    shapes = released_shapes(test_data / f'golden/{names}.names.txt')
    file = write_full(shapes, tmp_path / 'released.pth', method)
    tokenizer = write_byte_tokenizer(tmp_path / 'tokenizer', size=50265)
    options = {'model.text_encoder.tokenizer': str(tokenizer)}
    model = init_model(file, device='cpu', cfg_options=options)
    assert Path(model.cfg.filename).stem == config
    direct = segment_video(model, frames[:2], ['a ball', 'no dog'], precision='float32')
    state = {name: tensor.clone() for name, tensor in tensors_of(model).items()}
    del model
    tool, target = load_script(f'model_converters/released_{method}.py'), tmp_path / 'converted.pth'
    assert tool.main(['from-released', str(config_file(config)), str(file), str(target)]) == 0
    model = init_model(config, target, device='cpu', cfg_options=options)
    again = segment_video(model, frames[:2], ['a ball', 'no dog'], precision='float32')
    theirs = tensors_of(model)
    assert state.keys() == theirs.keys()
    assert all(torch.equal(state[name], theirs[name]) for name in state)
    for name in ('masks', 'ungated_masks', 'scores', 'boxes', 'consensus'):
        np.testing.assert_array_equal(np.asarray(getattr(direct, name)), getattr(again, name))
    assert direct.judged == (method == 'r2vos')


@FULL_SIZE
def test_outputs_are_those_of_the_released_model(test_data, tmp_path):
    """The reference numbers' model, whose language model has two layers, from a released file."""
    fixture = torch.load(test_data / 'golden/r2vos_eval.pt', weights_only=True)
    names = R2VOS.to_released(tensors_of(released_model())).weights
    weights = {name: fill(name, tuple(tensor.shape)) for name, tensor in names.items()}
    file = write_released(weights, tmp_path / 'released.pth')
    tokenizer = write_byte_tokenizer(tmp_path / 'tokenizer', size=ROBERTA['vocab_size'])
    model = init_model(
        file, device='cpu', cfg_options={'model.text_encoder.tokenizer': str(tokenizer)}
    )
    model.text_encoder.tokenizer = WordTokenizer()
    with torch.no_grad():
        clip, text = fixture['clip'][None], model.text_encoder([fixture['caption']])
        features = model.extract_clips(clip, [tuple(clip.shape[-2:])])
        found, cycle, _ = model._predict_pairs(features, text, torch.tensor([0]))
    for ours, theirs, tolerance in (
        (found.scores[..., None], fixture['out']['pred_logits'], 1e-5),
        (found.boxes, fixture['out']['pred_boxes'], 1e-5),
        (found.masks, fixture['out']['pred_masks'], 1e-3),
        (cycle.misalignment_logit.sigmoid()[:, None], fixture['out']['pair_logits'], 1e-5),
    ):
        torch.testing.assert_close(ours, theirs, atol=tolerance, rtol=0)
