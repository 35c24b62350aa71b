# Small R2-VOS on images with expressions about one object, several, or none: clips of one frame,
# with the cycle and negative pairs, on one CPU core (docs/referring_images.md):
#   r2vos data images data/coco_mini --out data/coco_mini
#   python tools/train.py configs/r2vos/r2vos_effnet-lite2_1xb8-40_referring-images.py \
#       --cfg-options load_from=configs/checkpoints/r2vos_effnet-lite2_real-clips.pth
_base_ = [
    '../_base_/models/r2vos_effnet-lite2.py',
    '../_base_/datasets/referring_images.py',
    '../_base_/schedules/tiny.py',
    '../_base_/default_runtime.py',
]
max_iters = 40
warmup = 5
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(optimizer=dict(lr=2e-4, weight_decay=0.01))
param_scheduler = [
    dict(_base_.param_scheduler[0], end=warmup),
    dict(_base_.param_scheduler[1], begin=warmup, end=max_iters),
]
default_hooks = dict(checkpoint=dict(save_best='gIoU', interval=max_iters))
