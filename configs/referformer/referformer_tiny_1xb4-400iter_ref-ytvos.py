# Small ReferFormer for the data of ../r2vos/r2vos_tiny_1xb4-400iter_ref-ytvos.py, without negative
# pairs. Set load_from to a checkpoint trained by ../studies/refshapes/referformer.py.
_base_ = [
    '../_base_/models/referformer_tiny.py',
    '../_base_/datasets/ref_youtube_vos_small.py',
    '../_base_/schedules/tiny_400.py',
    '../_base_/default_runtime.py',
]
model = dict(test_cfg=dict(frames_per_pass=8))
train_dataloader = dict(dataset=dict(negatives=None))
default_hooks = dict(checkpoint=dict(save_best='J&F'))
