# ReferFormer, ResNet-50, pre-training on single images: 12 epochs, text encoder trained. Published
# with 32 GPUs and 2 images each.
_base_ = [
    '../_base_/models/referformer_r50.py',
    '../_base_/datasets/refcoco_all.py',
    '../_base_/schedules/main_6e.py',
    '../_base_/default_runtime.py',
]
max_epochs = 12
datasets = [
    dict(dataset, positives_per_clip=1, negatives=None)
    for dataset in _base_.train_dataloader.dataset.datasets
]
model = dict(text_encoder=dict(frozen=False))
train_dataloader = dict(dataset=dict(datasets=datasets))
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
default_hooks = dict(checkpoint=dict(save_best='oIoU'))
auto_scale_lr = dict(base_batch_size=64)
