# ReferFormer, ResNet-50, joint training on clips of RefCOCO images and Refer-YouTube-VOS: 12 epochs
# from backbone weights. Published: J&F 58.7, with 32 GPUs and 1 clip each.
_base_ = [
    '../_base_/models/referformer_r50.py',
    '../_base_/datasets/joint.py',
    '../_base_/schedules/main_6e.py',
    '../_base_/default_runtime.py',
]
max_epochs = 12
datasets = [
    dict(dataset, positives_per_clip=1, negatives=None)
    for dataset in _base_.train_dataloader.dataset.datasets
]
train_dataloader = dict(dataset=dict(datasets=datasets))
val_dataloader = dict(dataset=dict(pipeline=_base_.short_side_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.short_side_pipeline))
train_cfg = dict(max_epochs=max_epochs)
param_scheduler = [
    dict(
        type='MultiStepLR',
        by_epoch=True,
        milestones=[8, 10],
        gamma=0.1,
        end=max_epochs,
        convert_to_iter_based=True,
    )
]
default_hooks = dict(checkpoint=dict(save_best='J&F'))
auto_scale_lr = dict(base_batch_size=32)
