# ReferFormer at the size of r2vos_tiny_ref_youtube_vos.py, with its data. Nothing in it learns from
# negative pairs. Weights to start from (load_from): a run of studies/refshapes/referformer.py.
_base_ = [
    '../_base_/models/referformer_tiny.py',
    '../_base_/datasets/ref_youtube_vos_small.py',
    '../_base_/schedules/tiny_400.py',
    '../_base_/default_runtime.py',
]
model = dict(test_cfg=dict(window=8))
train_dataloader = dict(dataset=dict(negatives=None))
default_hooks = dict(checkpoint=dict(save_best='J&F'))
