# The small R2-VOS on real video in the layout of Refer-YouTube-VOS, for a first look at your own
# data on a CPU. Set train_dataloader.dataset.data_root and val_dataloader.dataset.data_root.
_base_ = [
    './_base_/models/r2vos_tiny.py', './_base_/datasets/ref_youtube_vos.py',
    './_base_/schedules/tiny.py', './_base_/default_runtime.py']
image_size = (192, 112)  # (w, h)
clip_length = 3
max_iters = 400
warmup = 50

train_pipeline = [
    dict(
        type='TransformBroadcaster', share_random_params=True,
        transforms=[
            dict(type='LoadVideoFrame'),
            dict(type='LoadObjectMask'),
            dict(type='RandomFlip', prob=0.5),
            dict(type='mmdet.RandomCrop', crop_type='relative_range', crop_size=(0.7, 0.7)),
            dict(type='Resize', scale=image_size),
            dict(type='ClipPhotoMetricDistortion')]),  # last: on few pixels
    dict(type='SwapLeftRight'),
    dict(type='PackReferringInputs')]
test_pipeline = [
    dict(
        type='TransformBroadcaster',
        transforms=[
            dict(type='LoadVideoFrame'),
            dict(type='Resize', scale=image_size),
            dict(type='LoadObjectMask')]),
    dict(type='PackReferringInputs')]
train_dataloader = dict(
    batch_size=4, num_workers=1,
    dataset=dict(
        clip_length=clip_length, positives_per_clip=2,
        negatives=dict(per_clip=2), pipeline=train_pipeline))
val_dataloader = dict(num_workers=0, persistent_workers=False,
                      dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(num_workers=0, persistent_workers=False,
                       dataset=dict(pipeline=test_pipeline))
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(optimizer=dict(lr=3e-4))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, end=warmup),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=warmup, end=max_iters,
         eta_min_ratio=0.01)]
# Videos here are longer than RefShapes' eight frames.
model = dict(test_cfg=dict(window=8))
load_from = 'configs/checkpoints/r2vos_tiny_refshapes.pth'
# Without negative pairs there is no R: see docs/datasets.md for how to make them.
default_hooks = dict(checkpoint=dict(save_best='J&F'))
