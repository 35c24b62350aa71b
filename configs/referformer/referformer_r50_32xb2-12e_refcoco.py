# ReferFormer, ResNet-50, pre-training on single images: 12 epochs, text encoder trained. Published
# with 32 GPUs and 2 images each.
_base_ = [
    '../_base_/models/referformer_r50.py',
    '../_base_/datasets/refcoco_all.py',
    '../_base_/schedules/main_12e.py',
    '../_base_/default_runtime.py',
]
datasets = [
    dict(dataset, positives_per_clip=1, negatives=None)
    for dataset in _base_.train_dataloader.dataset.datasets
]
model = dict(text_encoder=dict(frozen=False))
train_dataloader = dict(dataset=dict(datasets=datasets))
default_hooks = dict(checkpoint=dict(save_best='oIoU'))
auto_scale_lr = dict(base_batch_size=64)
