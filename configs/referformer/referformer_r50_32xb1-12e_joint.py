# ReferFormer, ResNet-50, joint training on clips of RefCOCO images and Refer-YouTube-VOS: 12 epochs
# from backbone weights. Published: J&F 58.7, with 32 GPUs and 1 clip each.
_base_ = [
    '../_base_/models/referformer_r50.py',
    '../_base_/datasets/joint.py',
    '../_base_/schedules/main_12e.py',
    '../_base_/default_runtime.py',
]
datasets = [
    dict(dataset, positives_per_clip=1, negatives=None)
    for dataset in _base_.train_dataloader.dataset.datasets
]
train_dataloader = dict(dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(pipeline=_base_.short_side_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.short_side_pipeline))
default_hooks = dict(checkpoint=dict(save_best='J&F'))
auto_scale_lr = dict(base_batch_size=32)
