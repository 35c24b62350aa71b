# MTTR at the size of r2vos_tiny_ref_youtube_vos.py and with its data. Nothing in it learns from
# negative pairs. Weights to start from (load_from): a run of studies/refshapes/mttr.py.
_base_ = [
    '../_base_/models/mttr_tiny.py',
    '../_base_/datasets/ref_youtube_vos_small.py',
    '../_base_/schedules/tiny_400.py',
    '../_base_/default_runtime.py',
]
model = dict(test_cfg=dict(window=8))
train_dataloader = dict(
    dataset=dict(
        negatives=None,
        pipeline=[
            *_base_.train_pipeline[:-1],
            dict(type='PackReferringInputs', with_instances=True),
        ],
    )
)
default_hooks = dict(checkpoint=dict(save_best='J&F'))
