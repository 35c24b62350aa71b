# Second stage of r2vos_tiny_refshapes.py: stills, as the paper pre-trains on images. Three times
# as many scenes in the same time; everything but motion can be learnt from them. The first stage,
# configs/backbones/resnet18_refshapes.py, takes the place of ImageNet.
_base_ = ['../r2vos_tiny_refshapes.py']
max_iters = 3000
warmup = 300
clip_length = 1
model = dict(
    backbone=dict(init_cfg=dict(
        type='Pretrained', checkpoint='work_dirs/resnet18_refshapes/iter_1500.pth',
        prefix='backbone.')),
    neck=dict(temporal_mixing=None))
train_cfg = dict(max_iters=max_iters, val_interval=1500)
train_dataloader = dict(dataset=dict(clip_length=clip_length))
val_dataloader = dict(dataset=dict(indices=16))  # videos
optim_wrapper = dict(optimizer=dict(lr=5e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, end=warmup),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=warmup, end=max_iters,
         eta_min_ratio=0.05)]
