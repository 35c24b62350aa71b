# Small R2-VOS for your own videos in the layout of Refer-YouTube-VOS, on a CPU, initialized from
# its RefShapes weights. Set train_dataloader.dataset.data_root and
# val_dataloader.dataset.data_root.
_base_ = [
    '../_base_/models/r2vos_tiny.py',
    '../_base_/datasets/ref_youtube_vos_small.py',
    '../_base_/schedules/tiny_400.py',
    '../_base_/default_runtime.py',
]
# Videos may be longer than the eight frames of RefShapes.
model = dict(test_cfg=dict(frames_per_pass=8))
load_from = '{{ fileDirname }}/../checkpoints/r2vos_tiny_refshapes.pth'
# Not J&F&R, because there are no negative pairs unless you create them (docs/datasets.md).
default_hooks = dict(checkpoint=dict(save_best='J&F'))
