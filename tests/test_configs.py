"""Every config loads, its parts are registered, and its model trains and predicts at toy size."""

from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from urllib.parse import urlparse

import numpy as np
import pytest
import torch
import yaml
from mmcv.image.geometric import rescale_size
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from toy_models import CONFIGS, build_toy_segmentor, clip, sample

from r2vos_mm.apis.inference import FrameTransform
from r2vos_mm.converters import restore_swin
from r2vos_mm.refshapes import make_refshapes
from r2vos_mm.registry import DATA_SAMPLERS, DATASETS, HOOKS, LOOPS, METRICS, MODELS, TRANSFORMS

ALL_FILES = sorted(
    p.relative_to(CONFIGS).as_posix()
    for p in CONFIGS.rglob('*.py')
    if '_base_' not in p.parts and p.name != 'study.py'
)
# Pre-training of a backbone: a segmentor of MMSegmentation, without text.
BACKBONE_FILES = [name for name in ALL_FILES if '/resnet' in name]
# Paths that the README promises, and the configs that they inherit.
SHORT_PATHS = {
    'r2vos_r50.py': 'r2vos/r2vos_r50_8xb1-6e_ref-ytvos.py',
    'r2vos_swin_b.py': 'r2vos/r2vos_video-swin-b_8xb1-6e_ref-ytvos.py',
    'r2vos_tiny_refshapes.py': 'r2vos/r2vos_tiny_2xb3-3k_refshapes.py',
}
FILES = [name for name in ALL_FILES if name not in {*BACKBONE_FILES, *SHORT_PATHS}]
SENTENCES = ['a red circle', 'the small dog on the left', 'a boat', 'a man who runs']
# Transformers and backbones stay as deep as it takes to have every kind of layer.
FEWER_LAYERS = {
    'backbone.depths': (1, 1, 1, 1),
    'backbone.depth': 18,
    'neck.encoder.num_layers': 1,
    'backbone.init_cfg': None,
    'backbone.weights': None,
    'text_encoder.init_cfg': None,
}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@cache
def _loaded(name: str) -> Config:
    return Config.fromfile(CONFIGS / name)


def load(name: str) -> Config:
    return deepcopy(_loaded(name))


def toy_model(config: Config) -> torch.nn.Module:
    """The config's model with fewer layers, a toy language model and no weights to load."""
    model = config.model
    for key, value in FEWER_LAYERS.items():
        owner, leaf = model, key
        while '.' in leaf and owner is not None:
            part, leaf = leaf.split('.', 1)
            owner = owner.get(part)
        if owner is not None and leaf in owner:
            owner[leaf] = value
    if model.backbone.get('depth') == 18 and 'base_channels' not in model.backbone:
        # the blocks of 18 layers are four times narrower than those of 50 and more
        model.backbone.base_channels = 4
        model.neck.in_channels = [4, 8, 16, 32]
        model.neck.input_proj.in_channels = [8, 16, 32]
    return build_toy_segmentor(model)


def types_in(part: object) -> Iterator[str]:
    """Every ``type`` named inside ``part``."""
    if isinstance(part, dict):
        if isinstance(part.get('type'), str):
            yield part['type']
        part = part.values()
    elif not isinstance(part, (list, tuple)):
        return
    for value in part:
        yield from types_in(value)


@pytest.mark.parametrize(('short', 'name'), SHORT_PATHS.items())
def test_short_paths(short: str, name: str):
    assert name in FILES
    assert load(short).to_dict() == load(name).to_dict()


def test_names_are_unique():
    """The name of a config is that of its work folder."""
    names = [Path(name).name for name in ALL_FILES if not name.startswith('studies/')]
    assert len(set(names)) == len(names)


def test_metafiles_list_the_configs():
    root = CONFIGS.parent
    index = yaml.safe_load((root / 'model-index.yml').read_text())['Import']
    metafiles = {path: yaml.safe_load((root / path).read_text()) for path in index}
    listed = []
    for path, content in metafiles.items():
        [collection] = content['Collections']
        assert (root / collection['README']).is_file()
        for model in content['Models']:
            assert model['In Collection'] == collection['Name']
            assert model['Config'].startswith(Path(path).parent.as_posix())
            assert Path(model['Config']).stem == model['Name']
            listed.append(model['Config'].removeprefix('configs/'))
    methods = ('r2vos/', 'referformer/', 'mttr/')
    assert sorted(listed) == [name for name in ALL_FILES if name.startswith(methods)]


