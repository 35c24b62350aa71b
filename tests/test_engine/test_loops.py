"""Trainings counted in epochs, and evaluations in mixed precision."""

import pytest
import torch
from torch.utils.data import DataLoader


@pytest.mark.parametrize('form', ['config', 'loader'])
def test_lengths_are_epochs_times_batches(make_runner, form):
    runner = make_runner(
        train_cfg=dict(
            _delete_=True, type='EpochCountedTrainLoop', max_epochs=3, val_begin=2, val_interval=2
        ),
        param_scheduler=[],
    )
    if form == 'loader':
        runner._train_dataloader = runner.build_dataloader(runner._train_dataloader)
        assert isinstance(runner._train_dataloader, DataLoader)
    loop = runner.train_loop
    # 10 items in batches of 2
    assert (loop.max_iters, loop.val_begin, loop.val_interval) == (15, 10, 10)


def test_processes_share_an_epoch(make_runner, monkeypatch):
    """Two processes that see 2 of 10 items a step are through after three steps."""
    monkeypatch.setattr('r2vos_mm.datasets.samplers.get_dist_info', lambda: (0, 2))
    runner = make_runner(
        train_cfg=dict(_delete_=True, type='EpochCountedTrainLoop', max_epochs=4),
        param_scheduler=[],
    )
    assert runner.train_loop.max_iters == 12


def test_trains_that_long(make_runner):
    runner = make_runner(
        train_cfg=dict(_delete_=True, type='EpochCountedTrainLoop', max_epochs=2),
        default_hooks=dict(checkpoint=None),
    )
    runner.train()
    assert runner.iter == 10


def test_schedules_in_epochs_become_schedules_in_iterations(make_runner):
    runner = make_runner(
        train_cfg=dict(_delete_=True, type='EpochCountedTrainLoop', max_epochs=3),
        default_hooks=dict(checkpoint=None),
        param_scheduler=[
            dict(
                type='MultiStepLR',
                by_epoch=True,
                milestones=[1, 2],
                gamma=0.1,
                end=3,
                convert_to_iter_based=True,
            )
        ],
    )
    runner.train()
    scheduler = runner.param_schedulers[0]
    assert not scheduler.by_epoch
    assert dict(scheduler.milestones) == {5: 1, 10: 1}


@pytest.mark.parametrize('native', [True, False])
@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        ({}, None),
        ({'dtype': 'float32'}, torch.float32),
        ({'dtype': 'bfloat16'}, torch.bfloat16),
        ({'fp16': True}, None),
        ({'fp16': False}, torch.float32),
    ],
)
def test_evaluations_run_in_the_precision_of_the_device(
    make_runner, monkeypatch, native, options, expected
):
    """``expected`` None is bfloat16 on a device that computes it natively, else float32."""
    answer = (native, 'chosen by the test')
    monkeypatch.setattr('r2vos_mm.utils.precision.native_bfloat16', lambda device: answer)
    runner = make_runner(
        val_cfg=dict(_delete_=True, type='AutocastValLoop', **options),
        test_cfg=dict(_delete_=True, type='AutocastTestLoop', **options),
        default_hooks=dict(checkpoint=None),
    )
    types = []
    runner.model.layers[0].register_forward_hook(lambda *call: types.append(call[-1].dtype))
    runner.val()
    runner.test()
    assert set(types) == {expected or (torch.bfloat16 if native else torch.float32)}
