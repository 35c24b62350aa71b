# Data, budget and runtime of all methods of the study: 500 iterations of 8 stills (two processes
# with 4 each), each with two positive expressions, about five minutes on two CPU cores. Clips of
# three frames would reduce the number of scenes to a third. The last checkpoint is tested on whole
# videos; none is selected by validation.
_base_ = [
    '../../../_base_/datasets/refshapes.py',
    '../../../_base_/schedules/tiny.py',
    '../../../_base_/default_runtime.py',
]
# Backbone weights are those of
# configs/r2vos/pretrain/resnet18_2xb16-2400iter_refshapes.py.
backbone_weights = dict(
    type='Pretrained',
    checkpoint='work_dirs/resnet18_2xb16-2400iter_refshapes/iter_2400.pth',
    prefix='backbone.',
)
max_iters = 500
warmup = 100
train_dataloader = dict(dataset=dict(clip_length=1))
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
param_scheduler = [
    dict(_base_.param_scheduler[0], end=warmup),
    dict(_base_.param_scheduler[1], begin=warmup, end=max_iters),
]
val_dataloader = dict(dataset=dict(indices=2))  # videos, only for the log
test_dataloader = dict(dataset=dict(indices=20))  # of 100 videos
default_hooks = dict(checkpoint=dict(interval=250, max_keep_ckpts=1, save_best=None))
