"""Loading published Swin weights: every key accounted for, clear refusals."""

from pathlib import Path

import pytest
import torch
from mmengine.logging import MMLogger
from torch import Tensor

from r2vos_mm.models.backbones import (
    CheckpointError,
    VideoSwinTransformer,
    convert_swin,
    convert_video_swin,
    load_video_swin,
    read_state,
    read_state_dict,
)

TINY = dict(embed_dims=8, depths=(1, 1, 2, 1), num_heads=(1, 2, 2, 4), window_size=(2, 3, 3))


def tiny(**changes: object) -> VideoSwinTransformer:
    torch.manual_seed(0)
    return VideoSwinTransformer(**{**TINY, **changes})


def kinetics_state(model: VideoSwinTransformer) -> dict[str, Tensor]:
    """The model's weights as a Kinetics-400 file names them, with a patch kernel of two taps."""
    state = {}
    for name, tensor in model.state_dict().items():
        if name.startswith('downsamples.'):
            stage, rest = name.split('.', 2)[1:]
            name = f'layers.{stage}.downsample.{rest}'
        state[f'backbone.{name}'] = tensor
    kernel = state.pop('backbone.patch_embed.proj.weight')
    state['backbone.patch_embed.proj.weight'] = torch.cat([0.25 * kernel, 0.75 * kernel], dim=2)
    state['backbone.layers.0.blocks.0.attn.relative_position_index'] = torch.zeros(18, 18).long()
    state['backbone.norm.weight'] = torch.ones(64)
    state['backbone.norm.bias'] = torch.zeros(64)
    state['cls_head.fc_cls.weight'] = torch.zeros(400, 64)
    return state


@pytest.fixture
def kinetics_file(tmp_path: Path) -> Path:
    path = tmp_path / 'k400.pth'
    torch.save(dict(meta=dict(epoch=30), state_dict=kinetics_state(tiny())), path)
    return path


def test_kinetics_file_loads_through_init_cfg(kinetics_file: Path) -> None:
    source = tiny()
    torch.manual_seed(5)
    model = VideoSwinTransformer(
        **TINY, init_cfg=dict(type='Pretrained', checkpoint=str(kinetics_file))
    )
    model.init_weights()
    torch.testing.assert_close(dict(model.state_dict()), dict(source.state_dict()))


def test_report_accounts_for_every_key(kinetics_file: Path) -> None:
    model = tiny(out_norm=dict(type='LN'))
    report = load_video_swin(model, kinetics_file)
    in_file = set(read_state_dict(kinetics_file))
    assert len(report.weights) + len(report.unused) == len(in_file)
    assert set(report.unused) == {
        'backbone.layers.0.blocks.0.attn.relative_position_index',
        'backbone.norm.weight',
        'backbone.norm.bias',
        'cls_head.fc_cls.weight',
    }
    assert set(report.missing) == {
        f'norm{stage}.{leaf}' for stage in range(4) for leaf in ('weight', 'bias')
    }
    assert set(report.weights) | set(report.missing) == set(model.state_dict())
    text = report.describe()
    assert str(kinetics_file) in text
    assert 'backbone.layers.*.blocks.*.attn.relative_position_index (1)' in text


def test_two_taps_on_equal_frames_equal_their_sum(kinetics_file: Path) -> None:
    kernel = read_state_dict(kinetics_file)['backbone.patch_embed.proj.weight']
    frame = torch.randn(1, 3, 1, 8, 8)
    expected = torch.nn.functional.conv3d(frame.repeat(1, 1, 2, 1, 1), kernel, stride=(2, 4, 4))
    converted = convert_video_swin(read_state_dict(kinetics_file)).weights
    found = torch.nn.functional.conv3d(
        frame, converted['patch_embed.proj.weight'], stride=(1, 4, 4)
    )
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize('prefix', ['', 'backbone.', 'backbone.0.body.', 'module.backbone.'])
def test_prefix_is_found_and_other_modules_are_left_out(prefix: str) -> None:
    weights = tiny().state_dict()
    state = {prefix + name: tensor for name, tensor in weights.items()}
    state['transformer.level_embed'] = torch.zeros(4, 256)
    converted = convert_video_swin(state)
    assert converted.ignored == ('transformer.level_embed',)
    assert list(converted.weights) == list(weights)


def test_names_are_those_of_released_checkpoints(test_data: Path) -> None:
    """Every backbone name of the released lists has its place, and the other way round."""
    cases = [
        ('rf_video_swin_t_p4w7', 'backbone.0.body.', {}),
        (
            'rf_video_swin_b_p4w7',
            'backbone.0.body.',
            dict(embed_dims=128, depths=(2, 2, 18, 2), num_heads=(4, 8, 16, 32)),
        ),
        ('mttr_video_swin_t', 'backbone.', dict(out_indices=(0, 1, 2))),
    ]
    for file, prefix, config in cases:
        lines = (test_data / 'golden' / f'{file}.names.txt').read_text().splitlines()
        released = {line.split('\t')[0]: line.split('\t')[1] for line in lines if '\t' in line}
        expected = {
            name[len(prefix) :]: shape
            for name, shape in released.items()
            if name.startswith(prefix) and not name.endswith('relative_position_index')
        }
        with torch.device('meta'):
            model = VideoSwinTransformer(**config)
        found = {
            name: 'x'.join(map(str, tensor.shape)) for name, tensor in model.state_dict().items()
        }
        assert found == expected


