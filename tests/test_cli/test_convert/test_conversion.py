"""The converters of released and ImageNet checkpoints, run as a user runs them."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from released_toys import released_weights, small_config, write_released
from scripts import exit_status, load_script

from r2vos_mm.models import text_encoders
from r2vos_mm.registry import MODELS


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A config and a released checkpoint that belongs to it."""
    folder = tmp_path_factory.mktemp('released')
    write_released(released_weights(small_config(folder)), folder / 'released.pth')
    return folder


def test_released_checkpoint_survives_both_directions(folder, tmp_path, capsys):
    tool = load_script('model_converters/released_r2vos.py')
    config, ours = str(folder / 'small.py'), str(tmp_path / 'ours.pth')
    assert tool.main(['from-released', config, str(folder / 'released.pth'), ours]) == 0
    text = capsys.readouterr().out
    assert 'stored twice (12)' in text  # two layers of six tensors
    assert 'implied by the architecture (1): text_encoder.embeddings.position_ids' in text
    assert 'without a counterpart in the other format (0): none' in text
    back = str(tmp_path / 'back.pth')
    assert tool.main(['to-released', config, ours, back]) == 0
    before = torch.load(folder / 'released.pth', weights_only=False)['model']
    after = torch.load(back, weights_only=True)['model']
    before.pop('text_encoder.embeddings.position_ids')
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_wrong_files_and_configs_are_refused(folder, tmp_path, capsys):
    tool = load_script('model_converters/released_r2vos.py')
    config, target = str(folder / 'small.py'), tmp_path / 'ours.pth'
    torch.save(dict(model=dict(weight=torch.zeros(3))), tmp_path / 'foreign.pth')
    assert (
        exit_status(
            tool.main, ['from-released', config, str(tmp_path / 'foreign.pth'), str(target)]
        )
        == 2
    )
    assert 'not a released R2-VOS checkpoint' in capsys.readouterr().err
    other = Config.fromfile(config)
    other.model.mask_head.decoder.num_layers = 3
    other.dump(tmp_path / 'other.py')
    released = str(folder / 'released.pth')
    assert (
        exit_status(tool.main, ['from-released', str(tmp_path / 'other.py'), released, str(target)])
        == 2
    )
    assert 'missing from the checkpoint' in capsys.readouterr().err
    assert (
        exit_status(tool.main, ['from-released', config, str(tmp_path / 'none.pth'), str(target)])
        == 2
    )
    assert 'none.pth does not exist' in capsys.readouterr().err
    assert not target.exists()
    target.write_text('precious')
    assert exit_status(tool.main, ['from-released', config, released, str(target)]) == 2
    assert target.read_text() == 'precious'


def test_referformer_initializes(folder, tmp_path, capsys):
    """ReferFormer has no cycle and another pixel decoder; the rest is taken."""
    weights = torch.load(folder / 'released.pth', weights_only=False)['model']
    referformer = {
        name: tensor
        for name, tensor in weights.items()
        if not name.startswith(('neg_classifier', 'pixel_decoder.text_'))
    }
    referformer['pixel_decoder.cross_attn_4.norm1.bias'] = torch.zeros(256)
    referformer['query_embed.weight'] = torch.zeros(9, 256)
    torch.save(dict(model=referformer), tmp_path / 'referformer.pth')
    target = tmp_path / 'initial.pth'
    assert (
        load_script('model_converters/referformer_to_r2vos.py').main(
            [
                str(folder / 'small.py'),
                str(tmp_path / 'referformer.pth'),
                str(target),
            ]
        )
        == 0
    )
    text = capsys.readouterr().out
    assert '(1): pixel_decoder.cross_attn_4.norm1.bias' in text
    assert 'in the config (1): mask_head.query_position.weight' in text
    assert 'cycle_head.discriminator.layers.0.weight' in text
    written = torch.load(target, weights_only=True)['state_dict']
    assert 'mask_head.query_position.weight' not in written
    assert torch.equal(written['neck.level_embed'], weights['transformer.level_embed'])


def test_referformer_initializes_without_its_language_model(folder, tmp_path, capsys):
    """A model around another language model keeps its own."""
    tool, target = load_script('model_converters/referformer_to_r2vos.py'), tmp_path / 'initial.pth'
    files = [str(folder / 'small.py'), str(folder / 'released.pth'), str(target)]
    assert tool.main([*files, '--without-language-model']) == 0
    assert 'a RoBERTa with 1 layers.\nIt is skipped.' in capsys.readouterr().out
    written = torch.load(target, weights_only=True)['state_dict']
    assert not [name for name in written if 'language_model' in name]
    assert 'text_encoder.projector.0.weight' in written


