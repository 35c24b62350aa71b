# R2-VOS, ResNet-50, trained on gRefCOCO: clips of one frame, with the cycle and negative pairs. Of
# these, half are expressions that gRefCOCO marks as being about nothing. 8 GPUs with 2 images each.
_base_ = [
    '../_base_/models/r2vos_r50.py',
    '../_base_/datasets/grefcoco.py',
    '../_base_/schedules/main_12e.py',
    '../_base_/default_runtime.py',
]
model = dict(text_encoder=dict(frozen=False))
default_hooks = dict(checkpoint=dict(save_best='gIoU'))
auto_scale_lr = dict(base_batch_size=16)
