# First stage of ../r2vos_effnet-lite2_2xb4-4k_real-clips.py: photographs with annotated instances
# as short clips, with generated expressions.
_base_ = [
    '../../_base_/models/r2vos_effnet-lite2.py',
    '../../_base_/datasets/instance_clips.py',
    '../../_base_/schedules/tiny.py',
    '../../_base_/default_runtime.py',
]
max_iters = 4000
warmup = 200
train_cfg = dict(max_iters=max_iters, val_interval=1000)
val_cfg = dict(dtype='float32')
test_cfg = dict(dtype='float32')
optim_wrapper = dict(dtype='float32', optimizer=dict(lr=4e-4, weight_decay=0.01))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, end=warmup),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=warmup, end=max_iters, eta_min_ratio=0.01),
]
# Not J&F&R, because the held-out videos have no negative pairs unless you create them.
default_hooks = dict(checkpoint=dict(save_best='J&F', interval=200))