def test_language_model_left_out_by_training_is_found_again(folder, tmp_path, capsys, monkeypatch):
    """On the way back it comes from where the config names it; what the file has wins."""
    tool, config = load_script('model_converters/released_r2vos.py'), str(folder / 'small.py')
    ours, trained, back = (str(tmp_path / f'{name}.pth') for name in ('ours', 'trained', 'back'))
    assert tool.main(['from-released', config, str(folder / 'released.pth'), ours]) == 0
    state = torch.load(ours, weights_only=True)['state_dict']
    prefix, pooler = 'text_encoder.language_model.', 'pooler.dense.bias'
    language = {n.removeprefix(prefix): x for n, x in state.items() if n.startswith(prefix)}
    kept = {n: x for n, x in state.items() if not n.startswith(prefix)}
    torch.save(dict(state_dict=kept | {prefix + pooler: language[pooler] + 1}), trained)

    def unreachable(name_or_path: str) -> None:
        raise OSError(f'{name_or_path} cannot be loaded')

    monkeypatch.setattr(text_encoders, 'load_language_model', unreachable)
    assert exit_status(tool.main, ['to-released', config, trained, back]) == 2
    assert 'distilroberta-base cannot be loaded' in capsys.readouterr().err
    source = SimpleNamespace(model=SimpleNamespace(state_dict=lambda: language))
    monkeypatch.setattr(text_encoders, 'load_language_model', {'distilroberta-base': source}.get)
    assert tool.main(['to-released', config, trained, back]) == 0
    assert 'loading distilroberta-base' in capsys.readouterr().out
    written = torch.load(back, weights_only=True)['model']
    expected = torch.load(folder / 'released.pth', weights_only=False)['model']
    expected.pop('text_encoder.embeddings.position_ids')
    expected[f'text_encoder.{pooler}'] = expected[f'text_encoder.{pooler}'] + 1
    assert written.keys() == expected.keys()
    assert all(torch.equal(written[name], expected[name]) for name in expected)


def test_imagenet_resnet(folder, tmp_path, capsys):
    tool, config = load_script('model_converters/imagenet_to_r2vos.py'), folder / 'small.py'
    backbone = MODELS.build(Config.fromfile(config).model.backbone)
    state = {name: value + 1 for name, value in backbone.state_dict().items()}
    torch.save(state | {'fc.weight': torch.zeros(9, 3), 'epoch': 3}, tmp_path / 'in.pth')
    target = tmp_path / 'out.pth'
    assert tool.main([str(config), str(tmp_path / 'in.pth'), str(target)]) == 0
    assert 'unused in the file (2): fc.weight (1), epoch (1)' in capsys.readouterr().out
    backbone.load_state_dict(torch.load(target, weights_only=True)['state_dict'], strict=True)
    del state['layer1.0.conv2.weight']
    torch.save(state, tmp_path / 'in.pth')
    assert (
        exit_status(tool.main, [str(config), str(tmp_path / 'in.pth'), str(tmp_path / 'new.pth')])
        == 2
    )
    assert 'missing from the checkpoint: layer1.0.conv2.weight' in capsys.readouterr().err


def test_imagenet_refuses_what_does_not_fit(folder, tmp_path, capsys):
    tool, target = load_script('model_converters/imagenet_to_r2vos.py'), tmp_path / 'out.pth'
    config, source = str(folder / 'small.py'), str(tmp_path / 'in.pth')
    state = MODELS.build(Config.fromfile(config).model.backbone).state_dict()
    torch.save(state | {'bn1.bias': torch.zeros(1)}, source)
    torch.save(dict(state_dict=state, args=SimpleNamespace(lr=1e-4)), tmp_path / 'foreign.pth')
    for files, message in (
        ([config, source], 'bn1.bias (1,) instead of (4,)'),
        ([config, str(tmp_path / 'foreign.pth')], 'foreign.pth holds an object of class'),
        ([str(tmp_path / 'none.py'), source], 'none.py does not exist'),
        ([source, source], 'in.pth cannot be read'),
    ):
        assert exit_status(tool.main, [*files, str(target)]) == 2
        assert message in capsys.readouterr().err
        assert not target.exists()
    target.write_text('precious')
    assert exit_status(tool.main, [config, source, str(target)]) == 2
    assert '--overwrite' in capsys.readouterr().err
    assert target.read_text() == 'precious'


def test_imagenet_swin(tmp_path, capsys):
    """Names of the ImageNet model; the norms on the maps are not among them."""
    backbone = dict(
        type='mmdet.SwinTransformer', embed_dims=4, depths=(1, 1, 1, 1), num_heads=(1, 1, 1, 1)
    )
    Config(dict(model=dict(backbone=backbone))).dump(tmp_path / 'swin.py')
    state = {}
    for name, tensor in MODELS.build(backbone).state_dict().items():
        if not name.startswith('norm'):
            for ours, released in (
                ('stages.', 'layers.'),
                ('.w_msa.', '.'),
                ('ffn.layers.0.0.', 'mlp.fc1.'),
                ('ffn.layers.1.', 'mlp.fc2.'),
                ('projection', 'proj'),
            ):
                name = name.replace(ours, released)
            state[name] = tensor
    torch.save(
        dict(model=state | {'norm.weight': torch.zeros(3), 'head.bias': torch.zeros(3)}),
        tmp_path / 'in.pth',
    )
    tool = load_script('model_converters/imagenet_to_r2vos.py')
    target = tmp_path / 'out.pth'
    assert tool.main([str(tmp_path / 'swin.py'), str(tmp_path / 'in.pth'), str(target)]) == 0
    text = capsys.readouterr().out
    assert 'norm.weight' in text
    assert 'norm0.weight (1)' in text.split('start fresh')[1]
    written = torch.load(target, weights_only=True)['state_dict']
    left = MODELS.build(backbone).load_state_dict(written, strict=False)
    assert not left.unexpected_keys
    assert all(name.startswith('norm') for name in left.missing_keys)
