# Data, budget and runtime of all rows: 400 iterations of 4 clips of 3 frames, half of them made of
# photographs, the others from 30 videos; about 20 minutes on one CPU core. The last checkpoint
# is tested; none is selected by validation.
_base_ = [
    '../../../_base_/datasets/real_clips.py',
    '../../../_base_/schedules/tiny.py',
    '../../../_base_/default_runtime.py',
]
photographs, videos = _base_.train_dataloader.dataset.datasets
videos = dict(videos, video_subset=None)  # no hold-out, because nothing is selected
train_dataloader = dict(dataset=dict(datasets=[photographs, videos]))
max_iters = 400
warmup = 40
train_cfg = dict(max_iters=max_iters, val_interval=max_iters + 1)
optim_wrapper = dict(optimizer=dict(lr=4e-4, weight_decay=0.01))
param_scheduler = [
    dict(_base_.param_scheduler[0], end=warmup),
    dict(_base_.param_scheduler[1], begin=warmup, end=max_iters),
]
default_hooks = dict(checkpoint=dict(interval=100, max_keep_ckpts=1, save_best=None))
# Made by tools/dataset_converters/build_r2_pairs.py --negatives-per-positive 3.
test_dataloader = dict(dataset=dict(pairs_file='pairs/valid.json'))