@pytest.mark.parametrize('name', ALL_FILES)
def test_parts_are_registered(name: str):
    config = load(name)
    assert config.default_scope == 'r2vos_mm'
    for part in ('train', 'val', 'test'):
        loader = config[f'{part}_dataloader']
        dataset = loader.dataset
        assert loader.sampler.type in DATA_SAMPLERS
        for item in (dataset, *dataset.get('datasets', ())):
            assert item.type in DATASETS, f'{name}: dataset {item.type}'
            for kind in types_in(item.get('pipeline', [])):
                assert TRANSFORMS.get(kind) is not None, f'{name}: transform {kind}'
    for kind in types_in([config.val_evaluator, config.test_evaluator]):
        assert METRICS.get(kind) is not None, f'{name}: metric {kind}'
    for kind in types_in([config.default_hooks, config.get('custom_hooks', [])]):
        assert HOOKS.get(kind) is not None, f'{name}: hook {kind}'
    for kind in types_in(config.train_cfg):
        assert LOOPS.get(kind) is not None, f'{name}: loop {kind}'


@pytest.mark.parametrize('name', FILES)
def test_model_trains_and_predicts(name: str):
    model = toy_model(load(name))
    model.init_weights()
    data = dict(
        inputs=[clip(0, 2, 3, 64, 64)],
        data_samples=[sample(SENTENCES, [False, False, False, True])],
    )
    model.train()
    inputs = model.data_preprocessor(data, training=True)
    losses = model(**inputs, mode='loss')
    total, _ = model.parse_losses(losses)
    total.backward()
    assert total.isfinite()
    left_out = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert not left_out
    pairs = model.eval().test_step(data)[0].pred_pairs
    assert pairs.masks.shape == (4, 2, 64, 64)


@pytest.mark.parametrize('name', BACKBONE_FILES)
def test_backbone_trains_and_predicts(name: str):
    config = load(name)
    model = MODELS.build(config.model)
    model.init_weights()
    labels = torch.randint(0, config.num_classes, (1, 16, 16))  # at stride 4
    samples = [SegDataSample(gt_sem_seg=PixelData(data=labels)) for _ in range(2)]
    for data_sample in samples:
        data_sample.set_metainfo(dict(ori_shape=(64, 64), img_shape=(64, 64), pad_shape=(64, 64)))
    data = dict(inputs=[clip(i, 3, 64, 64) for i in range(2)], data_samples=samples)
    losses = model(**model.data_preprocessor(data, training=True), mode='loss')
    total, _ = model.parse_losses(losses)
    total.backward()
    assert total.isfinite()
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)
    predicted = model.eval().test_step(data)[0].pred_sem_seg.data
    assert predicted.shape == (1, 64, 64)
    assert 0 <= predicted.min() <= predicted.max() < config.num_classes


@pytest.mark.parametrize('name', FILES)
def test_optimizer_settings_name_parameters(name: str):
    """A key of ``custom_keys`` that matches nothing would change nothing, silently."""
    config = load(name)
    keys = config.optim_wrapper.get('paramwise_cfg', {}).get('custom_keys', {})
    names = [n for n, _ in toy_model(config).named_parameters()]
    for key in keys:
        assert any(key in n for n in names), f'{name}: {key}'


@pytest.mark.parametrize('name', [f for f in FILES if 'refshapes' in f])
def test_config_trains_on_refshapes(name: str, tmp_path: Path):
    make_refshapes(
        tmp_path / 'set',
        splits=dict(train=3, valid=2),
        size=(64, 64),
        length=4,
        workers=1,
        progress=False,
    )
    config = load(name)
    sets = {}
    for part in ('train', 'val'):
        dataset = config[f'{part}_dataloader'].dataset
        dataset.update(data_root=str(tmp_path / 'set'))
        dataset.pop('indices', None)
        for transform in dataset.pipeline:
            for inner in transform.get('transforms', []):
                if inner['type'] == 'Resize':
                    inner['scale'] = (64, 64)
        sets[part] = DATASETS.build(dataset)
    model = toy_model(config)
    data = pseudo_collate([sets['train'][0], sets['train'][1]])
    losses = model(**model.data_preprocessor(data, training=True), mode='loss')
    assert all(value.isfinite() for value in losses.values())
    result = model.eval().test_step(pseudo_collate([sets['val'][0]]))[0]
    assert result.pred_pairs.masks.shape == result.gt_pairs.masks.shape


def test_backbones_start_from_public_addresses_or_own_training():
    checkpoints = {init['checkpoint'] for name in FILES for init in inits_in(load(name).model)}
    shipped = {path for path in checkpoints if Path(path).is_file()}
    assert {Path(path).name for path in shipped} == {'r2vos_tiny_refshapes.pth'}
    own = {'work_dirs/resnet18_2xb16-2400iter_refshapes/iter_2400.pth'}
    assert own < checkpoints
    names = [urlparse(address) for address in checkpoints - own - shipped]
    assert {name.scheme for name in names} == {'https'}
    assert {name.netloc for name in names} == {'download.pytorch.org', 'github.com'}
    assert len(names) == 2 + 4 + 3  # ResNets, Swins, Video Swins


