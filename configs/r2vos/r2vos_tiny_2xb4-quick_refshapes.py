# Quick start: a few minutes of training on stills, from the backbone of the included checkpoint.
# TimeLimitHook measures the first iterations and adapts the schedule to the time limit.
_base_ = './r2vos_tiny_2xb3-3k_refshapes.py'
max_iters = 520  # at most
warmup = 60
model = dict(
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='{{ fileDirname }}/../checkpoints/r2vos_tiny_refshapes.pth',
            prefix='backbone.',
        )
    )
)
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
train_dataloader = dict(batch_size=4, dataset=dict(clip_length=1))
val_dataloader = dict(dataset=dict(indices=8))  # videos
optim_wrapper = dict(
    optimizer=dict(lr=5e-4), paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=1.0)))
)
param_scheduler = [
    dict(_base_.param_scheduler[0], end=warmup),
    dict(_base_.param_scheduler[1], begin=warmup, end=max_iters),
]
default_hooks = dict(checkpoint=dict(interval=max_iters, save_best=None), logger=dict(interval=10))
custom_hooks = [dict(type='TimeLimitHook', max_minutes=5, fit_schedule=True)]