def test_later_stages_of_the_file_may_stay_unused(kinetics_file: Path) -> None:
    report = load_video_swin(tiny(out_indices=(0, 1, 2)), kinetics_file)
    assert not report.missing
    assert 'layers.3.blocks.0.norm1.weight' in report.unused
    assert 'downsamples.2.norm.weight' in report.unused


def test_missing_file_names_path_and_remedy(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match='No checkpoint file at .*none.pth.*download'):
        read_state_dict(tmp_path / 'none.pth')


@pytest.mark.parametrize('share', [0.0, 0.3, 0.9])
def test_truncated_file_names_path_and_remedy(kinetics_file: Path, share: float) -> None:
    content = kinetics_file.read_bytes()
    kinetics_file.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(CheckpointError, match='k400.pth cannot be read.*download it again'):
        read_state_dict(kinetics_file)


class Payload:
    """Unpickling this would call ``print``; reading tensors only must refuse it."""

    def __reduce__(self) -> tuple:
        return print, ('code from a checkpoint ran',)


def test_code_in_a_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = tmp_path / 'payload.pth'
    torch.save(dict(state_dict=dict(a=torch.zeros(1)), extra=Payload()), path)
    with pytest.raises(CheckpointError, match='payload.pth cannot be read'):
        read_state_dict(path)
    assert 'code from a checkpoint ran' not in capsys.readouterr().out


@pytest.mark.parametrize('content', [[1, 2], dict(meta='x'), dict(state_dict=dict())])
def test_file_without_weights_is_refused(tmp_path: Path, content: object) -> None:
    path = tmp_path / 'empty.pth'
    torch.save(content, path)
    with pytest.raises(CheckpointError, match='empty.pth holds no state dict'):
        read_state_dict(path)


def test_entries_that_are_no_tensors_are_named(
    kinetics_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = torch.load(kinetics_file, weights_only=True)['state_dict']
    torch.save(dict(state_dict=state | {'epoch': 3, 'names': ['a'], 5: None}), kinetics_file)
    stored = read_state(kinetics_file)
    assert stored.others == ('epoch', 'names', '5')
    assert stored.tensors.keys() == state.keys()
    assert set(stored.others) < set(load_video_swin(tiny(), kinetics_file).unused)
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    try:
        assert read_state_dict(kinetics_file).keys() == state.keys()
    finally:
        logger.removeHandler(caplog.handler)
    assert 'k400.pth: no tensors, left out: epoch, names, 5' in caplog.text


def test_foreign_model_is_refused() -> None:
    with pytest.raises(CheckpointError, match='file holds no Swin backbone.*conv1.weight'):
        convert_video_swin({'conv1.weight': torch.zeros(64, 3, 7, 7)}, source='file')


def test_two_backbones_are_refused() -> None:
    kernel = torch.zeros(8, 3, 1, 4, 4)
    state = {'a.patch_embed.proj.weight': kernel, 'b.patch_embed.proj.weight': kernel}
    with pytest.raises(CheckpointError, match='more than one Swin backbone'):
        convert_video_swin(state)


def test_image_and_video_swin_are_told_apart() -> None:
    with pytest.raises(CheckpointError, match='mmdet.SwinTransformer'):
        convert_video_swin({'patch_embed.proj.weight': torch.zeros(8, 3, 4, 4)})
    with pytest.raises(CheckpointError, match='goes into VideoSwinTransformer'):
        convert_swin({'patch_embed.proj.weight': torch.zeros(8, 3, 1, 4, 4)})


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(embed_dims=16), r'patch_embed.proj.bias has shape \(8,\), the model needs \(16,\)'),
        (dict(window_size=(4, 3, 3)), r'relative_position_bias_table has shape \(75, 1\)'),
        (dict(depths=(1, 1, 3, 1)), 'layers.2.blocks.2.norm1.weight is missing'),
        (dict(depths=(1, 1, 1, 1)), 'layers.2.blocks.1.norm1.weight has no place in the model'),
    ],
)
def test_other_size_is_refused_before_loading(
    kinetics_file: Path, changes: dict, message: str
) -> None:
    model = tiny(**changes)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(CheckpointError, match=f'k400.pth does not fit.*{message}.*Set embed_dims'):
        load_video_swin(model, kinetics_file)
    torch.testing.assert_close(dict(model.state_dict()), before)
