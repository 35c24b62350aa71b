"""Parts of this package and of its neighbours are found by the names configs use."""

import subprocess
import sys

import mmengine.registry
import pytest
from mmengine.registry import DefaultScope

from r2vos_mm import registry


def test_children_of_mmengine() -> None:
    assert registry.MODELS.scope == 'r2vos_mm'
    assert registry.MODELS.parent is mmengine.registry.MODELS
    assert registry.HOOKS.parent is mmengine.registry.HOOKS


@pytest.mark.parametrize(
    'name', ['mmdet.ResNet', 'mmdet.ChannelMapper', 'mmdet.FocalLoss', 'mmseg.SwinTransformer']
)
def test_neighbours_by_scope(name: str) -> None:
    cls = registry.MODELS.get(name)
    assert cls.__module__.startswith(name.split('.')[0])


def test_mmengine_parts_by_bare_name() -> None:
    assert registry.HOOKS.get('LoggerHook') is mmengine.registry.HOOKS.get('LoggerHook')
    assert registry.MODELS.get('BaseDataPreprocessor') is not None


@pytest.mark.parametrize(
    ('names', 'code'),
    [
        ('MODELS', 'r2vos_mm.GroundingNeck'),
        ('HOOKS', 'r2vos_mm.SafeCheckpointHook'),
        ('DATASETS', 'r2vos_mm.R2VOSDataset'),
        ('METRICS', 'r2vos_mm.JFRMetric'),
        ('VISUALIZERS', 'r2vos_mm.ReferringVisualizer'),
        ('OPTIM_WRAPPERS', 'r2vos_mm.AutocastOptimWrapper'),
    ],
)
def test_ours_from_other_packages(names: str, code: str) -> None:
    """MMDetection's and MMEngine's registries find ours by scope."""
    import mmdet.registry

    cls = getattr(mmdet.registry, names, getattr(mmengine.registry, names)).get(code)
    assert cls.__name__ == code.split('.')[1]
    assert getattr(mmengine.registry, names).get(code) is cls


def test_default_scope_finds_ours() -> None:
    scopes = dict(DefaultScope._instance_dict)
    with DefaultScope.overwrite_default_scope('r2vos_mm'):
        hook = mmengine.registry.HOOKS.build({'type': 'TimeLimitHook', 'max_minutes': 1})
    DefaultScope._instance_dict.clear()
    DefaultScope._instance_dict.update(scopes)
    assert type(hook).__module__.startswith('r2vos_mm.')


def test_no_import_of_the_package_is_needed() -> None:
    """A scoped name alone imports the package, and with it the stand-in for compiled operators."""
    code = (
        'from mmengine.registry import MODELS\n'
        "print(MODELS.get('r2vos_mm.GroundingNeck').__name__, MODELS.get('mmdet.ResNet').__name__)"
    )
    result = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert result.stdout.split() == ['GroundingNeck', 'ResNet'], result.stderr


@pytest.mark.parametrize(
    ('registry', 'name', 'suggestion'),
    [
        (registry.MODELS, 'ResNet', "did you mean 'mmdet.ResNet'"),
        (registry.TASK_UTILS, 'DiceCost', "did you mean 'mmdet.DiceCost'"),
        (registry.MODELS, 'GroundingNek', "did you mean 'GroundingNeck'"),
        (registry.MODELS, 'Nothing', "'Nothing' is not a registered model"),
    ],
)
def test_unknown_names_suggest_known_ones(
    registry: mmengine.registry.Registry, name: str, suggestion: str
) -> None:
    import r2vos_mm.models  # noqa: F401

    with pytest.raises(KeyError) as caught:
        registry.build(dict(type=name))
    assert suggestion in str(caught.value)


@pytest.mark.parametrize('scope', ['mmseg', 'mmdet', 'mmengine'])
def test_children_of_our_parts_are_ours_in_any_scope(scope: str) -> None:
    """The type of the model has our scope in front, the types of its parts need none."""
    from toy_models import CONFIGS, WordTokenizer, toy_language_model

    config = mmengine.config.Config.fromfile(CONFIGS / '_base_/models/r2vos_tiny.py').model
    config = dict(config.to_dict(), type='r2vos_mm.ReferringVideoSegmentor')
    config['text_encoder'].update(language_model=toy_language_model(), tokenizer=WordTokenizer())
    scopes = dict(DefaultScope._instance_dict)
    with DefaultScope.overwrite_default_scope(scope):
        model = mmengine.registry.MODELS.build(config)
    DefaultScope._instance_dict.clear()
    DefaultScope._instance_dict.update(scopes)
    assert type(model.neck).__module__ == 'r2vos_mm.models.necks.grounding_neck'
    assert type(model.neck.fusion).__module__ == 'r2vos_mm.models.layers.fusion'


def test_parts_of_the_default_scope_are_found_inside_ours() -> None:
    from mmdet.registry import MODELS

    with DefaultScope.overwrite_default_scope('mmdet'):
        found = registry.MODELS.build(dict(type='ResNet', depth=18))
    assert type(found) is MODELS.get('ResNet')
