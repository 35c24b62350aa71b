"""Loading published backbone weights: every key accounted for, clear refusals."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from r2vos_mm.converters import restore_swin
from r2vos_mm.models.backbones import (
    VideoSwinTransformer,
    convert_swin,
    convert_video_swin,
    load_backbone,
    read_state,
)
from r2vos_mm.registry import MODELS
from r2vos_mm.utils import checkpoint
from r2vos_mm.utils.checkpoint import CheckpointReadError
from r2vos_mm.utils.state_dict import CheckpointMismatchError
from r2vos_mm.utils.weights import WeightsError

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
    report = load_backbone(model, kinetics_file)
    in_file = read_state(kinetics_file).weights
    assert len(report.weights) + len(report.ignored) == len(in_file)
    assert set(report.ignored) == {
        'backbone.layers.0.blocks.0.attn.relative_position_index',
        'backbone.norm.weight',
        'backbone.norm.bias',
        'cls_head.fc_cls.weight',
    }
    assert set(report.missing_keys) == {
        f'norm{stage}.{leaf}' for stage in range(4) for leaf in ('weight', 'bias')
    }
    assert set(report.weights) | set(report.missing_keys) == set(model.state_dict())
    text = report.describe()
    assert str(kinetics_file) in text
    assert 'backbone.layers.*.blocks.*.attn.relative_position_index (1)' in text


def test_two_taps_on_equal_frames_equal_their_sum(kinetics_file: Path) -> None:
    kernel = read_state(kinetics_file).weights['backbone.patch_embed.proj.weight']
    frame = torch.randn(1, 3, 1, 8, 8)
    expected = torch.nn.functional.conv3d(frame.repeat(1, 1, 2, 1, 1), kernel, stride=(2, 4, 4))
    converted = convert_video_swin(read_state(kinetics_file).weights).weights
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
    report = load_backbone(tiny(out_indices=(0, 1, 2)), kinetics_file)
    assert not report.missing_keys
    assert 'layers.3.blocks.0.norm1.weight' in report.unexpected_keys
    assert 'downsamples.2.norm.weight' in report.unexpected_keys


def test_missing_file_names_path_and_remedy(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='none.pth does not exist'):
        read_state(tmp_path / 'none.pth')


@pytest.mark.parametrize('share', [0.0, 0.3, 0.9])
def test_truncated_file_names_path_and_remedy(kinetics_file: Path, share: float) -> None:
    content = kinetics_file.read_bytes()
    kinetics_file.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(CheckpointReadError, match='k400.pth .*cannot be read.*download it again'):
        read_state(kinetics_file)


class Payload:
    """Unpickling this would call ``print``; reading tensors only must refuse it."""

    def __reduce__(self) -> tuple:
        return print, ('code from a checkpoint ran',)


def test_code_in_a_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = tmp_path / 'payload.pth'
    torch.save(dict(state_dict=dict(a=torch.zeros(1)), extra=Payload()), path)
    with pytest.raises(CheckpointReadError, match='payload.pth holds an object of class'):
        read_state(path)
    assert 'code from a checkpoint ran' not in capsys.readouterr().out


@pytest.mark.parametrize('content', [[1, 2], dict(meta='x'), dict(state_dict=dict())])
def test_file_without_weights_is_refused(tmp_path: Path, content: object) -> None:
    path = tmp_path / 'empty.pth'
    torch.save(content, path)
    with pytest.raises(CheckpointReadError, match='empty.pth holds no state dict'):
        read_state(path)


def test_entries_that_are_no_tensors_are_named(
    kinetics_file: Path,
) -> None:
    state = torch.load(kinetics_file, weights_only=True)['state_dict']
    torch.save(dict(state_dict=state | {'epoch': 3, 'names': ['a'], 5: None}), kinetics_file)
    stored = read_state(kinetics_file)
    assert stored.ignored == ('epoch', 'names', '5')
    assert stored.weights.keys() == state.keys()
    assert set(stored.ignored) < set(load_backbone(tiny(), kinetics_file).ignored)


def test_foreign_model_is_refused() -> None:
    with pytest.raises(CheckpointMismatchError, match='file holds no Swin backbone.*conv1.weight'):
        convert_video_swin({'conv1.weight': torch.zeros(64, 3, 7, 7)}, source='file')


def test_two_backbones_are_refused() -> None:
    kernel = torch.zeros(8, 3, 1, 4, 4)
    state = {'a.patch_embed.proj.weight': kernel, 'b.patch_embed.proj.weight': kernel}
    with pytest.raises(CheckpointMismatchError, match='more than one Swin backbone'):
        convert_video_swin(state)


def test_image_and_video_swin_are_told_apart() -> None:
    with pytest.raises(CheckpointMismatchError, match='for a 2-D Swin, mmdet.SwinTransformer'):
        convert_video_swin({'patch_embed.proj.weight': torch.zeros(8, 3, 4, 4)})
    with pytest.raises(CheckpointMismatchError, match='for a Video Swin, VideoSwinTransformer'):
        convert_swin({'patch_embed.proj.weight': torch.zeros(8, 3, 1, 4, 4)})


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(embed_dims=16), r'patch_embed.proj.bias \(8,\) instead of \(16,\)'),
        (dict(window_size=(4, 3, 3)), r'relative_position_bias_table \(75, 1\) instead of'),
        (dict(depths=(1, 1, 3, 1)), 'missing from the checkpoint: layers.2.blocks.2.norm1.weight'),
        (dict(depths=(1, 1, 1, 1)), 'unknown to the model: layers.2.blocks.1.norm1.weight'),
    ],
)
def test_other_size_is_refused_before_loading(
    kinetics_file: Path, changes: dict, message: str
) -> None:
    model = tiny(**changes)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(
        CheckpointMismatchError, match=f'k400.pth does not belong.*{message}.*set its sizes'
    ):
        load_backbone(model, kinetics_file)
    torch.testing.assert_close(dict(model.state_dict()), before)


SWIN = dict(type='mmdet.SwinTransformer', embed_dims=4, depths=(1, 1, 1, 1), num_heads=(1, 1, 1, 1))
ADDRESS = 'https://host.example/models/resnet18-{}.pth'


@pytest.mark.parametrize('prefix', ['', 'module.backbone.', 'backbone.0.body.'])
def test_resnet_of_its_owners_loads_without_its_classifier(tmp_path: Path, prefix: str) -> None:
    source, target = (MODELS.build(dict(type='mmdet.ResNet', depth=18)) for _ in range(2))
    state = {prefix + name: tensor + 1 for name, tensor in source.state_dict().items()}
    path = tmp_path / 'resnet18.pth'
    torch.save(state | {f'{prefix}fc.weight': torch.zeros(9, 512)}, path)
    report = load_backbone(target, path)
    assert report.unexpected_keys == ['fc.weight']
    for name, tensor in source.state_dict().items():
        assert torch.equal(target.state_dict()[name], tensor + 1), name
    torch.save(state | {f'{prefix}layer9.bias': torch.zeros(1)}, path)
    with pytest.raises(CheckpointMismatchError, match='unknown to the model: layer9.bias'):
        load_backbone(target, path)


@pytest.mark.parametrize('container', ['model', 'state_dict'])
def test_swin_of_its_owners_loads_without_its_classifier(tmp_path: Path, container: str) -> None:
    """``model`` holds the names of the ImageNet model, ``state_dict`` those of MMSegmentation."""
    source, target = MODELS.build(SWIN), MODELS.build(SWIN)
    state = {f'backbone.{name}': tensor for name, tensor in source.state_dict().items()}
    if container == 'model':
        state = restore_swin(source.state_dict()) | {'head.weight': torch.zeros(9, 32)}
        state['layers.0.blocks.0.attn_mask'] = torch.zeros(1)
    torch.save({container: state}, tmp_path / 'swin.pth')
    report = load_backbone(target, tmp_path / 'swin.pth')
    assert not report.missing_keys
    assert all(name.endswith(('head.weight', 'attn_mask')) for name in report.ignored)
    torch.testing.assert_close(dict(target.state_dict()), dict(source.state_dict()))


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], list[str]]:
    """Let downloads give some content; the returned list collects what was downloaded."""
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path / 'hub'))

    def prepare(content: bytes) -> list[str]:
        calls = []

        def download(url: str, target: str, **options: object) -> None:
            calls.append(url)
            Path(target).write_bytes(content)

        monkeypatch.setattr(torch.hub, 'download_url_to_file', download)
        return calls

    return prepare


def test_address_is_downloaded_once_and_its_hash_checked(
    kinetics_file: Path, tmp_path: Path, serve: Callable[[bytes], list[str]]
) -> None:
    content = kinetics_file.read_bytes()
    address = ADDRESS.format(hashlib.sha256(content).hexdigest()[:8])
    calls = serve(content)
    for _ in range(2):
        model = VideoSwinTransformer(**TINY, init_cfg=dict(type='Pretrained', checkpoint=address))
        model.init_weights()
        torch.testing.assert_close(dict(model.state_dict()), dict(tiny().state_dict()))
    assert calls == [address]
    with pytest.raises(WeightsError, match=r'SHA-256 begins with 01234567, .* again'):
        load_backbone(tiny(), ADDRESS.format('01234567'))
    assert [path.name for path in (tmp_path / 'hub/checkpoints').iterdir()] == [Path(address).name]


def test_other_addresses_go_to_the_loaders_of_mmengine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        checkpoint.CheckpointLoader,
        'load_checkpoint',
        lambda *args, **options: dict(model={'a': args}),
    )
    with pytest.raises(CheckpointReadError, match='s3://bucket/a.pth holds no state dict'):
        read_state('s3://bucket/a.pth')
