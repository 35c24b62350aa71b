# The small R2-VOS on real video in the layout of Refer-YouTube-VOS, from its RefShapes weights,
# for a first look at your own data on a CPU. Set train_dataloader.dataset.data_root and
# val_dataloader.dataset.data_root.
_base_ = [
    '../_base_/models/r2vos_tiny.py',
    '../_base_/datasets/ref_youtube_vos_small.py',
    '../_base_/schedules/tiny_400.py',
    '../_base_/default_runtime.py',
]
# Videos here are longer than RefShapes' eight frames.
model = dict(test_cfg=dict(frames_per_pass=8))
load_from = '{{ fileDirname }}/../checkpoints/r2vos_tiny_refshapes.pth'
# Without negative pairs there is no R: see docs/datasets.md for how to make them.
default_hooks = dict(checkpoint=dict(save_best='J&F'))
