# R2-VOS, ResNet-50, trained on RefCOCOg with the cycle, on clips of one frame, and tested with
# negative pairs. 8 GPUs with 2 images each.
_base_ = [
    '../_base_/models/r2vos_r50.py',
    '../_base_/datasets/r2_refcocog.py',
    '../_base_/schedules/main_12e.py',
    '../_base_/default_runtime.py',
]
model = dict(text_encoder=dict(frozen=False))
default_hooks = dict(checkpoint=dict(save_best='per_expression/J&F&R'))
auto_scale_lr = dict(base_batch_size=16)
