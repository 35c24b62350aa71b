# Small R2-VOS for photographs and films (docs/real_video.md). It is trained in two stages on one
# CPU core; --resume continues either one:
#   python tools/train.py configs/r2vos/pretrain/r2vos_effnet-lite2_1xb8-1600_instance-clips.py
#   python tools/train.py configs/r2vos/r2vos_effnet-lite2_1xb4-800_real-clips.py --cfg-options \
#       load_from=work_dirs/r2vos_effnet-lite2_1xb8-1600_instance-clips/iter_1600.pth
# Select settings by cross-validation over the training videos: val_dataloader holds out one of five
# folds (fold.start in _base_/datasets/instance_clips.py). For the final training on all videos, set
# train_dataloader.dataset.datasets.1.video_subset=None.
_base_ = [
    '../_base_/models/r2vos_effnet-lite2.py',
    '../_base_/datasets/real_clips.py',
    '../_base_/schedules/tiny.py',
    '../_base_/default_runtime.py',
]
max_iters = 800
warmup = 40
train_cfg = dict(max_iters=max_iters, val_interval=max_iters)
optim_wrapper = dict(optimizer=dict(lr=2e-4, weight_decay=0.01))
param_scheduler = [
    dict(_base_.param_scheduler[0], end=warmup),
    dict(_base_.param_scheduler[1], begin=warmup, end=max_iters),
]
# Not J&F&R, because the held-out videos have no negative pairs unless you create them.
default_hooks = dict(checkpoint=dict(save_best='J&F', interval=200))
