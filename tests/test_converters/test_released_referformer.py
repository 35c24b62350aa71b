"""Every tensor of a released ReferFormer checkpoint has its place in both directions."""

import re
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from referformer_extracts import load_extract
from referformer_model import BACKBONES
from released_extracts import empty, released_shapes
from released_toys import released_weights, small_config, write_released
from scripts import exit_status, load_script
from torch import Tensor
from toy_models import CONFIGS

from r2vos_mm.converters import R2VOS, REFERFORMER, load_converted, model_like
from r2vos_mm.registry import MODELS
from r2vos_mm.utils.state_dict import CheckpointMismatchError

Shapes = dict[str, tuple[int, ...]]
POSITIONS = 'text_encoder.embeddings.position_ids'
BLOCK = 'pixel_decoder.cross_attn_1'


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A config and a released checkpoint that belongs to it."""
    folder = tmp_path_factory.mktemp('released')
    config = small_config(folder, 'referformer/referformer_r50_8xb1-6e_ref-ytvos.py')
    write_released(
        released_weights(config, restore=REFERFORMER.to_released), folder / 'released.pth'
    )
    return folder


@pytest.fixture(scope='module')
def weights(folder: Path) -> dict[str, Tensor]:
    state = torch.load(folder / 'released.pth', weights_only=False)['model']
    state.pop(POSITIONS)
    return state


def shapes_of_config(backbone: str) -> Shapes:
    """Names and shapes of the config of that backbone, but for its language model."""
    name = f'referformer/referformer_{BACKBONES[backbone]}_8xb1-6e_ref-ytvos.py'
    model = Config.fromfile(CONFIGS / name).model
    model.backbone.init_cfg = None
    shapes = {}
    for part in ('backbone', 'neck', 'mask_head'):
        state = MODELS.build(model[part]).state_dict()
        shapes |= {
            f'{part}.{name}': tuple(tensor.shape)
            for name, tensor in state.items()
            if not name.endswith('num_batches_tracked')
        }
    return shapes


def check_names(given: Shapes, backbone: str) -> None:
    """All names are known, lead back, and fill the config of that backbone."""
    converted = REFERFORMER.to_ours(empty(given))
    assert not converted.unknown
    assert all(name.endswith('relative_position_index') for name in converted.implied)
    assert len(converted.aliases) == 24
    back = REFERFORMER.to_released(converted.weights)
    kept = given.keys() - set(converted.implied)
    assert {n: tuple(t.shape) for n, t in back.weights.items()} == {n: given[n] for n in kept}
    found = {
        name: tuple(tensor.shape)
        for name, tensor in converted.weights.items()
        if not name.startswith('text_encoder.')
    }
    assert found == shapes_of_config(backbone)


def test_all_804_tensors_of_the_extract():
    names = load_extract()['names']
    assert len(names) == 804
    check_names(names, 'resnet50')


@pytest.mark.parametrize(
    'backbone', ['resnet50', 'swin_t_p4w7', 'video_swin_t_p4w7', 'video_swin_b_p4w7']
)
def test_all_names_of_the_reference_data(test_data, backbone):
    check_names(released_shapes(test_data / f'golden/rf_{backbone}.names.txt'), backbone)


def test_values_survive_both_directions(weights):
    converted = REFERFORMER.to_ours(weights | {POSITIONS: torch.arange(12)[None]})
    assert converted.implied == (POSITIONS,)
    back = REFERFORMER.to_released(converted.weights).weights
    assert back.keys() == weights.keys()
    assert all(torch.equal(back[name], weights[name]) for name in weights)


def test_levels_are_counted_from_the_coarsest(weights):
    """The released model counts from stride 4 (1) to stride 32 (4)."""
    converted = REFERFORMER.to_ours(weights).weights
    for number, block in (
        (4, 'grounding.block'),
        (3, 'pyramid.blocks.0'),
        (2, 'pyramid.blocks.1'),
        (1, 'pyramid.blocks.2'),
    ):
        released = f'pixel_decoder.cross_attn_{number}'
        for theirs, ours in (
            ('norm1', 'vision_norm'),
            ('norm2', 'tail.update_norm'),
            ('norm3', 'tail.ffn_norm'),
            ('linear2', 'tail.ffn.3'),
        ):
            assert torch.equal(
                converted[f'neck.{block}.{ours}.weight'], weights[f'{released}.{theirs}.weight']
            )
    for number, layer in ((4, 'grounding.output'), (1, 'pyramid.layers.2')):
        assert torch.equal(
            converted[f'neck.{layer}.conv.weight'], weights[f'pixel_decoder.layer_{number}.weight']
        )
    for number, adapter in (
        (4, 'grounding.lateral'),
        (3, 'pyramid.adapters.0'),
        (1, 'finest_adapter'),
    ):
        assert torch.equal(
            converted[f'neck.{adapter}.gn.bias'],
            weights[f'pixel_decoder.adapter_{number}.norm.bias'],
        )


def test_fused_projections_are_split_in_order(weights):
    converted = REFERFORMER.to_ours(weights).weights
    for theirs, ours in (('self_attn', 'vision_attention'), ('multihead_attn', 'text_attention')):
        fused = weights[f'{BLOCK}.{theirs}.in_proj_weight']
        for row, part in enumerate(('query', 'key', 'value')):
            assert torch.equal(
                converted[f'neck.pyramid.blocks.2.{ours}.{part}_proj.weight'],
                fused[256 * row : 256 * (row + 1)],
            )


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(extra=torch.zeros(3)), 'extra is not a tensor of that model'),
        ({'neg_classifier.layers.0.bias': torch.zeros(256)}, 'is not a tensor of that model'),
        (
            {'bbox_embed.0.layers.0.bias': torch.zeros(256)},
            'differs from bbox_embed.0.layers.0.bias',
        ),
        ({f'{BLOCK}.self_attn.in_proj_bias': torch.zeros(767)}, 'not a stack of 3 parts'),
    ],
)
def test_tampered_weights_are_refused(weights, change, message):
    with pytest.raises(CheckpointMismatchError, match=re.escape(message)):
        REFERFORMER.to_ours(weights | change, source='file.pth')


def test_other_methods_are_told_apart(weights):
    with pytest.raises(CheckpointMismatchError, match=r'released ReferFormer checkpoint'):
        REFERFORMER.to_ours(dict(conv=torch.zeros(3)), source='file.pth')
    with pytest.raises(CheckpointMismatchError, match=r'cross_attn_\d.* is not a tensor of that'):
        R2VOS.to_ours(weights, source='file.pth')


def test_missing_and_misshaped_tensors_are_refused(folder, weights):
    config = Config.fromfile(folder / 'small.py').model.to_dict()
    converted = REFERFORMER.to_ours(weights).weights
    model = model_like(config, converted)
    assert load_converted(model, converted, source='file.pth').fits
    name = 'neck.pyramid.blocks.0.vision_norm.bias'
    without = {key: value for key, value in converted.items() if key != name}
    for changed, message in (
        (without, f'missing from the checkpoint: {name}'),
        (converted | {name: torch.zeros(7)}, r'\(7,\) instead of'),
    ):
        with pytest.raises(CheckpointMismatchError, match=message):
            load_converted(model, changed, source='file.pth')


@pytest.fixture(scope='module')
def tool() -> ModuleType:
    return load_script('model_converters/released_referformer.py')


def test_tool_converts_in_both_directions(tool, folder, weights, tmp_path, capsys):
    config, ours, back = str(folder / 'small.py'), tmp_path / 'ours.pth', tmp_path / 'back.pth'
    released = str(folder / 'released.pth')
    assert tool.main(['from-released', config, released, str(ours)]) == 0
    text = capsys.readouterr().out
    assert 'stored twice (12)' in text  # two layers of six tensors
    assert f'implied by the architecture (1): {POSITIONS}' in text
    assert 'without a counterpart in the other format (0): none' in text
    assert tool.main(['to-released', config, str(ours), str(back)]) == 0
    after = torch.load(back, weights_only=True)['model']
    assert after.keys() == weights.keys()
    assert all(torch.equal(after[name], weights[name]) for name in weights)
    assert exit_status(tool.main, ['from-released', config, released, str(ours)]) == 2
    assert 'exists' in capsys.readouterr().err


def test_tool_leaves_score_heads_out(tool, folder, tmp_path, capsys):
    config, released = str(folder / 'small.py'), str(folder / 'released.pth')
    target = tmp_path / 'initial.pth'
    call = ['from-released', config, released, str(target), '--leave-out']
    assert tool.main([*call, 'mask_head.score']) == 0
    assert 'skipped as requested (4): mask_head.score_branches.0' in capsys.readouterr().out
    written = torch.load(target, weights_only=True)['state_dict']
    assert not any('score_branches' in name for name in written)
    assert 'mask_head.query_position.weight' in written
    assert exit_status(tool.main, [*call, 'nothing', '--overwrite']) == 2
    assert "no weight starts with 'nothing'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        tool.main(['to-released', config, released, str(target), '--leave-out', 'neck'])


def test_tool_refuses_wrong_files(tool, folder, tmp_path, capsys):
    config, target = str(folder / 'small.py'), tmp_path / 'ours.pth'
    torch.save(dict(model=dict(weight=torch.zeros(3))), tmp_path / 'foreign.pth')
    assert (
        exit_status(
            tool.main, ['from-released', config, str(tmp_path / 'foreign.pth'), str(target)]
        )
        == 2
    )
    assert 'not a released ReferFormer checkpoint' in capsys.readouterr().err
    assert (
        exit_status(tool.main, ['from-released', config, str(tmp_path / 'none.pth'), str(target)])
        == 2
    )
    assert not target.exists()


def test_tool_takes_a_missing_language_model_from_its_source(
    tool, folder, weights, tmp_path, monkeypatch, capsys
):
    """Checkpoints of training leave a frozen language model out."""
    from r2vos_mm.models import text_encoders

    language = 'text_encoder.language_model.'
    converted = REFERFORMER.to_ours(weights).weights
    model = model_like(Config.fromfile(folder / 'small.py').model.to_dict(), converted)
    load_converted(model, converted, source='the test')
    source = model.text_encoder.language_model
    monkeypatch.setattr(
        text_encoders,
        'load_language_model',
        lambda name: SimpleNamespace(model=source),
    )
    ours = {name: t for name, t in converted.items() if not name.startswith(language)}
    torch.save(dict(state_dict=ours), tmp_path / 'ours.pth')
    assert (
        tool.main(
            [
                'to-released',
                str(folder / 'small.py'),
                str(tmp_path / 'ours.pth'),
                str(tmp_path / 'back.pth'),
            ]
        )
        == 0
    )
    assert 'loading roberta-base' in capsys.readouterr().out
    back = torch.load(tmp_path / 'back.pth', weights_only=True)['model']
    assert all(torch.equal(back[name], weights[name]) for name in weights)
