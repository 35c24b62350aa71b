# R2-VOS, ResNet-50, pre-training on single images (supplement: 12 epochs, one frame per clip).
# The text encoder is trained. Main training, ../r2vos_r50_8xb1-6e_ref-ytvos.py, starts from the
# best checkpoint on RefCOCO's validation set: load_from=CHECKPOINT. 8 GPUs with 2 images each.
_base_ = [
    '../../_base_/models/r2vos_r50.py',
    '../../_base_/datasets/refcoco_all.py',
    '../../_base_/schedules/main_12e.py',
    '../../_base_/default_runtime.py',
]
model = dict(text_encoder=dict(frozen=False))
default_hooks = dict(checkpoint=dict(save_best='oIoU'))
auto_scale_lr = dict(base_batch_size=16)