def test_backbones_load_the_files_of_their_owners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The file is in the cache of downloads, with the names and the classifier of its owners."""
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    resnet = dict(load('r2vos_r50.py').model.backbone, depth=18, base_channels=4)
    swin = load('r2vos/r2vos_swin-t_8xb1-6e_ref-ytvos.py').model.backbone
    swin = dict(swin, embed_dims=16, num_heads=(1, 2, 2, 4), depths=(1, 1, 1, 1))
    for config, restore in ((resnet, dict), (swin, restore_swin)):
        source, target = (MODELS.build(dict(config)) for _ in range(2))
        state = {name: torch.rand_like(t.float()) for name, t in source.state_dict().items()}
        source.load_state_dict(state)
        file = tmp_path / 'checkpoints' / Path(config['init_cfg']['checkpoint']).name
        file.parent.mkdir(exist_ok=True)
        raw = restore(source.state_dict()) | {'head.weight': torch.zeros(3, 3)}
        torch.save(raw if config is resnet else {'model': raw}, file)
        target.init_weights()
        torch.testing.assert_close(dict(target.state_dict()), dict(source.state_dict()))


def inits_in(part: object) -> Iterator[dict]:
    """Every ``init_cfg`` of a model that loads weights."""
    if isinstance(part, dict):
        if part.get('type') == 'Pretrained':
            yield part
        for value in part.values():
            yield from inits_in(value)


def test_ablations_change_what_they_say():
    for count in (1, 2, 4):
        config = load(f'r2vos/ablations/r2vos-filters{count}_r50_8xb1-6e_ref-ytvos.py')
        assert config.model.neck.grounding.dynamic_filter.num_filters == count
        assert MODELS.build(config.model.neck.grounding.dynamic_filter).num_filters == count
    assert load('r2vos_r50.py').model.neck.grounding.dynamic_filter.num_filters == 3
    ungated = load('r2vos/ablations/r2vos-ungated_r50_8xb1-6e_ref-ytvos.py')
    assert ungated.model.test_cfg.gate_threshold == 0


REAL_ABLATIONS = {  # docs/real_video.md
    'no words': {
        'word_maps': None,
        'neck.word_input': None,
        'cycle_head.sees_words': False,
        'cycle_head.prior_weight': 0.0,
    },
    'words in the verdict only': {'neck.word_input': None},
    'words in the masks only': {'cycle_head.sees_words': False, 'cycle_head.prior_weight': 0.0},
    'no cycle': {'cycle_head': None, 'mask_head.mixes_reconstruction': False},
    'trained backbone': {'backbone.frozen': False},
}


@pytest.mark.parametrize('name', REAL_ABLATIONS)
def test_ablations_of_the_model_for_real_video(name: str):
    config = load('r2vos/r2vos_effnet-lite2_1xb4-800_real-clips.py')
    config.merge_from_dict({f'model.{key}': value for key, value in REAL_ABLATIONS[name].items()})
    model = toy_model(config)
    uses_words = [
        model.word_maps is not None,
        model.neck.word_input is not None,
        bool(model.cycle_head and model.cycle_head.needs_words),
    ]
    assert (
        uses_words
        == {
            'no words': [False] * 3,
            'words in the verdict only': [True, False, True],
            'words in the masks only': [True, True, False],
            'no cycle': [True, True, False],
            'trained backbone': [True] * 3,
        }[name]
    )
    assert any(p.requires_grad for p in model.backbone.parameters()) == (name == 'trained backbone')


def resizes_in(part: object) -> Iterator[dict]:
    """Every ``Resize`` of a pipeline."""
    if isinstance(part, dict):
        if part.get('type') == 'Resize':
            yield part
        part = part.values()
    elif not isinstance(part, (list, tuple)):
        return
    for inner in part:
        yield from resizes_in(inner)


@pytest.mark.parametrize('name', FILES)
def test_frames_of_ones_own_get_the_size_of_the_test(name: str) -> None:
    config = load(name)
    [resize] = resizes_in(config.test_dataloader.dataset.pipeline)
    frame = FrameTransform(config)(np.zeros((90, 160, 3), np.uint8))
    width, height = resize.scale
    if resize.get('keep_ratio'):
        width, height = rescale_size((160, 90), tuple(resize.scale))
    assert (frame.dtype, frame.shape) == (torch.uint8, (3, height, width))
