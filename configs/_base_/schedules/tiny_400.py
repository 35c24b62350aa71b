# Fine-tuning: fewer iterations than tiny.py and a lower learning rate.
_base_ = './tiny.py'
max_iters = 400
warmup = 50
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(optimizer=dict(lr=3e-4))
param_scheduler = [
    dict(_base_.param_scheduler[0], end=warmup),
    dict(_base_.param_scheduler[1], begin=warmup, end=max_iters),
]
