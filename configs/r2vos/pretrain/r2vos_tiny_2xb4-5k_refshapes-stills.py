# Second stage of ../r2vos_tiny_2xb3-3k_refshapes.py: masks of still images, like the pre-training
# of the paper. The cycle is added in the last stage. Without it and its negative pairs, a step
# takes two thirds of the time and masks improve just as fast. The first stage,
# resnet18_2xb16-2400iter_refshapes.py, replaces ImageNet pre-training.
_base_ = ['../r2vos_tiny_2xb3-3k_refshapes.py']
max_iters = 5000
warmup = 200
clip_length = 1
model = dict(
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='work_dirs/resnet18_2xb16-2400iter_refshapes/iter_2400.pth',
            prefix='backbone.',
        )
    ),
    neck=dict(temporal_mixing=None),
    cycle_head=None,
    mask_head=dict(mixes_reconstruction=False),
)
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
train_dataloader = dict(batch_size=4, dataset=dict(clip_length=clip_length, negatives=None))
val_dataloader = dict(dataset=dict(indices=16))  # videos
optim_wrapper = dict(optimizer=dict(lr=5e-4))
param_scheduler = [
    dict(_base_.param_scheduler[0], end=warmup),
    dict(_base_.param_scheduler[1], begin=warmup, end=max_iters, eta_min_ratio=0.05),
]
