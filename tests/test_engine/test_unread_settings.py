"""Settings that nothing reads are found before anything is built."""

from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope

from r2vos_mm.engine import read_config
from r2vos_mm.engine.unread_settings import check_custom_keys, check_settings
from r2vos_mm.utils.cli import UsageError

CONFIGS = Path(__file__).parents[2] / 'configs'
TINY = CONFIGS / 'r2vos_tiny_refshapes.py'


@pytest.fixture(autouse=True)
def _scope() -> None:
    init_default_scope('r2vos_mm')


@pytest.mark.parametrize(
    ('option', 'value', 'message'),
    [
        (
            'default_hooks.checkpoint.max_keep_ckpt',
            3,
            'SafeCheckpointHook has no such option; did you mean max_keep_ckpts?',
        ),
        ('default_hooks.checkpoint.nothing', 3, 'SafeCheckpointHook has no such option'),
        ('default_hooks.chekpoint.interval', 3, 'it has no type; did you mean checkpoint?'),
        ('default_hooks.logger.type', 'LogerHook', "no hook is named 'LogerHook'"),
        ('train_cfg.max_iter', 5, 'IterBasedTrainLoop has no such option; did you mean max_it'),
        ('train_cfg.max_iters', 0, 'must be at least 1'),
        ('optim_wrapper.dtyp', 'auto', 'AutocastOptimWrapper has no such .*did you mean dtype?'),
        ('optim_wrapper.optimizer.lrr', 1, 'AdamW has no such option; did you mean lr?'),
        ('optim_wrapper.paramwise_cfg.custom_key', {}, 'did you mean custom_keys?'),
        ('optim_wrapper.paramwise_cfg.custom_keys.x.lr_mul', 1, 'did you mean lr_mult?'),
        ('optim_wrapper.clip_grad.maxnorm', 1, 'did you mean max_norm?'),
        ('param_scheduler.0.bye_poch', True, 'LinearLR has no such .*did you mean by_epoch?'),
        ('train_dataloader.batchsize', 4, 'did you mean batch_size?'),
        ('train_dataloader.dataset.data_rot', 'x', 'R2VOSDataset has .*did you mean data_root?'),
        ('train_dataloader.dataset.pipeline.0.foo', 1, 'has no such option'),
        ('model.backbone.depthh', 18, 'ResNet has no such option; did you mean depth?'),
        ('model.mask_head.foo', 1, 'ReferringMaskHead has no such option'),
        ('val_evaluator.foo', 1, 'JFRMetric has no such option'),
        ('visualizer.stile', {}, 'ReferringVisualizer has no such option; did you mean style?'),
        ('randomness.sed', 1, 'did you mean seed?'),
        ('randomness', 3, 'must be a dict'),
        ('custom_hooks.0.interval', 3, 'must be a list'),
    ],
)
def test_settings_that_nothing_reads(option: str, value: object, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        check_settings(read_config(TINY, {option: value}))
    assert option.split('.')[0] in str(caught.value)


def test_all_are_listed_with_their_paths() -> None:
    options = {f'train_dataloader.dataset.option{i}': i for i in range(7)}
    with pytest.raises(UsageError) as caught:
        check_settings(read_config(TINY, options))
    assert str(caught.value).count('train_dataloader.dataset.option') == 5
    assert str(caught.value).endswith('; ...')


@pytest.mark.parametrize(
    'options',
    [
        {'default_hooks.checkpoint.save_begin': 1, 'default_hooks.checkpoint.filename_tmpl': 'x'},
        {'custom_hooks': [{'type': 'TimeLimitHook', 'max_minutes': 1, 'priority': 'LOW'}]},
        {'train_cfg': {'_delete_': True, 'by_epoch': True, 'max_epochs': 3}},
        {'optim_wrapper.accumulative_counts': 2, 'env_cfg.cudnn_benchmark': True},
        {'train_dataloader.pin_memory': True, 'randomness.deterministic': True},
        {'model.backbone.norm_cfg': {'type': 'BN', 'requires_grad': False}},
        {'test_cfg.fp16': True, 'val_dataloader': None, 'val_cfg': None, 'val_evaluator': None},
    ],
)
def test_settings_that_are_read(options: dict) -> None:
    check_settings(read_config(TINY, options))


# One per method and data set; test_configs builds the others.
@pytest.mark.parametrize(
    'name',
    [
        'r2vos/r2vos_swin-b_8xb1-6e_ref-ytvos.py',
        'r2vos/pretrain/resnet18_2xb16-2400iter_refshapes.py',
        'referformer/referformer_video-swin-t_8xb2-6e_a2d_jhmdb.py',
        'referformer/referformer_swin-l_32xb1-12e_joint.py',
        'mttr/mttr_tiny_1xb4-400iter_ref-ytvos.py',
    ],
)
def test_shipped_configs_have_no_such_settings(name: str, warnings_logged) -> None:
    files = list(CONFIGS.rglob(Path(name).name))
    assert files
    check_settings(read_config(files[0]))
    assert warnings_logged() == []


def test_variables_that_are_not_used(tmp_path: Path, warnings_logged) -> None:
    (tmp_path / 'base.py').write_text(
        'max_iters = 5\nlr = 1\ntrain_cfg = dict(by_epoch=False, max_iters=max_iters)'
    )
    path = tmp_path / 'a.py'
    path.write_text("_base_ = 'base.py'\nmax_iters = 10\nnum = 2\nrandomness = dict(seed=num)")
    check_settings(read_config(path))
    assert warnings_logged() == [
        f'{path}: the setting max_iters has no effect; did you mean train_cfg.max_iters?'
    ]


def test_keys_of_parameters(warnings_logged) -> None:
    names = ['model.backbone.layer1.weight', 'model.text_encoder.projector.bias']
    check_custom_keys({'backbone': {}, 'text_encodr': {}}, names)
    assert len(warnings_logged()) == 1
    assert "has 'text_encodr' in its name, so it has no effect" in warnings_logged()[0]


def test_types_given_as_classes() -> None:
    class Part:
        def __init__(self, size: int = 1) -> None:
            pass

    config = Config(dict(custom_hooks=[dict(type=Part, sise=2)]))
    with pytest.raises(UsageError, match='custom_hooks.0.sise: Part .* did you mean size?'):
        check_settings(config)
