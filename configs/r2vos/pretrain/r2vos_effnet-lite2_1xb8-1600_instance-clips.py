# First stage of ../r2vos_effnet-lite2_1xb4-800_real-clips.py: photographs with annotated instances
# as short clips, with generated expressions.
_base_ = [
    '../../_base_/models/r2vos_effnet-lite2.py',
    '../../_base_/datasets/instance_clips.py',
    '../../_base_/schedules/tiny.py',
    '../../_base_/default_runtime.py',
]
max_iters = 1600
warmup = 100
train_dataloader = dict(
    batch_size=8,
    dataset=dict(
        clip_length=1,
        # mostly simple kinds: with more of the others, the verdict does not start to learn
        negative_shares=dict(
            absent=0.45, other_picture=0.3, side=0.08, colour=0.08, relation=0.06, possession=0.03
        ),
    ),
)
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(optimizer=dict(lr=4e-4, weight_decay=0.01))
param_scheduler = [
    dict(_base_.param_scheduler[0], end=warmup),
    dict(_base_.param_scheduler[1], begin=warmup, end=max_iters),
]
# Not J&F&R, because the held-out videos have no negative pairs unless you create them.
default_hooks = dict(checkpoint=dict(save_best='J&F', interval=200))
