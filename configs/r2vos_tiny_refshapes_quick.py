# The quick start's training: some minutes of r2vos_tiny_refshapes.py, with a schedule as long.
_base_ = './r2vos_tiny_refshapes.py'
max_iters = 600
warmup = 100
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, end=warmup),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=warmup, end=max_iters,
         eta_min_ratio=0.01)]
val_dataloader = dict(dataset=dict(indices=8))
default_hooks = dict(checkpoint=dict(interval=max_iters, save_best=None))
